"""`down`: deletes workloads and what leads to them; claims, volumes, namespaces and Secrets never."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from portable.engines.kubernetes.cluster import Cluster, Reference
from portable.engines.kubernetes.lease import lease_held
from portable.engines.kubernetes.verdict import KubernetesObject
from portable.live.kubernetes.apply import ApplyContext, delete_in_order, record_remaining
from portable.live.kubernetes.desired import DesiredObject, rendered_items
from portable.live.kubernetes.inventory import InventoryEntry, inventory_reference, is_same, read_inventory
from portable.live.kubernetes.look import WORKERS, ClusterState
from portable.live.kubernetes.order import KEPT, runs_pods
from portable.live.kubernetes.owners import instance_of, other_tool
from portable.live.kubernetes.reconcile import Removal, current_inventory
from portable.live.kubernetes.stack import KubernetesStack, PodGroup, apps_of, lease_name, refuse_unknown
from portable.live.restoring import started_again
from portable.local.lock import Lock, locked
from portable.model.changes import Change
from portable.model.errors import Refused
from portable.model.progress import Event, Progress, silent

_ASKED: Final = "asked for; its data stays"


def down(
    cluster: Cluster, stack: KubernetesStack, *, apps: tuple[str, ...] = (), progress: Progress = silent, held: Lock | None = None
) -> tuple[Change, ...]:
    """Delete what runs the apps, what leads to them, and their fences last. Needs no secrets.

    Objects of an administrator stay, and the inventory lists what remains.
    """
    refuse_unknown(stack, apps)
    cluster.version()  # without an API server nothing is written, the lock neither
    with locked(stack.project, "down", progress=progress, held=held):
        groups = [group for group in stack.groups if not apps or set(group.apps) & set(apps)]
        removals, observed = _found(cluster, stack, groups, whole=not apps)
        if not removals and set(current_inventory(stack, observed)) == set(observed.recorded):
            return ()
        with lease_held(cluster, stack.namespace, lease_name(stack), "down", dict(stack.labels)) as lost:
            removals, observed = _found(cluster, stack, groups, whole=not apps)
            work = ApplyContext(cluster, stack, lost, progress)
            delete_in_order(work, removals)
            record_remaining(work, observed, (removal.reference for removal in removals))
        changes = tuple(_changes(stack, groups, removals, apps))
        for change in changes:
            progress(Event(what="done", subject=change.service, text="removed"))
        if held is None:  # a person's own `down`: nothing is left for a killed `backup --stop` to start again
            started_again(stack.project, {change.app for change in changes} | set(apps) if apps else ())
    return changes


def _found(cluster: Cluster, stack: KubernetesStack, groups: list[PodGroup], *, whole: bool) -> tuple[list[Removal], ClusterState]:
    """The objects to delete, and the state of the inventory."""
    recorded = read_inventory(cluster.get(inventory_reference(stack)))
    names = {group.name for group in groups}
    items = {item.reference: item for item in rendered_items(stack)}
    entries = {entry.reference: entry for entry in recorded}
    wanted: set[Reference] = {r for r, item in items.items() if item.group in names or (whole and not item.group)}
    if whole:
        wanted |= set(entries) - set(items)
    live: dict[Reference, Any] = {}
    removals: list[Removal] = []
    references = sorted({*wanted, *entries})
    for kind in sorted({(reference.api_version, reference.kind) for reference in references}):
        cluster.path_of(*kind)  # one after the other: discovery keeps a cache that threads would fight for
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(cluster.get, references))
    for reference, item in zip(references, found, strict=True):
        if item is None:
            continue
        live[reference] = item
        if reference in wanted and _may_delete(stack, items.get(reference), entries.get(reference), reference, item):
            removals.append(Removal(reference=reference, live=item, cause=_ASKED))
    observed = ClusterState(has_namespace=True, live=live, seen=(), recorded=recorded)
    return removals, observed


def _may_delete(
    stack: KubernetesStack, item: DesiredObject | None, entry: InventoryEntry | None, reference: Reference, live: KubernetesObject
) -> bool:
    """Whether an object is this stack's own, and of a kind that may go. Raises Refused for one that another tool owns."""
    if reference.kind in KEPT or not reference.namespace or (item is not None and item.is_prerequisite):
        return False
    if tool := other_tool(live):
        raise Refused(
            f"{reference} is managed by {tool}", code="cluster.other-tool", where=stack.project, remedy="delete it with that tool"
        )
    if entry is not None and entry.uid:
        return is_same(stack, entry, live)
    return instance_of(live) == stack.instance


def _changes(stack: KubernetesStack, groups: Iterable[PodGroup], removals: list[Removal], apps: tuple[str, ...]) -> Iterable[Change]:
    by_name = {item.reference: item for item in rendered_items(stack)}
    known = apps_of(stack)
    for removal in removals:
        item = by_name.get(removal.reference)
        if not runs_pods(removal.reference.kind):
            if item is None or not item.group:
                yield Change(kind="remove", service=str(removal.reference), cause="asked for")
            continue
        if item is None:
            yield Change(kind="remove", service=removal.reference.name, cause="asked for; it is not part of the stack any more")
            continue
        group = next(group for group in groups if group.name == item.group)
        asked = [app for app in group.apps if app in apps] or list(group.apps)
        for app in group.apps or (removal.reference.name,):
            cause = _ASKED if app in asked else f"asked for, with {asked[0]}, whose pod it shares; its data stays"
            yield Change(kind="remove", service=app, app=app if app in known else "", cause=cause)
