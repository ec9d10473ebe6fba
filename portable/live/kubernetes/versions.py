"""Changes of versions without a way back, as obstacles. `portable` makes no backups on clusters, so only a person's word lets them pass."""

from collections.abc import Iterator, Mapping

from portable.engines.kubernetes.verdict import KubernetesObject, containers_of
from portable.live.kubernetes.desired import template_of
from portable.live.kubernetes.look import ClusterState
from portable.live.kubernetes.obstacles import Obstacle
from portable.live.kubernetes.stack import KubernetesStack
from portable.live.last_images import LastImage, last_images
from portable.live.versions import ImageChange, code_of, steps_of


def version_obstacles(observed: ClusterState, stack: KubernetesStack) -> Iterator[Obstacle]:
    """Yield an obstacle for each step that nobody accepted by the app's name."""
    if stack.plan is None:
        return
    changed = tuple(_changed_images(observed, stack, last_images(stack.project)))
    for step in steps_of(stack.plan, changed, stack.one_way):
        if step.app not in stack.accepted_versions:
            command = f"`portable up --accept-version {step.app}`"
            remedy = f"back up its volumes, for example with Velero or by a VolumeSnapshot, then run {command}"
            yield Obstacle(text=step.text, remedy=remedy, code=code_of((step,)))


def wanted_images(observed: ClusterState, stack: KubernetesStack) -> dict[str, tuple[str, str]]:
    """App and image of each container that the stack wants, by workload and container."""
    found = {}
    for seen in observed.seen:
        group = next((group for group in stack.groups if group.name == seen.item.group), None)
        if seen.item.has_pods and group is not None:
            for name, image in _images(seen.item.body).items():
                if name in group.containers:
                    found[f"{seen.item.reference.name}/{name}"] = (group.containers[name], image)
    return found


def _changed_images(observed: ClusterState, stack: KubernetesStack, last: Mapping[str, LastImage]) -> Iterator[ImageChange]:
    """The images that would be replaced: those of workloads, or where one does not exist, those that ran last from this machine."""
    live = {seen.item.reference.name: _images(seen.live) for seen in observed.seen if seen.item.has_pods and seen.live is not None}
    for place, (app, image) in wanted_images(observed, stack).items():
        workload, _, container = place.partition("/")
        ran = last[place].image if place in last else ""
        before = live[workload].get(container, "") if workload in live else ran
        if before and before != image:
            yield ImageChange(app=app, before=before, after=image)


def _images(body: KubernetesObject) -> dict[str, str]:
    spec = template_of(body).get("spec") or {}
    return {str(one["name"]): str(one.get("image", "")) for one in containers_of(spec)}
