"""The secrets that a plan refers to."""

from collections.abc import Iterator

from portable.model.base import Struct
from portable.model.plan import Plan
from portable.model.secret_refs import SecretRef
from portable.secrets.values import Key


class Need(Struct, frozen=True, kw_only=True):
    """A secret that a plan refers to."""

    name: str
    key: str
    optional: bool
    apps: tuple[str, ...]


def needs_of(plan: Plan) -> tuple[Need, ...]:
    """Every secret of the plan once, with the apps that use it. It is optional only if every use is."""
    uses: dict[Key, tuple[bool, set[str]]] = {}
    for app, ref in _references(plan):
        optional, apps = uses.get((ref.name, ref.key), (True, set()))
        uses[ref.name, ref.key] = (optional and ref.optional, apps | {app})
    return tuple(
        Need(name=name, key=key, optional=optional, apps=tuple(sorted(apps))) for (name, key), (optional, apps) in sorted(uses.items())
    )


def notify_needs(plan: Plan) -> tuple[Need, ...]:
    """The secrets of the section `notify`. No container gets them, so `up` neither needs nor reads them."""
    if plan.notify is None:
        return ()
    uses: dict[Key, set[str]] = {}
    for ref in (*([plan.notify.url] if plan.notify.url else ()), *plan.notify.pings.values()):
        uses.setdefault((ref.name, ref.key), set()).add("notify")
    return tuple(Need(name=name, key=key, optional=True, apps=tuple(sorted(apps))) for (name, key), apps in sorted(uses.items()))


def _references(plan: Plan) -> Iterator[tuple[str, SecretRef]]:
    files = {file.id: file for file in plan.files}
    placed = [(app.name, container) for app in plan.apps for container in app.containers]
    placed += [(cloud.id, cloud.fuse_mount) for cloud in plan.clouds] + [("init", plan.tools)]
    for owner, container in placed:
        yield from ((owner, ref) for ref in container.secret_refs)
        for mount in container.files:
            yield from ((owner, ref) for ref in (files[mount.file].secret_refs if mount.file in files else ()))
