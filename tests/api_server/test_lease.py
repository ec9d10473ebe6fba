"""The Lease between machines: two holders, expiry, loss; and commands that are killed."""

import datetime
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portable.engines.kubernetes.cluster import Cluster, Reference
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.lease import LeaseLost, lease_held
from portable.live.kubernetes.inventory import inventory_reference, read_inventory
from portable.live.kubernetes.stack import lease_name
from portable.live.kubernetes.up import LEASE_API
from portable.model.errors import PortableError
from portable.model.progress import Event
from portable.secrets.sources import FileSource
from tests.api_server.server import Server
from tests.api_server.stacks import driver, plan, stack
from tests.api_server.test_drift import merge

SECONDS = 120.0
IMAGE = {"spec": {"template": {"spec": {"containers": [{"name": "one", "image": "other.test/app:1.0"}]}}}}


def test_a_second_machine_is_told_who_holds_the_lock(server: Server, namespace: str, secret_file: FileSource) -> None:
    made = stack(plan(namespace, "one"))
    with driver(server, made, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        merge("apps/v1", "StatefulSet", "one", IMAGE)(server.cluster("other"), namespace)
        with lease_held(server.cluster("other"), namespace, lease_name(made), "up", {}):
            for verb in (chosen.up, chosen.down, chosen.restart):
                with pytest.raises(PortableError, match="is locked by `portable up by"):
                    verb()
            assert chosen.diff() != (), "looking needs no lock"
        assert chosen.up(deadline=SECONDS).changes != ()


def test_a_lock_that_nobody_renewed_is_taken_over(server: Server, namespace: str, secret_file: FileSource) -> None:
    made = stack(plan(namespace, "one"))
    with driver(server, made, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        cluster = server.cluster("other")
        reference = Reference(LEASE_API, "Lease", namespace, lease_name(made))
        lease = cluster.get(reference)
        assert lease is not None
        past = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=31)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        cluster.replace({**lease, "spec": {**lease["spec"], "holderIdentity": "portable up by a dead machine", "renewTime": past}})
        merge("apps/v1", "StatefulSet", "one", IMAGE)(cluster, namespace)
        assert chosen.up(deadline=SECONDS).changes != ()


def _take(cluster: Cluster, of: Reference) -> None:
    """Become the holder of a Lease, whose holder renews it at the same time."""
    for _ in range(20):
        lease = cluster.get(of)
        assert lease is not None
        try:
            cluster.replace({**lease, "spec": {**lease["spec"], "holderIdentity": "somebody else"}})
        except ClusterError as error:
            if error.code != "cluster.conflict":
                raise
        else:
            return
    raise AssertionError("its holder renews it all the time")


def test_a_lost_lock_stops_every_write(server: Server, namespace: str, secret_file: FileSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portable.engines.kubernetes.lease.SECONDS", 1)
    made = stack(plan(namespace, "one"))
    with driver(server, made, secret_file) as chosen:
        taken = False

        def take(event: Event) -> None:
            nonlocal taken
            if event.what == "waiting" and not taken:
                taken = True
                _take(server.cluster("other"), Reference(LEASE_API, "Lease", namespace, lease_name(made)))
                time.sleep(1)

        with pytest.raises(LeaseLost):
            chosen.up(deadline=SECONDS, progress=take)
        lease = server.cluster("other").get(Reference(LEASE_API, "Lease", namespace, lease_name(made)))
        assert lease is not None
        assert lease["spec"]["holderIdentity"] == "somebody else"


@pytest.mark.parametrize("number", [1, 2, 3, 5, 8, 12, 14])
def test_a_killed_up_is_completed_by_the_next(server: Server, namespace: str, secret_file: FileSource, tmp_path: Path, number: int) -> None:
    """The child is killed right after the API server has carried out its n-th write."""
    environment = {**os.environ, "PYTHONPATH": ".", "XDG_STATE_HOME": str(tmp_path / "state")}
    arguments = [str(server.folder), str(server.port), namespace, secret_file.path, str(number)]
    child = subprocess.run(
        [sys.executable, "-m", "tests.api_server.child", *arguments],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    made = stack(plan(namespace))
    release(server, namespace, lease_name(made))
    with driver(server, made, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        assert chosen.diff() == ()
        assert {row.state for row in chosen.status()} == {"running"}
        inventory = read_inventory(server.cluster("other").get(inventory_reference(made)))
        assert {entry.reference.kind for entry in inventory} >= {"StatefulSet", "Service", "PersistentVolumeClaim", "Secret", "Namespace"}
        assert all(entry.uid for entry in inventory)
        count = len(server.writes())
        assert chosen.up(deadline=SECONDS).changes == ()
        assert server.writes()[count:] == []


def release(server: Server, namespace: str, name: str) -> None:
    """Let the Lease of a killed command expire at once, in the place of waiting 30 s for it."""
    cluster = server.cluster("other")
    lease = cluster.get(Reference(LEASE_API, "Lease", namespace, name))
    if lease is not None:
        cluster.replace({**lease, "spec": {**lease["spec"], "renewTime": "2020-01-01T00:00:00.000000Z"}})


@pytest.mark.prove
@pytest.mark.timeout(3000)
def test_an_up_of_ten_apps_is_killed_at_every_write(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The full form: a kill after each of the writes of an `up` of ten apps, in a namespace of its own each."""
    from tests.api_server.stacks import TOKEN, source

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    secrets = source(tmp_path, {"token": TOKEN})
    names = [f"app{number}" for number in range(10)]
    number, environment = 0, {**os.environ, "PYTHONPATH": "."}
    while True:
        number += 1
        namespace = f"kill-{number}"
        arguments = [str(server.folder), str(server.port), namespace, secrets.path, str(number), *names]
        child = subprocess.run([sys.executable, "-m", "tests.api_server.child", *arguments], env=environment, timeout=300, check=False)
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL
        made = stack(plan(namespace, *names))
        release(server, namespace, lease_name(made))
        with driver(server, made, secrets) as chosen:
            chosen.up(deadline=SECONDS)
            assert chosen.diff() == (), number
    assert number > 50
