"""`heal`: new pods for apps that crash again and again.

A kubelet restarts a container by itself, after pauses of up to five minutes, and always in the same pod. Some faults outlive that: what a
container left in the pod's own files (`/etc/resolv.conf`, an emptyDir) is there again for the next one. A new pod begins afresh, at once.
"""

from collections.abc import Iterator
from typing import Final

from portable.engines.kubernetes.cluster import Cluster, ClusterReader, reference_of
from portable.engines.kubernetes.lease import lease_held
from portable.engines.kubernetes.verdict import KubernetesObject, status_of
from portable.live.kubernetes.apply import ApplyContext
from portable.live.kubernetes.order import JOBS
from portable.live.kubernetes.owners import instance_of, other_tool
from portable.live.kubernetes.stack import KubernetesStack, lease_name
from portable.live.kubernetes.status import status
from portable.live.kubernetes.waiting import GroupState, ReadinessWatch, look_at_groups
from portable.live.results import Outcome, Repairs
from portable.local.lock import locked
from portable.model.changes import Change
from portable.model.progress import Deduplicated, Event, Progress, silent

_CRASHED: Final = "CrashLoopBackOff"


def examine(cluster: ClusterReader, stack: KubernetesStack) -> Repairs:
    """The apps that a new pod starts again, those that share their pod, and what a new pod does not mend."""
    standings = look_at_groups(cluster, stack)
    changes = tuple(change for standing in standings for change in _changes(stack, standing))
    mended = {change.app for change in changes}
    others = [standing for standing in standings if not standing.verdict.is_ready and not mended & set(standing.group.apps)]
    return Repairs(
        changes=changes, waiting=tuple(f"{', '.join(other.group.apps)}: {other.verdict.reason}" for other in others if other.workload)
    )


def heal(cluster: Cluster, stack: KubernetesStack, *, deadline: float | None = None, progress: Progress = silent) -> Outcome:
    """Replace the pods that `examine` names, and wait until their apps are ready."""
    cluster.version()
    with locked(stack.project, "heal", progress=progress):
        if not examine(cluster, stack).changes:
            return Outcome(changes=(), rows=status(cluster, stack))
        changes: list[Change] = []
        with lease_held(cluster, stack.namespace, lease_name(stack), "heal", dict(stack.labels)) as lost:
            work = ApplyContext(cluster, stack, lost, progress)
            groups = set()
            for standing in look_at_groups(cluster, stack):
                if not (found := list(_changes(stack, standing))) or standing.pod is None:
                    continue
                for change in found:
                    progress(Event(what="doing", subject=change.service, text=f"{change.kind}: {change.cause}"))
                work.check()
                # Exactly this pod: its workload makes another one, a StatefulSet after this one is gone.
                cluster.delete(reference_of(standing.pod), str(standing.pod["metadata"]["uid"]), propagation="Background")
                changes += found
                groups.add(standing.group.name)
            ReadinessWatch(cluster, stack, frozenset(groups), Deduplicated(progress), deadline).until_ready(work.check)
        return Outcome(changes=tuple(changes), rows=status(cluster, stack))


def _changes(stack: KubernetesStack, standing: GroupState) -> Iterator[Change]:
    """The changes of one group: its crashed apps, then those that share their pod."""
    pod, workload = standing.pod, standing.workload
    if pod is None or workload is None or workload["kind"] in JOBS or standing.group.is_scheduled or standing.verdict.is_ready:
        return
    if other_tool(workload) or instance_of(workload) != stack.instance or pod["metadata"].get("deletionTimestamp"):
        return
    crashed = {app for container, app in standing.group.containers.items() if _is_crashed(pod, container)}
    for app in standing.group.apps:
        if app in crashed:
            yield Change(kind="start", service=app, app=app, cause=standing.verdict.reason)
    for app in standing.group.apps if crashed else ():
        if app not in crashed:
            yield Change(kind="restart", service=app, app=app, cause=f"it shares the pod of {', '.join(sorted(crashed))}")


def _is_crashed(pod: KubernetesObject, container: str) -> bool:
    """Whether a container has crashed and waits for its next start, or ended."""
    for key in ("containerStatuses", "initContainerStatuses"):
        for seen in status_of(pod).get(key) or ():
            if seen["name"] == container:
                state = seen.get("state") or {}
                ended = state.get("terminated") or {}
                return (state.get("waiting") or {}).get("reason") == _CRASHED or bool(ended and ended.get("exitCode") != 0)
    return False
