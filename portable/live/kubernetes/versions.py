"""Changes of versions without a way back, as obstacles. A backup that was tried is a way back, and so is a person's word for the app."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from portable.engines.kubernetes.cluster import Cluster
from portable.engines.kubernetes.verdict import KubernetesObject, containers_of, spec_of
from portable.live.kubernetes.backup_jobs import BackupRequest
from portable.live.kubernetes.backup_run import run_backup
from portable.live.kubernetes.desired import template_of
from portable.live.kubernetes.look import ClusterState
from portable.live.kubernetes.obstacles import Obstacle
from portable.live.kubernetes.stack import KubernetesStack
from portable.live.last_images import LastImage, last_images
from portable.live.tried import Ask, WayBack, remedy_of_lost, runner_in, text_of_lost, ways_back
from portable.live.versions import ImageChange, code_of, steps_of
from portable.local.records import BackupRecord, read_record
from portable.model.errors import PortableError
from portable.model.moments import seconds_of
from portable.model.progress import Progress
from portable.model.question import Question


def version_ways(observed: ClusterState, stack: KubernetesStack, ask: Ask) -> tuple[WayBack, ...]:
    """The way back of each step that nobody accepted by the app's name. `ask` is called only if there is one, and an app makes backups."""
    if stack.plan is None:
        return ()
    changed = tuple(_changed_images(observed, stack, last_images(stack.project)))
    steps = [step for step in steps_of(stack.plan, changed, stack.one_way) if step.app not in stack.accepted_versions]
    runner = runner_in(stack.plan)
    return ways_back(steps, ask if runner is not None else None)


def version_obstacles(ways: Iterable[WayBack], stack: KubernetesStack) -> Iterator[Obstacle]:
    """Yield an obstacle for each step that has no way back."""
    has_backups = stack.plan is not None and runner_in(stack.plan) is not None
    for way in ways:
        if not way.at:
            remedy = remedy_of_lost([way], has_backups=has_backups, store="on: library, below: backups")
            yield Obstacle(text=text_of_lost(way), remedy=remedy, code=code_of((way.step,)))


def asking_store(cluster: Cluster, stack: KubernetesStack, progress: Progress) -> Ask:
    """Ask the store of backups itself: in a Job."""

    def ask(_: Question, apps: Sequence[str]) -> tuple[int | None, str]:
        lines: list[str] = []
        runner = runner_in(stack.plan) if stack.plan is not None else None
        assert runner is not None, "the caller looks first"
        request = BackupRequest(runner=runner.name, verb="list", apps=tuple(apps))
        try:
            code = run_backup(cluster, stack, request, lines.append, progress)
        except PortableError as error:
            return 1, str(error)
        return code, "\n".join(lines)

    return ask


def asking_record(stack: KubernetesStack) -> Ask:
    """Ask what commands of this machine last saw in the store: for a command that may start no pod."""

    def ask(_: Question, apps: Sequence[str]) -> tuple[int | None, str]:
        try:
            known = read_record(stack.project, BackupRecord).apps
        except PortableError as error:
            return 1, str(error)
        rows = [row for app in apps if app in known for row in known[app].rows]
        if not rows:
            return 1, "this machine never listed them: `portable backup --list` does"
        return 0, "\n".join(map(json.dumps, rows))

    return ask


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
            yield ImageChange(app=app, before=before, after=image, since=_since(observed, container, before))


def _since(observed: ClusterState, container: str, image: str) -> float:
    """When the pod that runs this image was made; 0 if unknown."""
    moments = (str(pod["metadata"].get("creationTimestamp") or "") for pod in observed.pods if _images_of_pod(pod).get(container) == image)
    return max(map(seconds_of, moments), default=0.0)


def _images(body: KubernetesObject) -> dict[str, str]:
    spec = template_of(body).get("spec") or {}
    return {str(one["name"]): str(one.get("image", "")) for one in containers_of(spec)}


def _images_of_pod(pod: KubernetesObject) -> dict[str, str]:
    return {str(one["name"]): str(one.get("image", "")) for one in containers_of(spec_of(pod))}
