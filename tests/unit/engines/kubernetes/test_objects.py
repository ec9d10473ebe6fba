"""The verdict on everything but pods."""

from typing import Any

import pytest

from portable.engines.kubernetes.objects import judge
from portable.engines.kubernetes.verdict import NOT_OBSERVED
from tests.unit.engines.kubernetes.objects import condition, event, item, pod, running

Case = tuple[dict[str, Any], list[dict[str, Any]], str, bool, list[str]]


def deployment(
    wanted: int | None = 1, *, generation: int = 3, observed: int = 3, spec: dict[str, Any] | None = None, **status: Any
) -> dict[str, Any]:
    """A Deployment with these numbers."""
    replicas = {} if wanted is None else {"replicas": wanted}
    return item("Deployment", spec={**replicas, **(spec or {})}, status={"observedGeneration": observed, **status}, generation=generation)


def stateful(*, revision: str = "b", update: str = "RollingUpdate", **status: Any) -> dict[str, Any]:
    """A StatefulSet of one pod, whose newest revision is `b`."""
    numbers = {"currentRevision": revision, "updateRevision": "b", "observedGeneration": 1, **status}
    return item("StatefulSet", spec={"replicas": 1, "updateStrategy": {"type": update}}, status=numbers, generation=1)


def daemons(*, update: str = "RollingUpdate", **status: Any) -> dict[str, Any]:
    """A DaemonSet."""
    return item("DaemonSet", spec={"updateStrategy": {"type": update}}, status=status)


def claim(phase: str, **spec: Any) -> dict[str, Any]:
    """A claim."""
    return item("PersistentVolumeClaim", spec=spec, status={"phase": phase})


