"""`restart`: new pods for apps, each after its old one has ended."""

import datetime
from typing import Final

from portable.engines.kubernetes.cluster import Cluster
from portable.engines.kubernetes.lease import lease_held
from portable.live.kubernetes.apply import ApplyContext
from portable.live.kubernetes.desired import rendered_items
from portable.live.kubernetes.order import JOBS, WORKLOADS
from portable.live.kubernetes.owners import instance_of, other_tool
from portable.live.kubernetes.stack import KubernetesStack, lease_name, refuse_unknown
from portable.live.kubernetes.status import status
from portable.live.kubernetes.waiting import ReadinessWatch, look_at_groups
from portable.live.results import Outcome
from portable.local.lock import Lock, locked
from portable.model.changes import Change
from portable.model.errors import EngineError, Refused
from portable.model.progress import Deduplicated, Event, Progress, silent

RESTARTED: Final = "portable/restarted-at"
"""The annotation of a pod template by which its pods are restarted. `up` has no word for it, so it stays."""


def restart(
    cluster: Cluster,
    stack: KubernetesStack,
    *,
    apps: tuple[str, ...] = (),
    deadline: float | None = None,
    progress: Progress = silent,
    held: Lock | None = None,
) -> Outcome:
    """Restart the pods of these apps, of all where none is named; wait until they are ready.

    The pod template gets the moment as an annotation, so that the workload's own strategy decides how: the old pod ends first.
    """
    refuse_unknown(stack, apps)
    cluster.version()
    groups = [group for group in stack.groups if (not apps or set(group.apps) & set(apps)) and not group.is_scheduled]
    with locked(stack.project, "restart", progress=progress, held=held):
        standings = {standing.group.name: standing for standing in look_at_groups(cluster, stack)}
        if missing := [app for group in groups if standings[group.name].workload is None for app in group.apps]:
            text = f"not created yet: {', '.join(missing)}"
            raise EngineError(text, code="up.not-created", where=stack.project, remedy="`portable up` creates them")
        # A Job that has ended stays so: to restart what runs does not run it again.
        groups = [group for group in groups if (standings[group.name].workload or {}).get("kind") not in JOBS]
        changes = []
        with lease_held(cluster, stack.namespace, lease_name(stack), "restart", dict(stack.labels)) as lost:
            work = ApplyContext(cluster, stack, lost, progress)
            for group in groups:
                _restart(work, stack, group.name)
                for app in group.apps:
                    asked = not apps or app in apps
                    cause = "asked for" if asked else f"it shares the pod of {group.name}, which is restarted"
                    changes.append(Change(kind="restart", service=app, app=app, cause=cause))
                    progress(Event(what="doing", subject=app, text=f"restart: {cause}"))
            names = frozenset(group.name for group in groups)
            ReadinessWatch(cluster, stack, names, Deduplicated(progress), deadline).until_ready(work.check)
        return Outcome(changes=tuple(changes), rows=status(cluster, stack))


def _restart(work: ApplyContext, stack: KubernetesStack, group: str) -> None:
    for item in rendered_items(stack):
        if item.group != group or item.kind not in WORKLOADS:
            continue
        existing = work.cluster.get(item.reference)
        if existing is None:
            continue
        if (tool := other_tool(existing)) or instance_of(existing) != stack.instance:
            text = f"{item.reference} is managed by {tool or 'another stack'}"
            raise Refused(text, code="cluster.other-tool", where=stack.project, remedy="restart it there")
        work.check()
        moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        work.cluster.merge(item.reference, {"spec": {"template": {"metadata": {"annotations": {RESTARTED: moment}}}}})
