"""The lab's cluster is a whole one: every node runs pods, names and Services lead to them, and images stay."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster_lab.conftest import BUSYBOX, new_namespace
from tests.lab.cluster.cluster import NAMES, PODS, Cluster
from tests.lab.home.box import BEACON
from tests.lab.home.internet import NAME

_SERVE = "mkdir -p /www && hostname >/www/index.html && exec httpd -f -p 80 -h /www"
_SECONDS = "90s"


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> Iterator[str]:
    """A namespace in which a web server runs on each node, each with a Service of its name."""
    with new_namespace(cluster) as namespace:
        items = [item for node in NAMES for item in (_server(node), _service(node))]
        cluster.kubectl("apply", "-n", namespace, "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod", "--all", f"--timeout={_SECONDS}")
        yield namespace


def _server(node: str) -> dict[str, Any]:
    container = {
        "name": "web",
        "image": BUSYBOX,
        "command": ["sh", "-c", _SERVE],
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1},
    }
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": node, "labels": {"web": node}}, "spec": spec}


def _service(node: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": node}, "spec": {"selector": {"web": node}, "ports": [{"port": 80}]}}


def inside(cluster: Cluster, namespace: str, pod: str, command: str) -> str:
    """The output of a shell command in a pod."""
    return cluster.kubectl("exec", "-n", namespace, pod, "--", "sh", "-c", command).strip()


def address_of(cluster: Cluster, namespace: str, pod: str, name: str) -> str:
    """The address of a name, asked in a pod; Debian's static BusyBox resolves names in `nslookup` only."""
    return inside(cluster, namespace, pod, f"nslookup {name} | awk '/^Address/ {{found = $NF}} END {{print found}}'")


def page_of(cluster: Cluster, namespace: str, pod: str, name: str) -> str:
    """The page that a name answers with, asked in a pod."""
    return inside(cluster, namespace, pod, f"timeout 5 wget -qO- http://{address_of(cluster, namespace, pod, name)}/")


def test_every_node_is_ready_and_runs_pods_of_its_own_network(cluster: Cluster, web: str) -> None:
    assert cluster.are_ready()
    pods = {pod["metadata"]["name"]: pod for pod in cluster.objects("pods", "-n", web)}
    assert {name: pod["spec"]["nodeName"] for name, pod in pods.items()} == {name: name for name in NAMES}
    assert all(pods[name]["status"]["podIP"].startswith(f"{PODS[name]}.") for name in NAMES)


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_a_service_leads_to_its_pod_from_every_node_and_from_that_pod_itself(cluster: Cluster, web: str, source: str, target: str) -> None:
    assert page_of(cluster, web, source, f"{target}.{web}.svc.cluster.local") == target


def test_names_of_the_cluster_and_of_the_outside_resolve_in_pods(cluster: Cluster, web: str) -> None:
    services = {service["metadata"]["name"]: service["spec"]["clusterIP"] for service in cluster.objects("services", "-n", web)}
    for pod in NAMES:
        assert {name: address_of(cluster, web, pod, f"{name}.{web}.svc.cluster.local") for name in NAMES} == services
        assert address_of(cluster, web, pod, f"{NAME}.") == BEACON


def test_each_node_knows_the_images_that_its_pods_use_and_keeps_them(cluster: Cluster, web: str) -> None:
    for node in cluster.nodes:
        known = node.sh("ctr -n k8s.io images ls -q")
        assert BUSYBOX in known
        settings = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node.role}/proxy/configz"))["kubeletconfig"]
        assert settings["imageGCHighThresholdPercent"] == 100  # above every disk: collection never begins


def test_a_program_of_a_node_that_is_killed_comes_again(cluster: Cluster, web: str) -> None:
    before = cluster.nodes[1].sh("cat /run/kubelet.pid").strip()
    cluster.nodes[1].end("kubelet")
    until = time.monotonic() + 30
    while (now := cluster.nodes[1].sh("cat /run/kubelet.pid").strip()) == before or not cluster.nodes[1].is_well():
        assert time.monotonic() < until, "the kubelet did not start again"
        time.sleep(0.2)
    assert now != before
    assert page_of(cluster, web, "node1", f"node2.{web}.svc.cluster.local") == "node2"


def test_control_groups_of_a_node_are_its_own(cluster: Cluster, web: str) -> None:
    for node in cluster.nodes:
        groups = node.sh("find /sys/fs/cgroup/memory/kubepods -maxdepth 3 -name 'pod*' | wc -l").strip()
        of_node = [pod for pod in cluster.objects("pods", "-A") if pod["spec"].get("nodeName") == node.role]
        assert len(of_node) > 0
        assert int(groups) <= len(of_node) + 1  # one more may be on its way out