def balanced(kind: str, *addresses: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """What gets an address by a load balancer or controller."""
    return item(kind, spec=spec, status={"loadBalancer": {"ingress": list(addresses)} if addresses else {}})


def route(*admitted: tuple[str, str]) -> dict[str, Any]:
    """A Route, with what each router says."""
    return item("Route", status={"ingress": [{"conditions": [condition("Admitted", status, reason)]} for status, reason in admitted]})


def http_route(*parents: list[dict[str, Any]]) -> dict[str, Any]:
    """An HTTPRoute, with the conditions of each Gateway."""
    return item("HTTPRoute", status={"parents": [{"conditions": conditions} for conditions in parents]})


FULL: dict[str, Any] = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
ACCEPTED = condition("Accepted", "True")
CASES: dict[str, Case] = {
    "deployment ready": (deployment(**FULL), [], "ready", False, []),
    "deployment ready, number by default": (deployment(None, **FULL), [], "ready", False, []),
    "deployment scaled to none": (deployment(0), [], "ready", False, []),
    "deployment not seen yet": (deployment(generation=4, **FULL), [], "waiting", False, [NOT_OBSERVED]),
    "deployment has no pod": (deployment(), [], "waiting", False, ["0 of 1", "newest"]),
    "deployment has an old pod": (deployment(replicas=2, updatedReplicas=1, availableReplicas=1), [], "waiting", False, ["1 old"]),
    "deployment not ready": (deployment(replicas=1, updatedReplicas=1), [], "waiting", False, ["0 of 1", "ready"]),
    "deployment timed out": (
        deployment(conditions=[condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")], **FULL),
        [],
        "failed",
        False,
        ["timed out"],
    ),
    "deployment refused": (
        deployment(conditions=[condition("ReplicaFailure", "True", "FailedCreate", "forbidden: violates PodSecurity")]),
        [],
        "failed",
        False,
        ["PodSecurity"],
    ),
    "deployment paused": (deployment(spec={"paused": True}, **FULL), [], "suspended", False, ["paused"]),
    "set ready": (stateful(replicas=1, readyReplicas=1, updatedReplicas=1), [], "ready", False, []),
    "set rolls": (stateful(revision="a", replicas=1, readyReplicas=1, updatedReplicas=0), [], "waiting", False, ["0 of 1"]),
    "set not ready": (stateful(replicas=1, updatedReplicas=1), [], "waiting", False, ["0 of 1", "ready"]),
    "set on delete keeps old pods": (stateful(update="OnDelete", revision="a", replicas=1, readyReplicas=1), [], "ready", False, []),
    "set refused": (stateful(), [event("FailedCreate", "pods is forbidden")], "failed", False, ["forbidden"]),
    "set was refused once": (
        stateful(replicas=1, readyReplicas=1, updatedReplicas=1),
        [event("FailedCreate", "pods is forbidden")],
        "ready",
        False,
        [],
    ),
    "daemons ready": (daemons(desiredNumberScheduled=2, updatedNumberScheduled=2, numberAvailable=2), [], "ready", False, []),
    "daemons roll": (daemons(desiredNumberScheduled=2, updatedNumberScheduled=1, numberAvailable=2), [], "waiting", False, ["1 of 2"]),
    "daemons on delete": (daemons(update="OnDelete", desiredNumberScheduled=2, numberAvailable=2), [], "ready", False, []),
    "daemons not ready": (daemons(desiredNumberScheduled=2, updatedNumberScheduled=2), [], "waiting", False, ["0 of 2"]),
    "job complete": (item("Job", status={"conditions": [condition("Complete", "True")]}), [], "ready", False, []),
    "job runs": (item("Job", status={"active": 1, "failed": 2}), [], "waiting", False, ["1 pods", "2 failed"]),
    "job failed": (
        item("Job", status={"conditions": [condition("Failed", "True", "BackoffLimitExceeded")]}),
        [],
        "failed",
        True,
        ["BackoffLimitExceeded"],
    ),
    "job suspended": (item("Job", spec={"suspend": True}), [], "suspended", False, ["suspended"]),
    "claim bound": (claim("Bound"), [], "ready", False, []),
    "claim lost": (claim("Lost"), [], "failed", True, ["volume"]),
    "claim waits for a pod": (claim("Pending"), [event("WaitForFirstConsumer", kind="Normal")], "waiting", False, ["first pod"]),
    "claim without class": (claim("Pending"), [], "waiting", False, ["storage class"]),
    "claim with class": (claim("Pending", storageClassName="smb"), [], "waiting", False, ["no volume"]),
    "claim refused": (
        claim("Pending", storageClassName="smb"),
        [event("ProvisioningFailed", 'storageclass "smb" not found')],
        "waiting",
        False,
        ['"smb" not found'],
    ),
    "volume bound": (item("PersistentVolume", status={"phase": "Bound"}), [], "ready", False, []),
    "volume released": (item("PersistentVolume", status={"phase": "Released"}), [], "failed", True, ["claimRef"]),
    "volume failed": (
        item("PersistentVolume", status={"phase": "Failed", "message": "no such share"}),
        [],
        "failed",
        True,
        ["no such share"],
    ),
    "service inside": (balanced("Service", type="ClusterIP"), [], "ready", False, []),
    "service waits": (balanced("Service", type="LoadBalancer"), [], "waiting", False, ["address"]),
    "service balanced": (balanced("Service", {"ip": "192.0.2.7"}, type="LoadBalancer"), [], "ready", False, []),
    "ingress waits": (balanced("Ingress"), [], "waiting", False, ["Ingress controller"]),
    "ingress served": (balanced("Ingress", {"ip": "192.0.2.7"}), [], "ready", False, []),
    "route admitted": (route(("True", "")), [], "ready", False, []),
    "route admitted by one of two": (route(("False", "HostAlreadyClaimed"), ("True", "")), [], "ready", False, []),
    "route refused": (route(("False", "HostAlreadyClaimed")), [], "failed", True, ["HostAlreadyClaimed"]),
    "route waits": (route(), [], "waiting", False, ["router"]),
    "HTTP route accepted": (http_route([ACCEPTED, condition("ResolvedRefs", "True")]), [], "ready", False, []),
    "HTTP route waits": (http_route(), [], "waiting", False, ["Gateway"]),
    "HTTP route refused": (http_route([condition("Accepted", "False", "NotAllowedByListeners")]), [], "failed", False, ["NotAllowed"]),
    "HTTP route without service": (
        http_route([ACCEPTED, condition("ResolvedRefs", "False", "BackendNotFound")]),
        [],
        "failed",
        False,
        ["BackendNotFound"],
    ),
    "namespace active": (item("Namespace", status={"phase": "Active"}), [], "ready", False, []),
    "namespace ends": (item("Namespace", status={"phase": "Terminating"}), [], "ending", False, ["deleted"]),
    "config has no status": (item("ConfigMap"), [], "ready", False, []),
    "unknown kind ready": (item("Certificate", status={"conditions": [condition("Ready", "True")]}), [], "ready", False, []),
    "unknown kind not ready": (
        item("Certificate", status={"conditions": [condition("Ready", "False", "Issuing", "waiting for the order")]}),
        [],
        "waiting",
        False,
        ["Ready", "order"],
    ),
    "unknown kind unknown": (item("X", status={"conditions": [condition("Available", "Unknown")]}), [], "waiting", False, ["Unknown"]),
    "unknown kind stalled": (item("X", status={"conditions": [condition("Stalled", "True", "Because")]}), [], "failed", False, ["Because"]),
    "unknown kind not seen yet": (item("X", status={"observedGeneration": 1}, generation=2), [], "waiting", False, [NOT_OBSERVED]),
    "anything is deleted": (item("ConfigMap", deletionTimestamp="2026-11-30T10:00:00Z"), [], "ending", False, ["deleted"]),
    "deletion waits for a finalizer": (
        item("PersistentVolumeClaim", deletionTimestamp="2026-11-30T10:00:00Z", finalizers=["kubernetes.io/pvc-protection"]),
        [],
        "ending",
        False,
        ["kubernetes.io/pvc-protection"],
    ),
    "a pod is judged as a pod": (pod(running(ready=False)), [], "waiting", False, ["readiness probe"]),
}


@pytest.mark.parametrize("name", CASES)
def test_an_object_is_judged_with_a_reason(name: str) -> None:
    thing, events, state, is_final, words = CASES[name]
    verdict = judge(thing, events)
    assert (verdict.state, verdict.is_final) == (state, is_final), verdict.reason
    assert [word for word in words if word not in verdict.reason] == []
    assert bool(verdict.reason) == (state != "ready")
