"""Connections to apps in pods, with a fake in the place of the API server's forwarding."""

import socket

import pytest

from portable.engines.kubernetes.cluster import Reference
from portable.engines.kubernetes.errors import ClusterError
from portable.live.kubernetes.driver import KubernetesDriver
from portable.live.kubernetes.network import ClusterNetwork
from portable.live.network import Unreachable
from portable.secrets.sources import FileSource
from tests.unit.live.kubernetes.conftest import made
from tests.unit.live.kubernetes.fake_cluster import FakeCluster


class Forward:
    """A forwarded port whose other end the test holds."""

    def __init__(self, error: str | None = None) -> None:
        self.near, self.far = socket.socketpair()
        self.told, self.closed = error, False

    def socket(self, _port: int) -> socket.socket:
        return self.near

    def error(self, _port: int) -> str | None:
        return self.told

    def close(self) -> None:
        self.closed = True
        self.near.close()
        self.far.close()


class Forwarding(FakeCluster):
    """Answers `open_forward` with the test's forward or error."""

    def __init__(self) -> None:
        super().__init__()
        self.forward: Forward | Exception = Forward()
        self.asked: list[tuple[str, str, int]] = []

    def open_forward(self, namespace: str, pod: str, port: int) -> Forward:
        self.asked.append((namespace, pod, port))
        if isinstance(self.forward, Exception):
            raise self.forward
        return self.forward


@pytest.fixture
def cluster(source: FileSource) -> Forwarding:
    """A cluster with the stack up."""
    found = Forwarding()
    found.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "media"}})
    KubernetesDriver(found, made(), source).up(deadline=5)
    return found


def test_bytes_go_both_ways_and_the_connection_ends(cluster: Forwarding) -> None:
    assert isinstance(cluster.forward, Forward)
    with ClusterNetwork(cluster, made()) as network, network.connect("one", 8080) as stream:
        stream.sendall(b"question")
        assert cluster.forward.far.recv(100) == b"question"
        cluster.forward.far.sendall(b"answer")
        cluster.forward.far.shutdown(socket.SHUT_WR)
        assert stream.makefile("rb").read() == b"answer"
    assert cluster.asked == [("media", "one-pod", 8080)]
    assert cluster.forward.closed


def test_a_port_on_which_nobody_listens_is_unreachable(cluster: Forwarding) -> None:
    cluster.forward = Forward("error forwarding port 8080 to pod x: dial tcp4 127.0.0.1:8080: connect: connection refused\n")
    network = ClusterNetwork(cluster, made())
    with pytest.raises(Unreachable, match=r"^connection refused$"), network.connect("one", 8080):
        raise ConnectionResetError
    assert cluster.forward.closed


def test_an_error_of_the_caller_stays_what_it_is(cluster: Forwarding) -> None:
    network = ClusterNetwork(cluster, made())
    with pytest.raises(ValueError, match="mine"), network.connect("one", 8080):
        raise ValueError("mine")
    assert isinstance(cluster.forward, Forward)
    assert cluster.forward.closed


def test_without_the_right_nobody_waits(cluster: Forwarding) -> None:
    network = ClusterNetwork(cluster, made())
    cluster.forward = ClusterError("refused", "you may not create pods/portforward", status=403)
    with pytest.raises(ClusterError, match="may not create"), network.connect("one", 8080):
        pass
    cluster.forward = ClusterError("gone", "the connection broke")
    with pytest.raises(Unreachable, match="broke"), network.connect("one", 8080):
        pass


def test_an_app_that_does_not_run_is_missing(cluster: Forwarding) -> None:
    network = ClusterNetwork(cluster, made())
    assert network.missing("one") == ""
    assert network.missing("nobody") == "missing"
    del cluster.objects[Reference("v1", "Pod", "media", "one-pod")]
    assert network.missing("one") == ""  # its workload makes a new one
    with pytest.raises(Unreachable, match="does not run"), network.connect("one", 8080):
        pass
    for reference in [r for r in cluster.objects if r.name == "one" and r.kind == "StatefulSet"]:
        del cluster.objects[reference]
    assert network.missing("one") == "missing"
