"""Stops apps for work on their state, by scaling to 0. Services, routes and claims stay; the command or `up` scales to 1 again.

Two annotations of the workload tell every machine what a killed command left: that the app ran before, and that its state is half-restored.
The second note is also in a ConfigMap, because a workload can be deleted meanwhile.
"""

import contextlib
import json
from collections.abc import Iterator
from typing import Any, Final

from portable.engines.kubernetes.cluster import Cluster, ClusterReader
from portable.engines.kubernetes.lease import lease_held
from portable.engines.kubernetes.verdict import KubernetesObject, spec_of
from portable.live.kubernetes.apply import ApplyContext, grace_of, until
from portable.live.kubernetes.backup_run import backup_jobs, end_jobs, wait_for_schedule
from portable.live.kubernetes.desired import DesiredObject, rendered_items
from portable.live.kubernetes.obstacles import refuse_obstacles, restore_obstacle
from portable.live.kubernetes.order import WORKLOADS
from portable.live.kubernetes.owners import instance_of, other_tool
from portable.live.kubernetes.pauses import (
    PAUSED,
    RESTORING,
    half_restored,
    is_paused,
    recorded_restores,
    restores_body,
    restores_reference,
)
from portable.live.kubernetes.stack import INSTANCE, KubernetesStack, PodGroup, lease_name, refuse_unknown, store_lease_name
from portable.live.kubernetes.waiting import ReadinessWatch
from portable.live.restoring import copies_ended
from portable.live.tried import runner_in
from portable.local.lock import Lock, locked
from portable.model.errors import Refused
from portable.model.progress import Deduplicated, Event, Progress, silent

_SECONDS: Final = 120.0


def refuse_stop(cluster: ClusterReader, stack: KubernetesStack, apps: tuple[str, ...]) -> None:
    """Raise Refused for apps that cannot be stopped: something else would start them again, or they run at times."""
    refuse_unknown(stack, apps)
    if stack.plan is not None and stack.plan.gitops is not None:
        text = f"a GitOps controller applies {', '.join(apps)}, and would start them again in the middle of the work"
        remedy = "suspend the controller and remove `gitops` from the profile meanwhile; or back up without --stop"
        raise Refused(text, code="cluster.gitops", where=stack.project, remedy=remedy)
    for group in _groups(stack, apps):
        if group.is_scheduled:
            text = f"{', '.join(group.apps)} runs on a schedule, and cannot be stopped for a backup"
            raise Refused(text, code="cluster.unsupported", where=stack.project, remedy="run the same command without --stop")
        for item in _workloads(stack, group):
            if (live := cluster.get(item.reference)) is not None:
                _refuse_foreign(stack, item, live)


def stop(
    cluster: Cluster, stack: KubernetesStack, *, apps: tuple[str, ...], why: str, progress: Progress = silent, held: Lock | None = None
) -> None:
    """Scale the pods of these apps to 0, and wait until they are gone: state has one writer. Already stopped ones stay as they are."""
    refuse_stop(cluster, stack, apps)
    with locked(stack.project, why, progress=progress, held=held), _lease(cluster, stack, why) as lost:
        work = ApplyContext(cluster, stack, lost, progress)
        if stack.plan is not None and (runner := runner_in(stack.plan)) is not None:
            wait_for_schedule(work, runner.name)  # now, while the app still runs
        seconds = _SECONDS
        for group in _groups(stack, apps):
            for item in _workloads(stack, group):
                live = cluster.get(item.reference)
                if live is None:
                    continue
                seconds = max(seconds, _SECONDS + grace_of(live))
                if spec_of(live).get("replicas", 1) != 0:
                    work.check()
                    progress(Event(what="doing", subject=", ".join(group.apps), text=f"stop: for {why}"))
                    cluster.merge(item.reference, {"metadata": {"annotations": {PAUSED: why}}, "spec": {"replicas": 0}})
        for group in _groups(stack, apps):
            until(work, lambda group=group: not _pods(cluster, stack, group), f"the pod {group.name} has not ended", seconds)  # type: ignore[misc]


