"""Waiting until the apps of a stack are ready: what each one waits for, and giving up at once where waiting cannot help."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from portable.engines.kubernetes.cluster import ClusterReader
from portable.engines.kubernetes.errors import AGAIN, ClusterError
from portable.engines.kubernetes.inside import log_lines
from portable.engines.kubernetes.objects import judge
from portable.engines.kubernetes.verdict import (
    READY,
    KubernetesObject,
    ObjectVerdict,
    conditions_of,
    failed,
    sentence,
    spec_of,
    status_of,
    waiting,
)
from portable.live.kubernetes.desired import template_of
from portable.live.kubernetes.order import runs_pods
from portable.live.kubernetes.pauses import reason_of_stop
from portable.live.kubernetes.stack import KubernetesStack, PodGroup
from portable.model.base import Struct
from portable.model.codes import Code
from portable.model.errors import EngineError, UnhealthyError
from portable.model.progress import Deduplicated, Event

POLL_SECONDS: Final = 1.0
_FINAL_SECONDS: Final = 10.0
"""How long a failure that waiting cannot mend must last: a controller may still be about to replace the pod."""
_DEADLINE_SECONDS: Final = 1800.0
"""The longest wait by default: large images take their time, and no wait is endless."""
_LOG_LINES: Final = 8
_QUOTA: Final = "exceeded quota"
"""Pods that are refused by a quota may be admitted once others have ended."""
_NO_WORKLOAD: Final = waiting("it does not exist yet")


class AppsNotReady(EngineError):  # noqa: N818  # an outcome
    """The time is over, and apps are not ready: they may still become so."""

    def __init__(self, text: str, *, apps: frozenset[str], where: str, remedy: str, code: Code = "up.timeout") -> None:
        super().__init__(text, code=code, where=where, remedy=remedy)
        self.apps = apps


class UnhealthyApps(AppsNotReady, UnhealthyError):  # noqa: N818  # as its base
    """Apps that do not become ready by waiting."""

    def __init__(self, text: str, *, apps: frozenset[str], where: str, remedy: str, code: Code = "up.unhealthy") -> None:
        super().__init__(text, apps=apps, where=where, remedy=remedy, code=code)


class GroupState(Struct, frozen=True, kw_only=True):
    """How a group stands: its workload, the pod that counts, and the verdict."""

    group: PodGroup
    verdict: ObjectVerdict
    workload: KubernetesObject | None = None
    pod: KubernetesObject | None = None


def look_at_groups(cluster: ClusterReader, stack: KubernetesStack) -> tuple[GroupState, ...]:
    """How every group stands now."""
    labels = f"app.kubernetes.io/instance={stack.instance}"
    kinds = sorted({(str(d.body["apiVersion"]), str(d.body["kind"])) for d in stack.documents if runs_pods(d.body["kind"])})
    workloads = [item for kind in kinds for item in cluster.list(*kind, namespace=stack.namespace, labels=labels)]
    pods = tuple(cluster.list("v1", "Pod", namespace=stack.namespace, labels=labels))
    claims = {item["metadata"]["name"]: item for item in cluster.list("v1", "PersistentVolumeClaim", namespace=stack.namespace)}
    events = tuple(cluster.list("v1", "Event", namespace=stack.namespace)) if _is_anything_unready(stack, workloads) else ()
    return tuple(group_state(group, workloads, pods, claims, events) for group in stack.groups)


def group_state(
    group: PodGroup,
    workloads: Iterable[KubernetesObject],
    pods: Iterable[KubernetesObject],
    claims: Mapping[str, KubernetesObject],
    events: Sequence[KubernetesObject],
) -> GroupState:
    """How a group stands, from everything that was read. Pure.

    A workload says little about the cause: where its pod is not ready, the pod's own reason counts, or that of a claim that it waits for.
    """
    label = group.selector.partition("=")[2]
    workload = next((item for item in workloads if _label(_template_labels(item)) == label), None)
    own = [pod for pod in pods if _label(pod["metadata"].get("labels") or {}) == label]
    pod = max(own, key=_rank, default=None)
    if workload is None:
        return GroupState(group=group, verdict=_NO_WORKLOAD, pod=pod)
    if group.is_scheduled:
        return GroupState(group=group, verdict=READY, workload=workload, pod=pod)
    verdict = judge(workload, _about(workload, events))
    if reason := reason_of_stop(workload):
        verdict = ObjectVerdict(state="suspended", reason=reason)
    if pod is None and verdict.state == "waiting":
        verdict = waiting("no pod was created yet")
    if pod is None and verdict.state == "failed" and _QUOTA not in verdict.reason:
        verdict = failed(verdict.reason, is_final=True)  # admission refuses the next pod as well
    if verdict.is_ready or pod is None or verdict.state in ("suspended", "ending"):
        return GroupState(group=group, verdict=verdict, workload=workload, pod=pod)
    inner = judge(pod, _about(pod, events))
    if _waits_for_claim(pod) and (claim := _unbound(pod, claims, events)):
        inner = waiting(claim)
    return GroupState(group=group, verdict=verdict if inner.is_ready else inner, workload=workload, pod=pod)


class ReadinessWatch:
    """Follows the groups of a stack until they are ready. A command has one, so that it reports nothing twice."""

    def __init__(
        self, cluster: ClusterReader, stack: KubernetesStack, groups: frozenset[str], progress: Deduplicated, deadline: float | None
    ) -> None:
        """`deadline` is in seconds, counted from the first look."""
        self._cluster, self._stack, self._groups, self._progress = cluster, stack, groups, progress
        self._seconds = _DEADLINE_SECONDS if deadline is None else deadline
        self._is_limited = deadline is not None
        self._failing: dict[str, tuple[str, float]] = {}

    def until_ready(self, check: Callable[[], None] = lambda: None) -> None:
        """Wait until every group is ready. Raises UnhealthyApps as soon as one cannot become so, AppsNotReady when the time is over.

        Programs that have started and are still not ready after the longest wait count as unhealthy, too: only a person's own deadline, or
        a start that still goes on, says nothing about them. `check` raises where this command may not go on.
        """
        until = time.monotonic() + self._seconds
        while True:
            check()
            standings = [standing for standing in look_at_groups(self._cluster, self._stack) if standing.group.name in self._groups]
            for standing in standings:
                self._tell(standing)
            left = [standing for standing in standings if not standing.verdict.is_ready]
            if not left:
                return
            if hopeless := [standing for standing in left if self._is_hopeless(standing)]:
                raise self._failure(UnhealthyApps, hopeless, "")
            if time.monotonic() >= until:
                is_unhealthy = not self._is_limited and all(map(_has_started, left))
                kind = UnhealthyApps if is_unhealthy else AppsNotReady
                raise self._failure(kind, left, f"not ready within {self._seconds:.0f} s: ")
            time.sleep(POLL_SECONDS)

    def _tell(self, standing: GroupState) -> None:
        verdict = standing.verdict
        for app in standing.group.apps:
            if verdict.is_ready:
                self._progress(Event(what="done", subject=app, text="ready" if not standing.group.is_scheduled else "scheduled"))
            else:
                self._progress(Event(what="waiting", subject=app, text=verdict.reason))

    def _is_hopeless(self, standing: GroupState) -> bool:
        """Whether the same final failure has lasted long enough."""
        name, verdict = standing.group.name, standing.verdict
        if not verdict.is_final:
            self._failing.pop(name, None)
            return False
        uid = str((standing.pod or {"metadata": {}})["metadata"].get("uid"))
        known, since = self._failing.setdefault(name, (uid, time.monotonic()))
        if known != uid:
            self._failing[name] = (uid, time.monotonic())
            return False
        return time.monotonic() - since >= _FINAL_SECONDS

    def _failure(self, kind: type[AppsNotReady], standings: Sequence[GroupState], head: str) -> AppsNotReady:
        texts = [self._explained(standing) for standing in standings]
        apps = frozenset(app for standing in standings for app in standing.group.apps)
        first = standings[0].group.apps[0] if standings[0].group.apps else standings[0].group.name
        return kind(
            head + "\n".join(texts),
            apps=apps,
            where=self._cluster.address.where,
            remedy=f"`portable logs {first}` shows more; mend it, {AGAIN}",
        )

    def _explained(self, standing: GroupState) -> str:
        """The apps of a group and their reason, with the last lines of the container that fails."""
        text = f"{', '.join(standing.group.apps) or standing.group.name}: {standing.verdict.reason}"
        if standing.pod is None or (container := failing_container(standing.pod)) is None:
            return text
        pod = standing.pod["metadata"]
        name, previous = container
        try:
            lines = list(log_lines(self._cluster, pod["namespace"], pod["name"], name, tail=_LOG_LINES, previous=previous))
        except ClusterError:
            return text
        return text + "".join(f"\n    {line.partition(' ')[2][:400]}" for line in lines if any(c.isalnum() for c in line))


def _has_started(standing: GroupState) -> bool:
    """Whether every program of a pod runs and has passed its startup probe, so that only readiness is missing."""
    seen = status_of(standing.pod).get("containerStatuses") or () if standing.pod is not None else ()
    return bool(seen) and all(one.get("started") and "running" in (one.get("state") or {}) for one in seen)


def failing_container(pod: KubernetesObject) -> tuple[str, bool] | None:
    """The first container that is not ready and has run, and whether its log is that of the run before."""
    status = status_of(pod)
    for key in ("initContainerStatuses", "containerStatuses"):
        for seen in status.get(key) or ():
            state = seen.get("state") or {}
            ended = state.get("terminated") or {}
            if seen.get("ready") or ended.get("exitCode") == 0:
                continue
            if "running" in state or ended:
                return str(seen["name"]), False
            if (seen.get("lastState") or {}).get("terminated"):
                return str(seen["name"]), True
    return None


def _is_anything_unready(stack: KubernetesStack, workloads: Sequence[KubernetesObject]) -> bool:
    return len(workloads) < len(stack.groups) or any(not judge(item).is_ready for item in workloads)


def _rank(pod: KubernetesObject) -> tuple[bool, str]:
    """The pod that counts is the newest one that is not being deleted."""
    metadata = pod["metadata"]
    return not metadata.get("deletionTimestamp"), str(metadata.get("creationTimestamp") or "")


def _label(labels: Mapping[str, str]) -> str:
    return str(labels.get("portable/group") or "")


def _template_labels(item: KubernetesObject) -> Mapping[str, str]:
    labels: Mapping[str, str] = (template_of(item).get("metadata") or {}).get("labels") or {}
    return labels


def _about(item: KubernetesObject, events: Sequence[KubernetesObject]) -> tuple[KubernetesObject, ...]:
    uid = item["metadata"].get("uid")
    return tuple(event for event in events if (event.get("involvedObject") or {}).get("uid") == uid)


def _waits_for_claim(pod: KubernetesObject) -> bool:
    """Whether the scheduler names a claim as the reason for which no node can run the pod."""
    condition = conditions_of(pod).get("PodScheduled", {})
    return condition.get("status") == "False" and "persistentvolumeclaim" in str(condition.get("message")).lower()


def _unbound(pod: KubernetesObject, claims: Mapping[str, KubernetesObject], events: Sequence[KubernetesObject]) -> str:
    """The reason of the first claim of a pod that is not bound; empty where all are."""
    for volume in spec_of(pod).get("volumes") or ():
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if not name:
            continue
        if name not in claims:
            return f"claim {name} does not exist"
        verdict = judge(claims[name], _about(claims[name], events))
        if not verdict.is_ready:
            return sentence(f"claim {name}", verdict.reason)
    return ""
