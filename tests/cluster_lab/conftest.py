"""Fixtures of the ring: one cluster for the ring, which is gone before the next lab starts, and a namespace of its own for each test."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.cluster.cluster import AT, Cluster, cluster_up
from tests.lab.engine import LabError, bring_engine, busybox

DEFINITIONS = Path(__file__).parents[1] / "api_server" / "definitions"
"""The kinds of OpenShift and of the Gateway API; no controller for them runs."""
BUSYBOX = f"{AT}/busybox:1"
"""The name of the image with a shell, as nodes pull it."""


@pytest.fixture(scope="package")
def here() -> Iterator[Engine]:
    """The machine's own engine, on which the lab is made."""
    with bring_engine() as engine:
        yield engine


@pytest.fixture(scope="package")
def cluster(here: Engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster; a machine that cannot have one fails the tests with the reason."""
    try:
        with cluster_up(here, tmp_path_factory.mktemp("cluster"), lambda: request.session.testsfailed) as started:
            started.push({busybox(here): "busybox:1"})
            for file in sorted(DEFINITIONS.glob("*.yaml")):
                started.kubectl("apply", "--server-side", "-f", str(file))
            yield started
    except LabError as error:
        pytest.fail(str(error))


@pytest.fixture
def namespace(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A namespace of this test alone; the state of this machine lies in a folder of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with new_namespace(cluster) as name:
        yield name


@contextlib.contextmanager
def new_namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace that nobody else has, taken away with all that is in it."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")
