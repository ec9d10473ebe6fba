"""`update` and `rollback` on a cluster in memory: the shared code over the driver of clusters, with its Jobs, kills and refusals."""

from pathlib import Path

import pytest

from portable.engines.kubernetes.cluster import Reference
from portable.live.kubernetes import backup_run, pulling, waiting
from portable.live.kubernetes.driver import KubernetesReader
from portable.live.kubernetes.pulling import PullTarget, pull_job
from portable.live.kubernetes.waiting import AppsNotReady
from portable.model.errors import EngineError, PortableError, Refused
from portable.model.progress import Event
from portable.upkeep import updates
from tests.unit.live.kubernetes.backing import AT
from tests.unit.live.kubernetes.updating import V1, V2, UpdateWorld, app, image

ALONE = Reference("apps/v1", "StatefulSet", "media", "alone")


class Killed(BaseException):
    """Stands in for SIGKILL."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two looks."""
    for module, name in ((backup_run, "_POLL_SECONDS"), (backup_run, "_FINAL_SECONDS"), (pulling, "_POLL_SECONDS")):
        monkeypatch.setattr(module, name, 0.0)
    monkeypatch.setattr(pulling, "_UNPLACED_SECONDS", 0.0)
    monkeypatch.setattr(waiting, "_FINAL_SECONDS", 0.0)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UpdateWorld:
    """Everything up, and nothing newer anywhere."""
    made = UpdateWorld(tmp_path)
    monkeypatch.setattr(backup_run, "follow_log", made.cluster.log)
    made.driver().up(deadline=5)
    made.cluster.writes.clear()
    return made


def commands(world: UpdateWorld) -> list[str]:
    """The commands of the backup program."""
    return [command for command, _ in world.cluster.ran]


def fresh(world: UpdateWorld) -> None:
    """The locks of a killed command have expired, and its process is gone."""
    world.cluster.on_write = lambda _: None
    world.cluster.leases.clear()
    for reference, item in world.cluster.objects.items():
        if reference.kind == "Lease" and item["spec"].get("renewTime"):
            item["spec"]["renewTime"] = "2020-01-01T00:00:00Z"


def test_an_image_is_pulled_and_the_state_backed_up_while_the_app_runs(world: UpdateWorld) -> None:
    world.newer("alone")
    (row,) = world.apply("alone")
    assert (row.result, row.before, row.digest, row.backup) == ("taken", V1, V2, AT)
    assert world.cluster.pulled == [(image("alone", V2), "alone bare")]
    assert world.cluster.ran == [("backup alone", "alone bare")]
    assert world.runs("alone") == image("alone", V2)
    assert world.taken.images["alone"].step is None
    assert world.cluster.jobs() == []
    assert world.driver().diff() == ()
    assert [one.result for one in world.apply("alone")] == ["same"]


