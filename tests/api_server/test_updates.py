"""Updates and rollbacks on a real API server: Jobs that pull, new images in workloads, and field owners that agree afterwards.

No image is pulled and no program runs: a stand-in for the kubelet makes every pod ready, and one for the node ends the pods of backups.
"""

from pathlib import Path

import pytest

from portable.live.kubernetes import backup_run
from portable.model.errors import Refused
from portable.model.progress import Event
from tests.api_server.server import Server
from tests.api_server.test_backup import Node, left, replicas
from tests.unit.live.kubernetes.backing import AT
from tests.unit.live.kubernetes.updating import V1, V2, UpdateWorld, image

SECONDS = 120.0


@pytest.fixture
def node(server: Server, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Node:
    """The stand-in for a node."""
    made = Node(server, namespace)
    made.app = "alone"
    monkeypatch.setattr(backup_run, "follow_log", made.log)
    return made


@pytest.fixture
def world(server: Server, namespace: str, node: Node, tmp_path: Path) -> UpdateWorld:
    """A profile whose apps are up."""
    folder = tmp_path / "stack"
    folder.mkdir()
    made = UpdateWorld(folder, server.cluster("admin"), namespace)
    made.driver().up(deadline=SECONDS)
    return made


def test_an_update_pulls_backs_up_and_changes_one_workload(server: Server, namespace: str, world: UpdateWorld, node: Node) -> None:
    world.newer("alone")
    events: list[Event] = []
    (row,) = world.apply("alone", deadline=SECONDS, progress=events.append)
    assert (row.result, row.before, row.digest, row.backup) == ("taken", V1, V2, AT)
    assert any(f"pulling {image('alone', V2)}" in event.text for event in events)
    assert not [event.text for event in events if "no image is pulled beforehand" in event.text]
    assert (world.runs("alone"), world.runs("bare")) == (image("alone", V2), image("bare", V1))
    assert node.ran == ["backup"]
    assert left(server, namespace) == []
    assert world.driver().up(deadline=SECONDS).changes == ()


def test_a_rollback_restores_image_and_state_and_a_second_one_is_refused(
    server: Server, namespace: str, world: UpdateWorld, node: Node
) -> None:
    world.newer("alone")
    world.apply("alone", deadline=SECONDS)
    (row,) = world.back("alone", with_state=True, deadline=SECONDS)
    assert (row.result, AT in row.text) == ("back", True)
    assert node.ran == ["backup", "list", "stage", "swap"]
    assert (world.runs("alone"), world.file.exists()) == (image("alone", V1), False)
    assert replicas(server, namespace)["alone"] == 1
    assert left(server, namespace) == []
    assert world.driver().diff() == ()
    with pytest.raises(Refused, match="no update of alone is recorded"):
        world.back("alone")
