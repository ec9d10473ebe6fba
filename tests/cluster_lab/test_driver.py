"""The contract of drivers on a real cluster."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portable.engines.kubernetes.cluster import Cluster as ClusterConnection
from portable.engines.kubernetes.cluster import ClusterReader
from portable.live.driver import StackDriver, StackReader
from portable.live.kubernetes.driver import KubernetesDriver, KubernetesReader
from portable.live.kubernetes.network import ClusterNetwork
from portable.live.network import Stream, Unreachable
from tests.cluster_lab.stacks import address_of, source, stack
from tests.driver_contract import TOKEN, DriverContract
from tests.lab.cluster.cluster import Cluster


def _ask(stream: Stream) -> None:
    stream.sendall(b"GET / HTTP/1.0\r\n\r\n")
    if not stream.makefile("rb").read():
        raise ConnectionResetError


class TestKubernetes(DriverContract):
    """Kubernetes, with nodes that run pods."""

    shares_pods = True

    @pytest.fixture
    def driver(self, cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[StackDriver]:
        """A stack in a namespace of this test alone."""
        connection = ClusterConnection(address_of(cluster), cache=tmp_path / "kinds")
        with KubernetesDriver(connection, stack(namespace), source(tmp_path, {"token": TOKEN})) as driver:
            yield driver

    @pytest.fixture
    def reader(self, driver: StackDriver, cluster: Cluster, tmp_path: Path) -> Iterator[StackReader]:
        """The same stack, to look at."""
        assert isinstance(driver, KubernetesDriver)
        connection = ClusterReader(address_of(cluster), cache=tmp_path / "kinds")
        with KubernetesReader(connection, driver.stack, driver.source) as reader:
            yield reader

    def test_an_app_is_reached_through_the_api_server(self, driver: StackDriver) -> None:
        """`wire` goes this way. Nothing listens on the second port."""
        driver.up(deadline=120)
        driver.exec_stream("lone", ["sh", "-c", "echo found > /tmp/page; httpd -p 127.0.0.1:8099 -h /tmp"], lambda _: None)
        assert isinstance(driver, KubernetesDriver)
        with ClusterNetwork(driver._writer, driver.stack) as network:
            assert network.missing("lone") == ""
            with network.connect("lone", 8099) as stream:
                stream.sendall(b"GET /page HTTP/1.0\r\n\r\n")
                assert stream.makefile("rb").read().endswith(b"found\n")
            with pytest.raises(Unreachable, match="connection refused"), network.connect("lone", 8098) as stream:
                _ask(stream)

    def crash(self, driver: StackDriver, app: str) -> None:
        """Its program ends with an error once it finds a file, and after each restart until its pod is replaced."""
        driver.exec_stream(app, ["touch", "/signs/crash"], lambda _: None)
        end = time.monotonic() + 60
        while driver.state_of(app) != "restarting":
            assert time.monotonic() < end, f"{app} did not crash"
            time.sleep(0.2)
