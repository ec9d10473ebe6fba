"""Carries out steps in the order of their phases, and deletes what the inventory says. Every write stops once the Lease is lost."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from portable.engines.kubernetes.cluster import Cluster, Reference
from portable.engines.kubernetes.errors import AGAIN, ClusterError
from portable.engines.kubernetes.lease import LeaseLost
from portable.engines.kubernetes.verdict import KubernetesObject, spec_of
from portable.live.kubernetes.desired import DesiredObject, template_of
from portable.live.kubernetes.inventory import InventoryEntry, current, inventory_body
from portable.live.kubernetes.look import WORKERS, ClusterState, pods_of
from portable.live.kubernetes.order import PODS, deletion_phase, in_order, runs_pods
from portable.live.kubernetes.reconcile import ApplyPlan, ApplyStep, Removal, current_inventory
from portable.live.kubernetes.stack import KubernetesStack
from portable.model.progress import Event, Progress

POLL_SECONDS: Final = 1.0
_END_SECONDS: Final = 120.0
"""How long pods may take to end beyond their own grace period."""


class ApplyContext:
    """What carrying out needs, together."""

    def __init__(self, cluster: Cluster, stack: KubernetesStack, lost: threading.Event, progress: Progress) -> None:
        self.cluster, self.stack, self._lost, self.progress = cluster, stack, lost, progress

    def check(self) -> None:
        """Raise LeaseLost where another machine took the Lease: from then on nothing may be written."""
        if self._lost.is_set():
            raise LeaseLost(
                "the lock was lost, because the API server could not be reached in time to renew it",
                where=self.cluster.address.where,
                remedy="run the same command again: it goes on where it stopped",
            )


def carry_out(work: ApplyContext, observed: ClusterState, reconciled: ApplyPlan) -> None:
    """Apply and delete. The inventory names every object before the first one is applied, and has its UID afterwards."""
    known = {entry.reference: entry.uid for entry in current_inventory(work.stack, observed)}
    planned = {step.item.reference: "" for step in reconciled.steps} | known
    _record(work, planned)
    applied: dict[Reference, str] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        phases = in_order(reconciled.steps, lambda step: step.item.kind)
        for phase, steps in phases:
            if phase == PODS:
                break
            _apply_all(work, pool, steps, applied)
        # An app's old pod ends before its new one starts: state has one writer.
        delete_in_order(work, [removal for removal in reconciled.removals if runs_pods(removal.reference.kind)])
        for phase, steps in phases:
            if phase >= PODS:
                _apply_workloads(work, pool, steps, observed, applied) if phase == PODS else _apply_all(work, pool, steps, applied)
        delete_in_order(work, [removal for removal in reconciled.removals if not runs_pods(removal.reference.kind)])
    gone = {removal.reference for removal in reconciled.removals}
    final = {reference: uid for reference, uid in {**known, **applied}.items() if reference not in gone}
    _record(work, final)


def create_namespace(cluster: Cluster, observed: ClusterState) -> None:
    """Create the namespace, which has to exist before anything in it can be tried. It is the one thing written before that."""
    for seen in observed.namespace_only:
        cluster.apply(seen.item.body)


def record_current(work: ApplyContext, observed: ClusterState) -> None:
    """Write the inventory of what exists: a command that was killed left it without UIDs."""
    _record(work, {entry.reference: entry.uid for entry in current_inventory(work.stack, observed)})


def record_remaining(work: ApplyContext, observed: ClusterState, gone: Iterable[Reference]) -> None:
    """Write the inventory without what was deleted."""
    left = set(gone)
    kept = current(work.stack, observed.recorded, {}, observed.live, observed.unreadable)
    _record(work, {entry.reference: entry.uid for entry in kept if entry.reference not in left})


def _record(work: ApplyContext, entries: dict[Reference, str]) -> None:
    work.check()
    body = inventory_body(work.stack, (InventoryEntry(reference=reference, uid=uid) for reference, uid in entries.items()))
    work.cluster.apply(body, force=True)  # the inventory has no other owner


def _apply_all(work: ApplyContext, pool: ThreadPoolExecutor, steps: Sequence[ApplyStep], applied: dict[Reference, str]) -> None:
    def apply(step: ApplyStep) -> str:
        return _apply(work, step)

    for step, uid in zip(steps, pool.map(apply, steps), strict=True):
        applied[step.item.reference] = uid


def _apply(work: ApplyContext, step: ApplyStep) -> str:
    """Apply one object; its UID."""
    work.check()
    if step.replaces:
        reference = step.item.reference
        work.cluster.delete(reference, step.replaces)
        until(work, lambda: _is_gone(work.cluster, reference, step.replaces), f"{reference} is still being deleted", _END_SECONDS)
        work.check()
    if step.cleaned is not None:
        work.cluster.replace(step.cleaned)
    stored = work.cluster.apply(step.item.body, force=step.is_forced)
    return str(stored["metadata"]["uid"])


def _apply_workloads(
    work: ApplyContext, pool: ThreadPoolExecutor, steps: Sequence[ApplyStep], observed: ClusterState, applied: dict[Reference, str]
) -> None:
    """Apply workloads. Where an app moves to another pod, its old pod ends first."""
    moved = moved_apps(work.stack, steps, observed.pods)
    sources = {group for groups in moved.values() for group in groups}
    _apply_all(work, pool, [step for step in steps if step.item.group in sources and step.item.group not in moved], applied)
    left = [step for step in steps if step.item.reference not in applied]
    for step in left:
        for source in sorted(moved.get(step.item.group, ())):
            apps = [name for name, app in _containers_of(work.stack, step.item).items() if app in step.item.apps]
            until(
                work,
                lambda source=source, apps=apps: not _pods_with(work, source, apps),  # type: ignore[misc]
                f"the pod {source}, which had an app of {step.item.group}, is still there",
                _END_SECONDS + grace_of(step.item.body),
            )
    _apply_all(work, pool, left, applied)


def moved_apps(stack: KubernetesStack, steps: Iterable[ApplyStep], pods: Iterable[KubernetesObject]) -> dict[str, set[str]]:
    """By group to be applied: the other groups whose pods have one of its apps now."""
    found: dict[str, set[str]] = {}
    running = [(str((pod["metadata"].get("labels") or {}).get("portable/group") or ""), pod) for pod in pods]
    for step in steps:
        names = _containers_of(stack, step.item)
        for label, pod in running:
            group = stack.group_named(label)
            inside = {container["name"] for container in spec_of(pod).get("containers") or ()}
            if group is not None and group.name != step.item.group and inside & set(names):
                found.setdefault(step.item.group, set()).add(group.name)
    return found


def _containers_of(stack: KubernetesStack, item: DesiredObject) -> dict[str, str]:
    group = next((group for group in stack.groups if group.name == item.group), None)
    return dict(group.containers) if group is not None else {}


def _pods_with(work: ApplyContext, group: str, containers: Iterable[str]) -> list[KubernetesObject]:
    names = set(containers)
    selector = next(other.selector for other in work.stack.groups if other.name == group)
    pods = work.cluster.list("v1", "Pod", namespace=work.stack.namespace, labels=selector)
    return [pod for pod in pods if {container["name"] for container in spec_of(pod).get("containers") or ()} & names]


def delete_in_order(work: ApplyContext, removals: Sequence[Removal]) -> None:
    """Delete objects in the reverse order; after those that make pods, wait until the pods are gone."""
    phases: dict[int, list[Removal]] = {}
    for removal in removals:
        phases.setdefault(deletion_phase(removal.reference.kind), []).append(removal)

    def delete(removal: Removal) -> None:
        work.check()
        work.cluster.delete(removal.reference, removal.uid)

    with ThreadPoolExecutor(WORKERS) as pool:
        for phase, chosen in sorted(phases.items()):
            for removal in chosen:
                work.progress(Event(what="doing", subject=str(removal.reference), text="deleting"))
                work.cluster.path_of(removal.reference.api_version, removal.reference.kind)  # threads would fight for the cache of kinds
            list(pool.map(delete, chosen))
            if phase == 0:
                _until_pods_end(work, chosen)


def _until_pods_end(work: ApplyContext, removals: Sequence[Removal]) -> None:
    """Wait until the workloads and their pods are gone: a fence must outlive what it fences, and state has one writer."""
    uids = {removal.uid for removal in removals}
    names = ", ".join(str(removal.reference) for removal in removals)
    grace = max((grace_of(removal.live) for removal in removals), default=0)

    kinds = sorted({(removal.reference.api_version, removal.reference.kind) for removal in removals})

    def are_gone() -> bool:
        left = [item for kind in kinds for item in work.cluster.list(*kind, namespace=work.stack.namespace)]
        if any(str(item["metadata"]["uid"]) in uids for item in left):
            return False
        return not [pod for pod in pods_of(work.cluster, work.stack) if _owners(pod) & uids]

    until(work, are_gone, f"the pods of {names} have not ended", _END_SECONDS + grace)


def _owners(pod: KubernetesObject) -> set[str]:
    return {str(owner.get("uid")) for owner in pod["metadata"].get("ownerReferences") or ()}


def _is_gone(cluster: Cluster, reference: Reference, uid: str) -> bool:
    item = cluster.get(reference)
    return item is None or str(item["metadata"]["uid"]) != uid


def grace_of(body: KubernetesObject) -> int:
    """The grace period of the pods of a workload, in seconds."""
    return int((template_of(body).get("spec") or {}).get("terminationGracePeriodSeconds") or 30)


def until(work: ApplyContext, holds: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait until something holds. Raises ClusterError with what is not so at the end."""
    end = time.monotonic() + seconds
    pause = 0.1
    while not holds():
        if time.monotonic() > end:
            raise ClusterError("slow", f"{what} after {seconds:.0f} s", where=work.cluster.address.where, remedy=f"look at it, {AGAIN}")
        work.check()
        time.sleep(pause)
        pause = min(POLL_SECONDS, pause * 2)
