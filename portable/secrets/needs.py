"""The secrets that a plan refers to."""

from collections.abc import Iterator

from portable.model.base import Struct
from portable.model.plan import Plan, SecretRef
from portable.secrets.values import Key


class Need(Struct, frozen=True, kw_only=True):
    """A secret that something of a plan refers to."""

    name: str
    key: str
    optional: bool
    apps: tuple[str, ...]


def needs_of(plan: Plan) -> tuple[Need, ...]:
    """Every secret that the plan refers to, once, with the apps that use it; optional only where every use is."""
    found: dict[Key, tuple[bool, set[str]]] = {}
    for app, ref in _references(plan):
        optional, apps = found.get((ref.name, ref.key), (True, set()))
        found[ref.name, ref.key] = (optional and ref.optional, apps | {app})
    return tuple(
        Need(name=name, key=key, optional=optional, apps=tuple(sorted(apps))) for (name, key), (optional, apps) in sorted(found.items())
    )


def _references(plan: Plan) -> Iterator[tuple[str, SecretRef]]:
    files = {file.id: file for file in plan.files}
    placed = [(app.name, container) for app in plan.apps for container in app.containers]
    placed += [(cloud.id, cloud.mounter) for cloud in plan.clouds] + [("init", plan.tools)]
    for owner, container in placed:
        for value in container.env.values():
            if isinstance(value, SecretRef):
                yield owner, value
        for mount in container.secrets:
            for key in mount.keys:
                yield owner, SecretRef(name=mount.secret, key=key, optional=mount.optional)
        for file in container.files:
            for part in files[file.file].body if file.file in files else ():
                if isinstance(part, SecretRef):
                    yield owner, part
