"""`heal` on clusters: which pods it replaces, and which it leaves to the cluster."""

from typing import Any

import pytest

from portable.live.kubernetes.driver import KubernetesDriver
from portable.live.kubernetes.waiting import AppsNotReady
from portable.secrets.sources import FileSource
from tests.unit.live.kubernetes.conftest import grouped
from tests.unit.live.kubernetes.fake_cluster import FakeCluster

CRASHED = {"waiting": {"reason": "CrashLoopBackOff"}}


def up(source: FileSource) -> tuple[FakeCluster, KubernetesDriver]:
    """A stack of two apps in one pod, and one by itself, up."""
    cluster = FakeCluster()
    driver = KubernetesDriver(cluster, grouped(), source)
    driver.up(deadline=5)
    return cluster, driver


def pods(cluster: FakeCluster) -> dict[str, dict[str, Any]]:
    """The pods by their group."""
    return {item["metadata"]["labels"]["portable/group"]: item for ref, item in cluster.objects.items() if ref.kind == "Pod"}


def crash(cluster: FakeCluster, group: str, container: str, state: dict[str, Any]) -> None:
    """Put a container of a pod into a state, and let its workload be unready."""
    pod = pods(cluster)[group]
    seen = next(seen for seen in pod["status"]["containerStatuses"] if seen["name"] == container)
    seen |= {"state": state, "ready": False, "restartCount": 4}
    workload = next(item for ref, item in cluster.objects.items() if ref.kind in ("Deployment", "StatefulSet") and ref.name == group)
    workload["status"] |= {"readyReplicas": 0, "availableReplicas": 0}


def test_healthy_apps_are_left_alone(source: FileSource) -> None:
    cluster, driver = up(source)
    before = {group: pod["metadata"]["uid"] for group, pod in pods(cluster).items()}
    assert driver.examine().changes == driver.heal(deadline=5).changes == ()
    assert driver.examine().waiting == ()
    assert {group: pod["metadata"]["uid"] for group, pod in pods(cluster).items()} == before


@pytest.mark.parametrize("state", [CRASHED, {"terminated": {"exitCode": 9}}])
def test_a_crashed_app_is_started_with_those_that_share_its_pod(source: FileSource, state: dict[str, Any]) -> None:
    cluster, driver = up(source)
    crash(cluster, "pair", "two", state)
    found = driver.examine().changes
    assert [(change.kind, change.service) for change in found] == [("start", "two"), ("restart", "one")]
    assert all(change.cause for change in found)
    writes = len(cluster.writes)
    driver.examine()
    assert len(cluster.writes) == writes


@pytest.mark.parametrize("state", [{"running": {}}, {"waiting": {"reason": "ContainerCreating"}}, {"terminated": {"exitCode": 0}}])
def test_what_starts_or_waits_is_the_clusters_business(source: FileSource, state: dict[str, Any]) -> None:
    cluster, driver = up(source)
    crash(cluster, "pair", "two", state)
    assert driver.examine().changes == ()
    assert [sentence.partition(":")[0] for sentence in driver.examine().waiting] == ["one, two"]


def test_a_pod_of_another_tool_is_not_touched(source: FileSource) -> None:
    cluster, driver = up(source)
    crash(cluster, "pair", "two", CRASHED)
    workload = next(item for ref, item in cluster.objects.items() if ref.name == "pair" and ref.kind in ("Deployment", "StatefulSet"))
    workload["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = "apps"
    assert driver.examine().changes == ()


def test_exactly_that_pod_is_replaced(source: FileSource) -> None:
    cluster, driver = up(source)
    crash(cluster, "pair", "two", CRASHED)
    with pytest.raises(AppsNotReady):  # the fake cluster has no controller that makes another pod
        driver.heal(deadline=0.05)
    assert [write for write in cluster.writes if write.startswith("delete")] == ["delete Pod pair-pod"]
    assert "pair" not in pods(cluster)
    assert "lone" in pods(cluster)
