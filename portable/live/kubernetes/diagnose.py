"""`doctor` on clusters: obstacles to `up`, nodes and the devices that they offer, and apps that are not ready. Only reads.

Each check has three answers: what this user may not read is unknown, and the text names the permission.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from portable.engines.kubernetes.cluster import ClusterReader
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.verdict import conditions_of, containers_of, spec_of, status_of
from portable.live.kubernetes.desired import rendered_items, template_of
from portable.live.kubernetes.look import look
from portable.live.kubernetes.reconcile import reconcile
from portable.live.kubernetes.secret_values import look_up
from portable.live.kubernetes.stack import KubernetesStack
from portable.live.kubernetes.waiting import look_at_groups
from portable.model.contracts import Diagnosis, Judgement
from portable.model.errors import PortableError
from portable.secrets.sources import Source

_BUILT_IN: Final = ("cpu", "memory", "ephemeral-storage")
_STOPS: Final = "`portable up` would be refused"


def diagnose(cluster: ClusterReader, stack: KubernetesStack, source: Source) -> tuple[Diagnosis, ...]:
    """What keeps the stack from running in its cluster, and what is well. The API server tries every object and stores none."""
    return (*_obstacles(cluster, stack, source), *_nodes(cluster, stack), *_apps(cluster, stack))


def _obstacles(cluster: ClusterReader, stack: KubernetesStack, source: Source) -> Iterator[Diagnosis]:
    try:
        reconciled = reconcile(look(cluster, stack, look_up(stack, source), source), stack)
    except ClusterError as trouble:
        verdict: Judgement = "unknown" if trouble.kind == "refused" else "broken"
        yield _result(stack.namespace, verdict, trouble.text, why=_STOPS, remedy=trouble.remedy or "")
        return
    except PortableError as trouble:  # a secret without a value, a tunnel that cannot work
        yield _result(trouble.where or stack.namespace, "broken", trouble.text, why=_STOPS, remedy=trouble.remedy or "")
        return
    for problem in reconciled.problems:
        yield _result(problem.where or stack.namespace, "broken", problem.text, why=_STOPS, remedy=problem.remedy)
    for note in reconciled.notes:
        yield _result(stack.namespace, "note", note)
    if not reconciled.problems:
        yield _result(stack.namespace, "holds", "the API server accepts every object")


def _nodes(cluster: ClusterReader, stack: KubernetesStack) -> Iterator[Diagnosis]:
    """Whether nodes are ready, and one of them offers each device that pods ask for."""
    try:
        nodes = list(cluster.list("v1", "Node"))
    except ClusterError as trouble:
        if trouble.kind != "refused":
            raise
        remedy = "an administrator allows `list` on `nodes`"
        yield _result("nodes", "unknown", "you need the permission to list nodes", remedy=remedy)
        return
    ready = [node for node in nodes if conditions_of(node).get("Ready", {}).get("status") == "True"]
    for node in nodes:
        if node not in ready:
            condition: Mapping[str, Any] = conditions_of(node).get("Ready", {})
            text = f"not ready: {condition.get('message') or condition.get('reason') or 'it does not report'}"
            yield _result(
                node["metadata"]["name"],
                "broken",
                text,
                why="no pod runs on it",
                remedy=f"`kubectl describe node {node['metadata']['name']}`",
            )
    if ready:
        yield _result("nodes", "holds", f"{len(ready)} of {len(nodes)} nodes are ready")
    for resource, apps in sorted(_devices(stack).items()):
        offering = [node for node in ready if str((status_of(node).get("allocatable") or {}).get(resource) or "0") != "0"]
        if offering:
            yield _result(resource, "holds", f"{len(offering)} nodes offer it")
        else:
            remedy = "install the device plug-in that the profile's `devices` name, or correct its name there"
            yield _result(resource, "broken", "no ready node offers it", why=f"the pod of {', '.join(apps)} stays pending", remedy=remedy)


def _devices(stack: KubernetesStack) -> Mapping[str, list[str]]:
    """The devices that pods ask nodes for, and the apps that need each."""
    found: dict[str, list[str]] = {}
    for item in rendered_items(stack):
        pod = template_of(item.body).get("spec") or {} if item.has_pods else {}
        for container in containers_of(pod):
            for resource in (container.get("resources") or {}).get("limits") or ():
                if resource not in _BUILT_IN:
                    found.setdefault(resource, []).extend(app for app in item.apps if app not in found.get(resource, ()))
    return found


def _apps(cluster: ClusterReader, stack: KubernetesStack) -> Iterator[Diagnosis]:
    """The apps that exist and are not ready. Those that were never started are no problem of the cluster."""
    for standing in look_at_groups(cluster, stack):
        if standing.workload is None or standing.verdict.is_ready or spec_of(standing.workload).get("replicas") == 0:
            continue
        name = standing.group.apps[0] if standing.group.apps else standing.group.name
        yield _result(
            ", ".join(standing.group.apps) or standing.group.name,
            "broken" if standing.verdict.state == "failed" else "note",
            standing.verdict.reason,
            why="it is not ready" if standing.verdict.state == "failed" else "",
            remedy=f"`portable logs {name}` shows more",
        )


def _result(where: str, verdict: Judgement, text: str, *, why: str = "", remedy: str = "") -> Diagnosis:
    return Diagnosis(check="cluster", where=where, verdict=verdict, text=text, why=why, remedy=remedy)
