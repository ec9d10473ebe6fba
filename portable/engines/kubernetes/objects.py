"""The verdict on any object but a pod. Pure. An unknown kind is judged by its conditions, and never waited for without a reason."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from portable.engines.kubernetes.pods import judge_pod
from portable.engines.kubernetes.verdict import (
    NOT_OBSERVED,
    READY,
    KubernetesObject,
    ObjectVerdict,
    conditions_of,
    failed,
    is_observed,
    newest_event,
    sentence,
    spec_of,
    status_of,
    waiting,
)

FIRST_CONSUMER: Final = "it waits for the first pod that uses it"
_FIRST_CONSUMER_REASON: Final = "WaitForFirstConsumer"


def judge(item: KubernetesObject, events: Sequence[KubernetesObject] = ()) -> ObjectVerdict:
    """Judge an object by its status and the events about it."""
    kind = item["kind"]
    if kind == "Pod":
        return judge_pod(item, events)
    if item["metadata"].get("deletionTimestamp"):
        kept = item["metadata"].get("finalizers")
        return ObjectVerdict(state="ending", reason=f"its deletion waits for {', '.join(kept)}" if kept else "it is being deleted")
    if not is_observed(item):
        return waiting(NOT_OBSERVED)
    return _JUDGES.get(kind, _judge_by_conditions)(item, events)


def _judge_deployment(item: KubernetesObject, _: Sequence[KubernetesObject]) -> ObjectVerdict:
    if spec_of(item).get("paused"):
        return ObjectVerdict(state="suspended", reason="its rollout is paused")
    conditions, status = conditions_of(item), status_of(item)
    progress = conditions.get("Progressing", {})
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return failed(sentence("its rollout made no progress in time", progress.get("message")))
    refused = conditions.get("ReplicaFailure", {})
    if refused.get("status") == "True":
        return failed(sentence("its pods are refused", refused.get("message")))
    return _replicas(item, updated=status.get("updatedReplicas"), ready=status.get("availableReplicas"))


def _judge_stateful_set(item: KubernetesObject, events: Sequence[KubernetesObject]) -> ObjectVerdict:
    status = status_of(item)
    if (refused := newest_event(events, "FailedCreate")) and not status.get("replicas"):
        return failed(sentence("its pods are refused", refused.get("message")))
    on_delete = (spec_of(item).get("updateStrategy") or {}).get("type") == "OnDelete"
    rolled = on_delete or status.get("currentRevision") == status.get("updateRevision")
    updated = status.get("replicas") if rolled else status.get("updatedReplicas")
    return _replicas(item, updated=updated, ready=status.get("readyReplicas"))


def _replicas(item: KubernetesObject, *, updated: int | None, ready: int | None) -> ObjectVerdict:
    """Judge by numbers: all replicas are of the newest settings, all are ready, and no old one is left."""
    wanted = spec_of(item).get("replicas")
    wanted = 1 if wanted is None else int(wanted)
    total = int(status_of(item).get("replicas") or 0)
    if int(updated or 0) < wanted:
        return waiting(f"{updated or 0} of {wanted} pods have the newest settings")
    if total > wanted:
        return waiting(f"{total - wanted} old pods are still to end")
    if int(ready or 0) < wanted:
        return waiting(f"{ready or 0} of {wanted} pods are ready")
    return READY


def _judge_daemon_set(item: KubernetesObject, _: Sequence[KubernetesObject]) -> ObjectVerdict:
    status = status_of(item)
    wanted = int(status.get("desiredNumberScheduled") or 0)
    on_delete = (spec_of(item).get("updateStrategy") or {}).get("type") == "OnDelete"
    updated = wanted if on_delete else int(status.get("updatedNumberScheduled") or 0)
    if updated < wanted:
        return waiting(f"{updated} of {wanted} pods have the newest settings")
    ready = int(status.get("numberAvailable") or 0)
    return READY if ready >= wanted else waiting(f"{ready} of {wanted} pods are ready")


def _judge_job(item: KubernetesObject, _: Sequence[KubernetesObject]) -> ObjectVerdict:
    conditions, status = conditions_of(item), status_of(item)
    if conditions.get("Failed", {}).get("status") == "True":
        return failed(sentence(conditions["Failed"].get("reason"), conditions["Failed"].get("message")), is_final=True)
    if conditions.get("Complete", {}).get("status") == "True":
        return READY
    if spec_of(item).get("suspend"):
        return ObjectVerdict(state="suspended", reason="the job is suspended")
    return waiting(f"it runs: {status.get('active') or 0} pods at work, {status.get('failed') or 0} failed")


def _judge_claim(item: KubernetesObject, events: Sequence[KubernetesObject]) -> ObjectVerdict:
    phase = status_of(item).get("phase")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return failed("its volume does not exist any more", is_final=True)
    if newest_event(events, _FIRST_CONSUMER_REASON):
        return waiting(FIRST_CONSUMER)
    event = newest_event(events, "ProvisioningFailed", "FailedBinding")
    if event is None and spec_of(item).get("storageClassName") is None and not spec_of(item).get("volumeName"):
        return waiting("no volume is bound to it, and it names no storage class")
    return waiting(sentence("no volume is bound to it", (event or {}).get("message")))


def _judge_volume(item: KubernetesObject, _: Sequence[KubernetesObject]) -> ObjectVerdict:
    phase = status_of(item).get("phase")
    if phase == "Failed":
        return failed(sentence("it could not be reclaimed", status_of(item).get("message")), is_final=True)
    if phase == "Released":
        return failed("its claim was deleted: it binds to no other claim until its `claimRef` is removed", is_final=True)
    return READY


def _judge_service(item: KubernetesObject, _: Sequence[KubernetesObject]) -> ObjectVerdict:
    if spec_of(item).get("type") == "LoadBalancer" and not (status_of(item).get("loadBalancer") or {}).get("ingress"):
        return waiting("no load balancer gave it an address")
    return READY


def _judge_ingress(item: KubernetesObject, _: Sequence[KubernetesObject]) -> ObjectVerdict:
    if not (status_of(item).get("loadBalancer") or {}).get("ingress"):
        return waiting("no Ingress controller took it")
    return READY


def _judge_route(item: KubernetesObject, _: Sequence[KubernetesObject]) -> ObjectVerdict:
    """An OpenShift Route: admitted or refused by each router."""
    taken = [condition for ingress in status_of(item).get("ingress") or () for condition in ingress.get("conditions") or ()]
    admitted = [condition for condition in taken if condition["type"] == "Admitted"]
    if any(condition["status"] == "True" for condition in admitted):
        return READY
    if admitted:
        return failed(sentence("the router refused it", admitted[0].get("reason"), admitted[0].get("message")), is_final=True)
    return waiting("no router took it")


def _judge_http_route(item: KubernetesObject, _: Sequence[KubernetesObject]) -> ObjectVerdict:
    """A Gateway API route: each parent says whether it accepts it and finds what it refers to."""
    parents = status_of(item).get("parents") or ()
    if not parents:
        return waiting("no Gateway took it")
    for parent in parents:
        for condition in parent.get("conditions") or ():
            if condition["type"] in ("Accepted", "ResolvedRefs") and condition["status"] == "False":
                return failed(sentence("the Gateway refused it", condition.get("reason"), condition.get("message")))
    return READY


def _judge_namespace(item: KubernetesObject, _: Sequence[KubernetesObject]) -> ObjectVerdict:
    phase = status_of(item).get("phase")
    return READY if phase in (None, "Active") else ObjectVerdict(state="ending", reason="the namespace is being deleted")


def _judge_by_conditions(item: KubernetesObject, _: Sequence[KubernetesObject]) -> ObjectVerdict:
    """Judge an unknown kind by the conditions that most kinds share; without any there is nothing to wait for."""
    conditions = conditions_of(item)
    for name in ("Stalled", "Failed", "Degraded"):
        if conditions.get(name, {}).get("status") == "True":
            return failed(sentence(name, conditions[name].get("reason"), conditions[name].get("message")))
    for name in ("Ready", "Available", "Established"):
        condition: Mapping[str, Any] = conditions.get(name, {})
        if condition.get("status") in ("False", "Unknown"):
            return waiting(sentence(f"{name} is {condition['status']}", condition.get("reason"), condition.get("message")))
    return READY


_JUDGES: Final[Mapping[str, Callable[[KubernetesObject, Sequence[KubernetesObject]], ObjectVerdict]]] = {
    "Deployment": _judge_deployment,
    "ReplicaSet": _judge_deployment,
    "StatefulSet": _judge_stateful_set,
    "DaemonSet": _judge_daemon_set,
    "Job": _judge_job,
    "PersistentVolumeClaim": _judge_claim,
    "PersistentVolume": _judge_volume,
    "Service": _judge_service,
    "Ingress": _judge_ingress,
    "Route": _judge_route,
    "HTTPRoute": _judge_http_route,
    "Namespace": _judge_namespace,
}
