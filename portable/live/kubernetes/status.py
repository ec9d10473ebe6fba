"""`status`: a row for each container of each app, and one for each workload that left the stack."""

from collections.abc import Iterator, Mapping
from typing import Any

from portable.engines.kubernetes.cluster import ClusterReader
from portable.engines.kubernetes.verdict import KubernetesObject, ObjectVerdict, containers_of, spec_of, status_of
from portable.live.kubernetes.desired import rendered_items
from portable.live.kubernetes.inventory import inventory_reference, is_same, read_inventory
from portable.live.kubernetes.order import JOBS, runs_pods
from portable.live.kubernetes.stack import KubernetesStack, PodGroup, apps_of
from portable.live.kubernetes.waiting import GroupState, look_at_groups
from portable.live.results import ServiceStatus
from portable.model.base import Struct

MISSING = "missing"


class PodContainerState(Struct, frozen=True, kw_only=True):
    """A container as it runs, in the words of `status`."""

    state: str
    health: str = "-"
    since: str = ""
    image: str = ""


def status(cluster: ClusterReader, stack: KubernetesStack) -> tuple[ServiceStatus, ...]:
    """How every app of the stack is; workloads that left the stack come last."""
    rows = [row for standing in look_at_groups(cluster, stack) for row in _rows(stack, standing)]
    rows.sort(key=lambda row: (row.app, row.service != row.app, row.service))
    return (*rows, *_orphans(cluster, stack))


def state_of(standing: GroupState, app: str) -> str:
    """The state of the main container of an app."""
    container = standing.group.main.get(app, app)
    return container_state(standing, container).state


def container_state(standing: GroupState, container: str) -> PodContainerState:
    """How a container of a group is; a group whose pod is absent has none."""
    workload, pod = standing.workload, standing.pod
    if workload is None:
        return PodContainerState(state=MISSING)
    if standing.group.is_scheduled and pod is None:
        ran = str(status_of(workload).get("lastSuccessfulTime") or "")
        return PodContainerState(state="finished" if ran else "created", since=ran, image=image_of(workload, container))
    if pod is None:
        return PodContainerState(state="created", image=image_of(workload, container))
    seen = _seen(pod, container)
    image = str(seen.get("image") or image_of(pod, container))
    state = seen.get("state") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return PodContainerState(state="ending", since=str(pod["metadata"]["deletionTimestamp"]), image=image)
    if running := state.get("running"):
        health = "healthy" if seen.get("ready") else "starting" if not seen.get("started") else "unhealthy"
        return PodContainerState(state="running", health=health, since=str(running.get("startedAt") or ""), image=image)
    if ended := state.get("terminated"):
        ends = standing.group.is_scheduled or workload["kind"] in JOBS
        finished = ended.get("exitCode") == 0 and ends
        return PodContainerState(state="finished" if finished else "exited", since=str(ended.get("finishedAt") or ""), image=image)
    restarting = int(seen.get("restartCount") or 0) > 0
    return PodContainerState(state="restarting" if restarting else "created", image=image)


def image_of(item: KubernetesObject, container: str) -> str:
    """The image of a container of a pod, or of the template of a workload."""
    from portable.live.kubernetes.desired import template_of

    pod = spec_of(item) if item.get("kind") == "Pod" else template_of(item).get("spec") or {}
    return next((str(body["image"]) for body in containers_of(pod) if body["name"] == container), "")


def images_of(standings: tuple[GroupState, ...]) -> dict[str, tuple[str, str]]:
    """App and image of each container of the pods that exist or are about to, by workload and container."""
    found = {}
    for standing in standings:
        workload = standing.workload
        if standing.pod is None and (workload is None or spec_of(workload).get("replicas", 1) == 0):
            continue
        body = workload if standing.pod is None else standing.pod
        name = workload["metadata"]["name"] if workload is not None else standing.group.name
        for container, app in standing.group.containers.items():
            if body is not None and (image := image_of(body, container)):
                found[f"{name}/{container}"] = (app, image)
    return found


def _rows(stack: KubernetesStack, standing: GroupState) -> Iterator[ServiceStatus]:
    group = standing.group
    for container, app in (group.containers or {app: app for app in group.apps}).items():
        found = container_state(standing, container)
        is_main = container == group.main.get(app, app)
        yield ServiceStatus(
            app=app,
            service=app if is_main else container,
            state=found.state,
            health=found.health,
            since=found.since,
            address=stack.addresses.get(app, ()) if is_main else (),
            egress=stack.egress.get(app, ""),
            reason=_reason(standing, found),
            image=found.image,
        )


def _reason(standing: GroupState, found: PodContainerState) -> str:
    """Why a container is not well: the reason of its pod, which it shares with the others of its group."""
    if found.state == MISSING:
        return "it was not created; `portable up` creates it"
    verdict: ObjectVerdict = standing.verdict
    return "" if verdict.is_ready or (found.state == "running" and found.health == "healthy" and _is_other(standing)) else verdict.reason


def _is_other(standing: GroupState) -> bool:
    """Whether the group waits for a container, so that its healthy ones are well by themselves."""
    return standing.pod is not None and len(standing.group.apps) > 1


def _seen(pod: KubernetesObject, container: str) -> Mapping[str, Any]:
    status = status_of(pod)
    for key in ("containerStatuses", "initContainerStatuses"):
        for seen in status.get(key) or ():
            if seen["name"] == container:
                found: Mapping[str, Any] = seen
                return found
    return {}


def _orphans(cluster: ClusterReader, stack: KubernetesStack) -> Iterator[ServiceStatus]:
    """The workloads that the inventory has and the stack does not."""
    wanted = {item.reference for item in rendered_items(stack)}
    known = apps_of(stack)
    for entry in read_inventory(cluster.get(inventory_reference(stack))):
        if entry.reference in wanted or not runs_pods(entry.reference.kind):
            continue
        item = cluster.get(entry.reference)
        if item is None or not is_same(stack, entry, item):
            continue
        name = entry.reference.name
        yield ServiceStatus(
            app=name if name not in known else "",
            service=name if name not in known else str(entry.reference),
            state="orphan",
            health="-",
            since=str(item["metadata"].get("creationTimestamp") or ""),
            reason="it is not part of the stack any more; `portable up` removes it",
        )


def groups_by_app(standings: tuple[GroupState, ...]) -> Mapping[str, GroupState]:
    """The standing of the group of each app."""
    return {app: standing for standing in standings for app in standing.group.apps}


def is_up(standing: GroupState, app: str) -> bool:
    """Whether an app runs, or is being started anew."""
    return state_of(standing, app) in ("running", "restarting")


def pod_of(standing: GroupState, group: PodGroup, app: str) -> tuple[str, str] | None:
    """The pod and the container of an app that commands can be run in; None where it does not run."""
    if standing.pod is None or state_of(standing, app) != "running":
        return None
    return str(standing.pod["metadata"]["name"]), group.main.get(app, app)
