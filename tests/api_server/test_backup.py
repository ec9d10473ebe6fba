"""Backups and restores on a real API server: Jobs that it admits, apps scaled to 0 and back, and field owners that agree afterwards.

No program runs in these pods: a stand-in for the node ends them, and says what the program would have said.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portable.engines.kubernetes.cluster import Reference
from portable.live.kubernetes import backup_run
from portable.live.kubernetes.driver import KubernetesDriver
from portable.model.errors import Refused
from portable.secrets.sources import FileSource
from portable.upkeep import backup
from tests.api_server.kubelet import MOMENT, write_status
from tests.api_server.server import Server
from tests.api_server.stacks import driver
from tests.unit.live.kubernetes.backing import backing, row

SECONDS = 120.0


class Node:
    """It ends the pod of a Job, and is its log."""

    def __init__(self, server: Server, namespace: str) -> None:
        self._cluster, self._namespace = server.cluster("other"), namespace
        self.failing: set[str] = set()
        """Commands of the program that fail."""
        self.ran: list[str] = []
        self.app = "two"
        """The app in the rows that the program prints."""

    def log(self, _: Any, namespace: str, pod: str, container: str, **__: Any) -> Iterator[str]:
        """Stands in for `follow_log`."""
        found = self._cluster.get(Reference("v1", "Pod", namespace, pod))
        assert found is not None
        command = found["spec"]["containers"][0]["command"]
        if not (found["status"].get("containerStatuses") or [{}])[0].get("state", {}).get("terminated"):
            self.ran.append(command[2])
            failed = command[2] in self.failing
            self._end(dict(found), container, 1 if failed else 0)
        result = "failed" if command[2] in self.failing else {"stage": "staged", "list": "sound"}.get(command[2], "done")
        yield f"{MOMENT} {json.dumps(row(self.app, result))}"

    def _end(self, pod: dict[str, Any], container: str, code: int) -> None:
        ended = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "startedAt": MOMENT, "finishedAt": MOMENT}
        seen = {"name": container, "image": "x", "imageID": "x", "ready": False, "restartCount": 0, "state": {"terminated": ended}}
        write_status(self._cluster, pod, {"phase": "Failed" if code else "Succeeded", "containerStatuses": [seen]})


@pytest.fixture
def node(server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Node:
    """The stand-in for a node."""
    made = Node(server, namespace)
    monkeypatch.setattr(backup_run, "follow_log", made.log)
    return made


@pytest.fixture
def chosen(server: Server, namespace: str, secret_file: FileSource) -> Iterator[KubernetesDriver]:
    """The stack of `backing`, up."""
    with driver(server, backing(namespace=namespace), secret_file) as made:
        made.up(deadline=SECONDS)
        yield made


def left(server: Server, namespace: str) -> list[str]:
    """What Jobs left, once the garbage collector had its time."""
    cluster, until = server.cluster("other"), time.monotonic() + 60
    while True:
        kinds = (("batch/v1", "Job"), ("v1", "ConfigMap"))
        items = [item for kind in kinds for item in cluster.list(*kind, namespace=namespace, labels="portable/job")]
        if not items or time.monotonic() > until:
            return [item["metadata"]["name"] for item in items]
        time.sleep(0.5)


def replicas(server: Server, namespace: str) -> dict[str, int]:
    items = server.cluster("other").list("apps/v1", "StatefulSet", namespace=namespace)
    return {item["metadata"]["name"]: item["spec"]["replicas"] for item in items}


def test_a_live_backup_changes_nothing_of_the_stack(server: Server, namespace: str, chosen: KubernetesDriver, node: Node) -> None:
    assert chosen.stack.plan is not None
    node.app = "one"
    (made,) = backup.back_up(chosen, chosen.stack.plan, apps=("one",))
    assert (made.result, node.ran) == ("done", ["backup"])
    assert left(server, namespace) == []
    assert chosen.diff() == ()


def test_a_stopped_backup_scales_to_0_and_back_and_a_second_up_changes_nothing(
    server: Server, namespace: str, chosen: KubernetesDriver, node: Node
) -> None:
    assert chosen.stack.plan is not None
    (made,) = backup.back_up(chosen, chosen.stack.plan, apps=("two",), stop=True)
    assert (made.result, node.ran) == ("done", ["backup"])
    assert replicas(server, namespace) == {"one": 1, "two": 1}
    assert left(server, namespace) == []
    assert chosen.up(deadline=SECONDS).changes == ()
    assert chosen.paused_with("two") == set()


def test_a_restore_that_is_not_finished_keeps_every_machine_from_starting_the_app(
    server: Server, namespace: str, chosen: KubernetesDriver, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen.stack.plan is not None
    node.failing = {"swap"}
    assert backup.restore(chosen, chosen.stack.plan, "two").result == "failed"
    assert replicas(server, namespace) == {"one": 1, "two": 0}
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    with pytest.raises(Refused, match="the restore of two"):
        chosen.up(deadline=SECONDS)
    node.failing = set()
    assert backup.restore(chosen, chosen.stack.plan, "two").result == "done"
    assert replicas(server, namespace) == {"one": 1, "two": 1}
    assert chosen.up(deadline=SECONDS).changes == ()
    assert node.ran == ["stage", "swap", "stage", "swap"]