def start_again(
    cluster: Cluster, stack: KubernetesStack, *, apps: tuple[str, ...], progress: Progress = silent, held: Lock | None = None
) -> None:
    """Scale the pods that a command stopped to 1, as they were, and wait until they are ready.

    Pending changes of the profile stay for `up`, which may refuse them: an app that ran before the work runs after it.
    """
    with locked(stack.project, "up", progress=progress, held=held), _lease(cluster, stack, "up") as lost:
        work = ApplyContext(cluster, stack, lost, progress)
        groups = tuple(_groups(stack, apps))
        members = tuple(app for group in groups for app in group.apps)
        if half := {app: at for app in members if (at := noted_restore(cluster, stack, app))}:
            refuse_obstacles((restore_obstacle(half),), cluster.address.where)
        end_jobs(work, backup_jobs(cluster, stack, for_apps=members))
        copies_ended(stack.project, members)
        started: set[str] = set()
        for group in groups:
            for item in _workloads(stack, group):
                live = cluster.get(item.reference)
                if live is not None and (is_paused(live) or spec_of(live).get("replicas", 1) != 0):
                    started.add(group.name)
                if live is not None and is_paused(live):
                    work.check()
                    progress(Event(what="doing", subject=", ".join(group.apps), text="start: it ran before"))
                    cluster.merge(item.reference, {"metadata": {"annotations": {PAUSED: None}}, "spec": {"replicas": 1}})
        ReadinessWatch(cluster, stack, frozenset(started), Deduplicated(progress), None).until_ready(work.check)


def paused_with(cluster: ClusterReader, stack: KubernetesStack, app: str) -> set[str]:
    """The apps in an app's pod that a command stopped for its work, and did not start again; from whatever machine."""
    return {
        name
        for group in _groups(stack, (app,))
        for item in _workloads(stack, group)
        if (live := cluster.get(item.reference)) is not None and is_paused(live)
        for name in group.apps
    }


def note_restore(cluster: Cluster, stack: KubernetesStack, app: str, at: str | None) -> None:
    """Note in the cluster that an app is being restored from a backup, or with None that it may run."""
    if at:
        _record_restore(cluster, stack, app, at)
    for group in _groups(stack, (app,)):
        for item in _workloads(stack, group):
            live = cluster.get(item.reference)
            if live is None:
                continue
            before = half_restored(live)
            after = {name: what for name, what in before.items() if name != app} | ({app: at} if at else {})
            if after != before:
                text = json.dumps(after, sort_keys=True) if after else None
                cluster.merge(item.reference, {"metadata": {"annotations": {RESTORING: text}}})
    if not at:
        _record_restore(cluster, stack, app, None)


def noted_restore(cluster: ClusterReader, stack: KubernetesStack, app: str) -> str:
    """The backup from which a command began to restore an app, from whatever machine; empty where none is unfinished."""
    found = recorded_restores(cluster.get(restores_reference(stack)))
    for group in _groups(stack, (app,)):
        for item in _workloads(stack, group):
            if (live := cluster.get(item.reference)) is not None:
                found = half_restored(live) | found
    return found.get(app, "")


def _record_restore(cluster: Cluster, stack: KubernetesStack, app: str, at: str | None) -> None:
    before = recorded_restores(cluster.get(restores_reference(stack)))
    after = {name: what for name, what in before.items() if name != app} | ({app: at} if at else {})
    if after != before:
        cluster.apply(restores_body(stack, after), force=True)  # it has no other owner


@contextlib.contextmanager
def exclusive(cluster: Cluster, stack: KubernetesStack, doing: str) -> Iterator[None]:
    """Hold the Leases of the stack and of the store while a block runs: no app is stopped for a step that another machine keeps away."""
    with _lease(cluster, stack, doing), lease_held(cluster, stack.namespace, store_lease_name(stack), doing, dict(stack.labels)):
        yield


def _lease(cluster: Cluster, stack: KubernetesStack, why: str) -> Any:
    return lease_held(cluster, stack.namespace, lease_name(stack), why, dict(stack.labels))


def _groups(stack: KubernetesStack, apps: tuple[str, ...]) -> Iterator[PodGroup]:
    yield from (group for group in stack.groups if set(group.apps) & set(apps))


def _workloads(stack: KubernetesStack, group: PodGroup) -> Iterator[DesiredObject]:
    yield from (item for item in rendered_items(stack) if item.group == group.name and item.kind in WORKLOADS)


def _pods(cluster: ClusterReader, stack: KubernetesStack, group: PodGroup) -> tuple[KubernetesObject, ...]:
    return tuple(cluster.list("v1", "Pod", namespace=stack.namespace, labels=f"{INSTANCE}={stack.instance},{group.selector}"))


def _refuse_foreign(stack: KubernetesStack, item: DesiredObject, live: KubernetesObject) -> None:
    if (tool := other_tool(live)) or instance_of(live) != stack.instance:
        text = f"{item.reference} is managed by {tool or 'another stack'}, and would be started again in the middle of the work"
        raise Refused(text, code="cluster.other-tool", where=stack.project, remedy="stop the app there, or back it up without --stop")
