"""Changes of an app's version that have no way back: downgrades, and steps after which an older version cannot read the state. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping

import msgspec

from portable.model.base import Struct
from portable.model.errors import Refused
from portable.model.plan import Ephemeral, Plan
from portable.model.versions import OneWay

_VERSION = re.compile(r"(?:^|[^0-9.])v?(\d+(?:\.\d+)*)")
_DATABASES = re.compile(r"(?:^|/)(?:postgres|postgresql|mariadb|mysql)$")
"""Repositories of database servers, which read only the files of their own major version."""


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

    @property
    def text(self) -> str:
        """What would happen."""
        what = f"{self.app} would go from {self.before} to {self.after}"
        if self.is_downgrade:
            return f"{what}: an older version does not read the state of a newer one, and may damage it"
        slow = "; its migration may take hours, and must not be stopped" if self.is_slow else ""
        return f"{what}, and an older version cannot read its state afterwards ({self.source}){slow}"


def version_of(reference: str) -> tuple[int, ...]:
    """The numbers of an image's tag, for example (6, 0, 4) of `radarr:6.0.4-ls288`; empty if the tag names no version."""
    match = _VERSION.search(_tag(reference))
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def _tag(reference: str) -> str:
    head, _, tag = reference.partition("@")[0].rpartition(":")
    return tag if head and "/" not in tag else ""


def _repository(reference: str) -> str:
    return reference.partition("@")[0].removesuffix(f":{_tag(reference)}")


def step_of(app: str, before: str, after: str, known: Collection[OneWay] = ()) -> VersionStep | None:
    """The step between two references of an app's image; None if it has a way back, or nothing is known of it.

    Images of different repositories, and tags without a version, are not compared.
    """
    old, new = version_of(before), version_of(after)
    repository = _repository(after)
    if not old or not new or _repository(before) != repository or _padded(old) == _padded(new):
        return None
    step = VersionStep(app=app, before=_tag(before), after=_tag(after), is_downgrade=_padded(new) < _padded(old))
    if step.is_downgrade:
        return step
    if _DATABASES.search(repository) and new[0] != old[0]:
        text = "a database server does not read files of another major version: dump and load them"
        return msgspec.structs.replace(step, source=text)
    crossed = [one for one in known if _padded(old) < _padded(_numbers(one.version)) <= _padded(new)]
    if not crossed:
        return None
    return msgspec.structs.replace(step, is_slow=any(one.is_slow for one in crossed), source=", ".join(one.source for one in crossed))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _padded(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """So that 6 and 6.0 are one version."""
    return (*numbers, *(0,) * (6 - len(numbers)))


def keepers(plan: Plan) -> set[str]:
    """The apps that keep state between two versions."""
    lasting = {v.id for v in plan.volumes if not plan.is_library(v.id) and not isinstance(v.place, Ephemeral)}
    return {app.name for app in plan.apps for c in app.containers if any(m.volume in lasting and m.access == "rw" for m in c.mounts)}


def steps_of(
    plan: Plan, changed: Mapping[str, tuple[tuple[str, str], ...]], known: Mapping[str, Collection[OneWay]]
) -> Iterator[VersionStep]:
    """Yield the steps of apps that keep state; `changed` has the pairs of references that each app would change, old and new."""
    with_state = keepers(plan)
    for app, pairs in sorted(changed.items()):
        for before, after in pairs:
            if app in with_state and (step := step_of(app, before, after, known.get(app, ()))) is not None:
                yield step


def refuse_steps(steps: Collection[VersionStep], accepted: Collection[str], where: str) -> None:
    """Raise Refused for every step that nobody accepted by the app's name."""
    open_ = [step for step in steps if step.app not in accepted]
    if not open_:
        return
    names = " ".join(sorted({step.app for step in open_}))
    flags = " ".join(f"--accept-version {app}" for app in names.split())
    raise Refused(
        "; ".join(step.text for step in open_),
        code="up.downgrade" if any(step.is_downgrade for step in open_) else "up.one-way",
        where=where,
        remedy=f"make a backup and try it (`portable backup {names}`, then `portable backup --check`), then run `portable up {flags}`",
    )
