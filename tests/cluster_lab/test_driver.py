"""The contract of drivers on a real cluster."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portable.engines.kubernetes.cluster import Cluster as ClusterConnection
from portable.engines.kubernetes.cluster import ClusterReader
from portable.live.driver import StackDriver, StackReader
from portable.live.kubernetes.driver import KubernetesDriver, KubernetesReader
from tests.cluster_lab.stacks import address_of, source, stack
from tests.driver_contract import TOKEN, DriverContract
from tests.lab.cluster.cluster import Cluster


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

    def crash(self, driver: StackDriver, app: str) -> None:
        """Its program ends with an error once it finds a file, and after each restart until its pod is replaced."""
        driver.exec_stream(app, ["touch", "/signs/crash"], lambda _: None)
        end = time.monotonic() + 60
        while driver.state_of(app) != "restarting":
            assert time.monotonic() < end, f"{app} did not crash"
            time.sleep(0.2)
