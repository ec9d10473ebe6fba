"""How a group stands, and which container failed."""

from typing import Any

import pytest

from portable.live.kubernetes.stack import PodGroup
from portable.live.kubernetes.status import container_state, is_up, pod_of
from portable.live.kubernetes.waiting import GroupState, failing_container, group_state

GROUP = PodGroup(name="pair", apps=("one", "two"), containers={"one": "one", "two": "two"}, main={"one": "one", "two": "two"})
LABELS = {"portable/group": "pair"}
READY: dict[str, Any] = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


def workload(kind: str = "Deployment", **status: Any) -> dict[str, Any]:
    """The workload of the group."""
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "one", "image": "i1"}, {"name": "two", "image": "i2"}]}}
    spec: dict[str, Any] = {"template": template, "replicas": 1}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": {"template": template}}}
    return {
        "kind": kind,
        "apiVersion": "apps/v1",
        "metadata": {"name": "pair", "uid": "w", "generation": 1},
        "spec": spec,
        "status": status,
    }


def pod(name: str = "p1", created: str = "2026-01-01", seen: tuple[dict[str, Any], ...] = (), **changes: Any) -> dict[str, Any]:
    """A pod of the group."""
    metadata = {"name": name, "uid": name, "labels": LABELS, "creationTimestamp": created, **changes.pop("metadata", {})}
    spec = {"containers": [{"name": "one", "image": "i1"}, {"name": "two", "image": "i2"}], **changes.pop("spec", {})}
    return {"kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running", "containerStatuses": seen, **changes}}


def container(name: str, *, ready: bool = True, **state: Any) -> dict[str, Any]:
    """The status of a container."""
    return {"name": name, "image": f"img-{name}", "ready": ready, "started": ready, "restartCount": 0} | {
        "state": state or {"running": {"startedAt": "2026"}}
    }


def reason(*pods: dict[str, Any], claims: dict[str, Any] | None = None, events: tuple[dict[str, Any], ...] = (), **status: Any) -> str:
    """Why the group waits."""
    return group_state(GROUP, [workload(**status)], pods, claims or {}, events).verdict.reason


def test_the_reason_is_that_of_the_newest_pod() -> None:
    old = pod("old", "2025", (container("one"), container("two")))
    new = pod("new", "2026", (container("one"), container("two", ready=False)))
    assert reason(old, new, replicas=1) == "two: its readiness probe does not succeed yet"
    ending = pod("new", "2027", metadata={"deletionTimestamp": "now"})
    assert group_state(GROUP, [workload()], [old, ending], {}, ()).pod == old


def test_without_a_pod_the_workload_tells() -> None:
    assert reason() == "no pod was created yet"
    refused: dict[str, Any] = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]}
    assert reason(**refused) == "its pods are refused: exceeded quota"
    assert not group_state(GROUP, [workload(**refused)], [], {}, ()).verdict.is_final
    refused["conditions"][0]["message"] = "violates PodSecurity"
    assert group_state(GROUP, [workload(**refused)], [], {}, ()).verdict.is_final
    assert group_state(GROUP, [], [], {}, ()).verdict.reason == "it does not exist yet"
    assert group_state(GROUP, [workload(**READY)], [], {}, ()).verdict.is_ready


def test_a_pod_that_waits_for_a_claim_tells_the_claims_reason() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "pod has unbound immediate PersistentVolumeClaims"}
    waits = pod(
        spec={"volumes": [{"persistentVolumeClaim": {"claimName": "disk"}}, {"emptyDir": {}}]}, conditions=[condition], phase="Pending"
    )
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "disk", "uid": "c"}, "spec": {}, "status": {"phase": "Pending"}}
    event = {"reason": "ProvisioningFailed", "message": "no such class", "involvedObject": {"uid": "c"}, "metadata": {}}
    assert reason(waits, claims={"disk": claim}, events=(event,)) == "claim disk: no volume is bound to it: no such class"
    assert reason(waits) == "claim disk does not exist"
    bound = {**claim, "status": {"phase": "Bound"}}
    assert reason(waits, claims={"disk": bound}).startswith("no node can run it")


def test_a_scheduled_group_is_never_waited_for() -> None:
    scheduled = PodGroup(name="pair", apps=("one",), is_scheduled=True)
    assert group_state(scheduled, [workload("CronJob")], [], {}, ()).verdict.is_ready


def test_the_container_that_failed_is_found_with_the_run_whose_log_counts() -> None:
    crashed = {**container("two", ready=False, waiting={"reason": "CrashLoopBackOff"}), "lastState": {"terminated": {"exitCode": 1}}}
    assert failing_container(pod(seen=(container("one"), crashed))) == ("two", True)
    running = container("two", ready=False, running={"startedAt": "x"})
    assert failing_container(pod(seen=(container("one"), running))) == ("two", False)
    pulling = container("two", ready=False, waiting={"reason": "ImagePullBackOff"})
    assert failing_container(pod(seen=(container("one"), pulling))) is None


def standing(*seen: dict[str, Any], **changes: Any) -> GroupState:
    """A group with a pod whose containers have these states."""
    return group_state(GROUP, [workload()], [pod(seen=seen, **changes)], {}, ())


@pytest.mark.parametrize(
    ("seen", "state", "health"),
    [
        (container("one"), "running", "healthy"),
        (container("one", ready=False, running={"startedAt": "x"}), "running", "starting"),
        ({**container("one", ready=False, running={"startedAt": "x"}), "started": True}, "running", "unhealthy"),
        (container("one", ready=False, terminated={"exitCode": 1}), "exited", "-"),
        ({**container("one", ready=False, waiting={"reason": "CrashLoopBackOff"}), "restartCount": 2}, "restarting", "-"),
        (container("one", ready=False, waiting={"reason": "ContainerCreating"}), "created", "-"),
    ],
)
def test_states_of_containers(seen: dict[str, Any], state: str, health: str) -> None:
    found = container_state(standing(seen), "one")
    assert (found.state, found.health) == (state, health)


def test_states_without_a_container() -> None:
    assert container_state(group_state(GROUP, [], [], {}, ()), "one").state == "missing"
    without = group_state(GROUP, [workload()], [], {}, ())
    assert (container_state(without, "one").state, container_state(without, "one").image) == ("created", "i1")
    assert container_state(standing(metadata={"deletionTimestamp": "now"}), "one").state == "ending"
    scheduled = PodGroup(name="pair", apps=("one",), is_scheduled=True)
    ran = group_state(scheduled, [workload("CronJob", lastSuccessfulTime="2026")], [], {}, ())
    assert (container_state(ran, "one").state, container_state(ran, "one").since) == ("finished", "2026")


def test_commands_run_only_where_an_app_runs() -> None:
    found = standing(container("one"), container("two", ready=False, waiting={}))
    assert pod_of(found, GROUP, "one") == ("p1", "one")
    assert pod_of(found, GROUP, "two") is None
    assert is_up(found, "one")
    assert not is_up(found, "two")
