"""`doctor` on clusters: holds, broken and unknown for each check, without a write."""

from typing import Any

from portable.engines.kubernetes.cluster import Reference
from portable.live.kubernetes.driver import KubernetesDriver
from portable.model.contracts import Diagnosis
from portable.secrets.sources import FileSource
from tests.unit.live.kubernetes.conftest import grouped, made
from tests.unit.live.kubernetes.fake_cluster import FakeCluster


def node(name: str, ready: str = "True", **allocatable: str) -> tuple[Reference, dict[str, Any]]:
    """A node in the cluster's list."""
    status = {"conditions": [{"type": "Ready", "status": ready, "message": "PLEG is not healthy"}], "allocatable": allocatable}
    return Reference("v1", "Node", "", name), {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": name},
        "status": status,
    }


def examined(cluster: FakeCluster, driver: KubernetesDriver) -> dict[tuple[str, str], Diagnosis]:
    """The diagnoses by place and verdict; none of them writes."""
    before = list(cluster.writes)
    found = driver.diagnose()
    assert cluster.writes == before
    assert {diagnosis.code for diagnosis in found} <= {"doctor.cluster"}
    return {(diagnosis.where, diagnosis.verdict): diagnosis for diagnosis in found}


def test_a_cluster_that_can_run_the_stack(source: FileSource) -> None:
    cluster = FakeCluster()
    cluster.objects |= dict([node("a")])
    driver = KubernetesDriver(cluster, made(), source)
    assert set(examined(cluster, driver)) == {("media", "holds"), ("nodes", "holds")}
    driver.up(deadline=5)
    assert set(examined(cluster, driver)) == {("media", "holds"), ("nodes", "holds")}


def test_a_node_that_is_not_ready_is_named(source: FileSource) -> None:
    cluster = FakeCluster()
    cluster.objects |= dict([node("a"), node("b", "Unknown")])
    found = examined(cluster, KubernetesDriver(cluster, made(), source))
    assert "PLEG" in found["b", "broken"].text
    assert found["b", "broken"].remedy
    assert ("nodes", "holds") in found


def test_nodes_that_may_not_be_read_are_unknown(source: FileSource) -> None:
    cluster = FakeCluster()

    def refused(*arguments: Any, **options: Any) -> Any:
        if arguments[1] == "Node":
            cluster.get(Reference("v1", "Node", "", "a"))
        return FakeCluster.list(cluster, *arguments, **options)

    cluster.forbidden = lambda verb, reference: reference.kind == "Node"
    cluster.list = refused  # type: ignore[method-assign]
    found = examined(cluster, KubernetesDriver(cluster, made(), source))
    assert "nodes" in found["nodes", "unknown"].remedy


def test_every_obstacle_is_a_problem_with_a_remedy(source: FileSource) -> None:
    cluster = FakeCluster(missing=("NetworkPolicy",))
    found = examined(cluster, KubernetesDriver(cluster, made(), source))
    broken = [diagnosis for (_, verdict), diagnosis in found.items() if verdict == "broken"]
    assert broken
    assert all(diagnosis.remedy and diagnosis.why for diagnosis in broken)


def test_an_app_that_is_not_ready_is_named(source: FileSource) -> None:
    cluster = FakeCluster()
    driver = KubernetesDriver(cluster, grouped(), source)
    driver.up(deadline=5)
    pod = next(item for ref, item in cluster.objects.items() if ref.kind == "Pod" and ref.name == "pair-pod")
    pod["status"]["containerStatuses"][0] |= {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "ready": False, "restartCount": 4}
    workload = next(item for ref, item in cluster.objects.items() if ref.kind in ("Deployment", "StatefulSet") and ref.name == "pair")
    workload["status"] |= {"readyReplicas": 0, "availableReplicas": 0}
    assert "crashed" in examined(cluster, driver)["one, two", "broken"].text
