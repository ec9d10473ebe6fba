"""Changes of an app's version that have no way back: downgrades, and steps after which an older version cannot read the state. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from portable.model.base import Struct
from portable.model.codes import Code
from portable.model.plan import Ephemeral, Plan
from portable.model.versions import OneWay, numbers_of, padded, tag_of, version_of

_DATABASES = re.compile(r"(?:^|/)(?:postgres|postgresql|postgis|pgvector|timescaledb|mariadb|mysql|mongo|elasticsearch)\Z")
"""Repositories of database servers, which read only the files of their own major version, or leave no way back."""
_SERVERS = {
    "redis": (
        OneWay(version="7.0", source="redis/redis#13007"),
        OneWay(version="7.2", source="apecloud/ape-dts#67"),
        OneWay(version="7.4", source="redis/redis#14064"),
    ),
}
"""Versions without a way back of programs that run beside apps, by the last part of the repository."""
_POSTGRES = re.compile(r"pg-?(\d+)")
"""The server's version in the tag of an extension, for example 17 of `pgvector:0.8.1-pg17`."""


class VersionStep(Struct, frozen=True, kw_only=True):
    """A change of a version that a person must accept."""

    app: str
    before: str
    after: str
    """Tags of the image that ran and of the one that would run."""
    is_downgrade: bool
    is_slow: bool = False
    """Whether its migration may take hours."""
    source: str = ""
    reference: str = ""
    """The reference of the image that ran."""
    since: float = 0.0
    """When it was started, in seconds since 1970 by the engine's clock; 0 if unknown."""

    @property
    def text(self) -> str:
        """What would happen."""
        what = f"{self.app} would go from {self.before} to {self.after}"
        if self.is_downgrade:
            return f"{what}: an older version does not read the state of a newer one, and may damage it"
        slow = "; its migration may take hours, and must not be stopped" if self.is_slow else ""
        return f"{what}, and an older version cannot read its state afterwards ({self.source}){slow}"


def _program(reference: str) -> str:
    """The last part of an image's repository: copies of one image in several registries have one version."""
    return reference.partition("@")[0].removesuffix(f":{tag_of(reference)}").rpartition("/")[2]


def _version(reference: str) -> tuple[int, ...]:
    """The version of an image; for an extension of PostgreSQL that of the server, which reads the files."""
    server = _POSTGRES.search(tag_of(reference)) if _DATABASES.search(_program(reference)) else None
    return (int(server[1]),) if server else version_of(reference)


def step_of(app: str, before: str, after: str, known: Collection[OneWay] = ()) -> VersionStep | None:
    """The step between two references of an app's image; None if it has a way back, or nothing is known of it.

    Images of different programs, and tags without a version, are not compared.
    """
    old, new = _version(before), _version(after)
    program = _program(after)
    if not old or not new or _program(before) != program or padded(old) == padded(new):
        return None
    step = VersionStep(app=app, before=tag_of(before), after=tag_of(after), is_downgrade=padded(new) < padded(old), reference=before)
    if step.is_downgrade:
        return step
    if _DATABASES.search(program) and new[0] != old[0]:
        text = "a database server does not read the files of every other major version: see its guide to upgrades"
        return msgspec.structs.replace(step, source=text)
    crossed = [one for one in _SERVERS.get(program, known) if padded(old) < padded(numbers_of(one.version)) <= padded(new)]
    if not crossed:
        return None
    return msgspec.structs.replace(step, is_slow=any(one.is_slow for one in crossed), source=", ".join(one.source for one in crossed))


def keepers(plan: Plan) -> set[str]:
    """The apps that keep state between two versions."""
    lasting = {v.id for v in plan.volumes if not plan.is_library(v.id) and not isinstance(v.place, Ephemeral)}
    return {app.name for app in plan.apps for c in app.containers if any(m.volume in lasting and m.access == "rw" for m in c.mounts)}


def known_of(plan: Plan, app: str, reference: str, known: Mapping[str, Collection[OneWay]]) -> Collection[OneWay]:
    """What the catalog says of an app's versions, unless the image is that of a container beside the app, which has its own versions."""
    containers = [(c.role == "main", _program(c.image.reference)) for one in plan.apps if one.name == app for c in one.containers]
    program = _program(reference)
    return () if (False, program) in containers and (True, program) not in containers else known.get(app, ())


class ImageChange(Struct, frozen=True, kw_only=True):
    """An image of an app that would be replaced."""

    app: str
    before: str
    after: str
    since: float = 0.0
    """When the app began to run `before`, in seconds since 1970; 0 if unknown."""


def steps_of(plan: Plan, changed: Iterable[ImageChange], known: Mapping[str, Collection[OneWay]]) -> Iterator[VersionStep]:
    """Yield the steps of apps that keep state."""
    with_state = keepers(plan)
    for change in sorted(changed, key=lambda change: change.app):
        if change.app not in with_state:
            continue
        own = known_of(plan, change.app, change.after, known)
        if (step := step_of(change.app, change.before, change.after, own)) is not None:
            yield msgspec.structs.replace(step, since=change.since)


def code_of(steps: Iterable[VersionStep]) -> Code:
    """The code of a refusal of these steps."""
    return "up.downgrade" if any(step.is_downgrade for step in steps) else "up.one-way"