def test_the_node_of_the_app_pulls_and_nothing_of_the_image_runs(world: UpdateWorld) -> None:
    stack = world.driver().stack
    template = world.cluster.objects[ALONE]["spec"]["template"]
    template["spec"]["imagePullSecrets"] = [{"name": "login"}]
    target = PullTarget(image=image("alone", V2), app="alone", template=template, node="node1")
    body = pull_job(stack, target, "x")
    pod = body["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["/portable-pulls-this-image-and-runs-nothing"]
    assert "volumes" not in pod
    assert "env" not in container
    assert pod["imagePullSecrets"] == [{"name": "login"}]
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node1"]}]}]
    assert "portable/group" not in body["spec"]["template"]["metadata"]["labels"], "it is not a pod of the app"


def test_an_image_that_a_node_cannot_pull_changes_nothing(world: UpdateWorld) -> None:
    world.newer("alone")
    world.cluster.unpullable[image("alone", V2)] = "manifest unknown"
    with pytest.raises(EngineError, match=r"a node cannot pull registry.test/alone:1@.*manifest unknown") as raised:
        world.apply("alone")
    assert raised.value.code == "cluster.pull"
    assert (world.runs("alone"), world.file.exists(), commands(world), world.cluster.jobs()) == (image("alone", V1), False, [], [])


def test_where_no_node_has_room_to_pull_beforehand_the_update_says_so_and_goes_on(world: UpdateWorld) -> None:
    world.newer("alone")
    world.cluster.is_full = True
    events: list[Event] = []
    (row,) = world.apply("alone", progress=events.append)
    assert row.result == "taken"
    assert any(event.what == "note" and "no image is pulled beforehand" in event.text for event in events)
    assert world.cluster.jobs() == []


def test_an_app_that_crashes_gets_its_image_and_state_of_before(world: UpdateWorld) -> None:
    world.newer("alone")
    world.cluster.broken = {image("alone", V2)}
    (row,) = world.apply("alone")
    assert row.result == "failed"
    assert "crashed 5 times" in row.why
    assert AT in row.text
    assert commands(world) == ["backup alone", f"stage alone --at {AT}", "swap alone"]
    assert world.cluster.ran[-1][1] == "bare", "its pod is gone while its state is replaced"
    assert (world.runs("alone"), world.file.exists()) == (image("alone", V1), False)
    assert world.driver().diff() == ()


def test_a_deadline_of_a_person_restores_nothing(world: UpdateWorld) -> None:
    world.newer("alone")
    world.cluster.pods_are_ready = False
    with pytest.raises(AppsNotReady, match="not ready within"):
        world.apply("alone", deadline=0.05)
    assert commands(world) == ["backup alone"]
    assert world.taken.images["alone"].step == "taking"
    world.cluster.pods_are_ready = True
    world.cluster.merge(ALONE, {})
    assert [row.result for row in world.apply("alone")] == ["taken"]


def test_a_pod_that_is_about_to_come_counts_as_one_that_ran(world: UpdateWorld) -> None:
    """A node died, and the next pod is not there yet: the state may be that of the newer program, so a rollback restores it."""
    world.newer("alone")
    world.apply("alone")
    del world.cluster.objects[Reference("v1", "Pod", "media", "alone-pod")]
    assert ("alone", image("alone", V2)) in world.driver().images_in_use()
    world.cluster.objects[ALONE]["spec"]["replicas"] = 0
    assert "alone" not in {app for app, _ in world.driver().images_in_use()}


def test_rollback_returns_to_the_image_and_with_a_word_to_the_state(world: UpdateWorld) -> None:
    world.newer("alone")
    world.apply("alone")
    (row,) = world.back("alone")
    assert (row.result, row.before, row.digest) == ("back", V2, V1)
    assert row.text.endswith(f"`portable restore alone --at {AT}`")
    assert (world.runs("alone"), world.file.exists(), commands(world)) == (image("alone", V1), False, ["backup alone"])
    world.apply("alone")
    (row,) = world.back("alone", with_state=True)
    assert f"its state was restored from the backup of {AT}" in row.text
    assert commands(world)[-3:] == ["list alone", f"stage alone --at {AT}", "swap alone"]
    assert (world.runs("alone"), world.file.exists()) == (image("alone", V1), False)
    assert world.cluster.pulled[-1] == (image("alone", V1), "alone bare")
    with pytest.raises(Refused) as raised:
        world.back("alone")
    assert raised.value.code == "update.no-record"


def test_what_would_be_lost_is_refused_before_anything_is_written(world: UpdateWorld) -> None:
    world.newer("alone")
    world.cluster.objects[ALONE]["spec"]["replicas"] = 0
    with pytest.raises(Refused) as raised:
        world.apply("alone")
    assert raised.value.code == "update.drift"
    world.cluster.merge(ALONE, {"spec": {"replicas": 1}})
    world.profile("")
    world.cluster.writes.clear()
    with pytest.raises(Refused) as raised:
        world.apply("alone")
    assert raised.value.code == "update.no-backups"
    assert world.cluster.writes == []


def test_a_database_on_a_share_is_copied_only_while_its_app_is_stopped(world: UpdateWorld) -> None:
    """Another node does not see its locks, so the catalog's word that it can be copied live does not hold here."""
    world.driver().down()
    world.profile("backup, ", state="{on: library, below: config}")
    (world.folder / "catalog" / "alone" / "app.yaml").write_text(app("alone", holds="database"))
    world.driver().up(deadline=5)
    world.newer("alone")
    with pytest.raises(Refused) as raised:
        world.apply("alone")
    assert raised.value.code == "update.needs-stop"
    assert (world.cluster.pulled, commands(world)) == ([], [])
    assert [row.result for row in world.apply("alone", stop=True)] == ["taken"]
    assert world.cluster.ran == [("backup alone --stopped", "bare")]
    assert world.runs("alone") == image("alone", V2)


def test_a_dry_run_needs_a_connection_that_cannot_write(world: UpdateWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.newer("alone")
    driver = world.driver()
    monkeypatch.setattr(KubernetesReader, "offered", type(driver).offered)
    monkeypatch.setattr(KubernetesReader, "registry", world.registry, raising=False)
    reader = KubernetesReader(world.cluster, driver.stack, driver.source)
    rows, steps = updates.foresee(reader, world.opened(), ["alone"])
    assert [row.result for row in rows] == ["newer"]
    assert steps[0] == f"alone: pull {image('alone', V2)} while alone runs"
    assert world.cluster.writes == []


@pytest.mark.parametrize("fails", [False, True])
def test_a_kill_at_every_write_is_completed_by_the_same_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """Killed before its n-th write, run again: one image runs that the files name, and nothing is half-done."""
    count = 0
    while True:
        count += 1
        folder = tmp_path / str(count)
        folder.mkdir()
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
        world = UpdateWorld(folder)
        monkeypatch.setattr(backup_run, "follow_log", world.cluster.log)
        world.driver().up(deadline=5)
        world.newer("alone")
        world.cluster.broken = {image("alone", V2)} if fails else set()
        left = count

        def kill(_: str) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                raise Killed

        world.cluster.on_write = kill
        try:
            world.apply("alone")
            break
        except Killed:
            fresh(world)
        try:
            rows = world.apply("alone")
        except PortableError as error:
            assert error.code == "update.undecided", f"killed at write {count}"  # noqa: PT017
            world.back("alone", with_state=True)
            rows = world.apply("alone")
        digest = V1 if fails else V2
        assert [row.result for row in rows] == ["failed" if fails else "taken"], f"killed at write {count}"
        assert world.runs("alone") == image("alone", digest), f"killed at write {count}"
        assert list(world.taken.unfinished()) == []
        assert world.driver().diff() == ()
        assert world.cluster.jobs() == []
    assert count > 8
