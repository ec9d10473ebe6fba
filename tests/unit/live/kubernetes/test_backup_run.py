"""`backup` and `restore` on a cluster in memory: stopped apps, kills at every write, other machines, and refusals."""

import contextlib
import functools
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.backends.registry import back_end
from portable.engines.kubernetes.cluster import Reference
from portable.engines.kubernetes.errors import ClusterError
from portable.live.kubernetes import backup_run, pausing
from portable.live.kubernetes.driver import KubernetesDriver
from portable.live.kubernetes.pauses import PAUSED, RESTORING
from portable.live.kubernetes.stack import KubernetesStack, stack_of
from portable.live.restoring import copying, restoring
from portable.model import plan as p
from portable.model.errors import EngineError, PortableError, Refused, UsageError
from portable.model.gitops import Flux, GitOps
from portable.model.plan import Image
from portable.model.progress import Event
from portable.model.versions import OneWay
from portable.secrets.sources import FileSource
from portable.upkeep import backup
from tests.lab.keeper import script
from tests.unit.live.kubernetes.backing import AT, JobCluster, answers, backing, claim, row

TWO = Reference("apps/v1", "StatefulSet", "media", "two")
ONE = Reference("apps/v1", "StatefulSet", "media", "one")


class Killed(BaseException):
    """Stands in for SIGKILL."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two looks."""
    for name in ("_POLL_SECONDS", "_FINAL_SECONDS"):
        monkeypatch.setattr(backup_run, name, 0.0)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> JobCluster:
    """A cluster that runs Jobs at once."""
    made = JobCluster()
    monkeypatch.setattr(backup_run, "follow_log", made.log)
    return made


@pytest.fixture
def driver(cluster: JobCluster, source: FileSource) -> KubernetesDriver:
    """The stack of `backing`, up."""
    made = KubernetesDriver(cluster, backing(), source)
    made.up(deadline=5)
    cluster.writes.clear()
    return made


def plan_of(driver: KubernetesDriver) -> p.Plan:
    assert driver.stack.plan is not None
    return driver.stack.plan


def replicas(cluster: JobCluster) -> dict[str, int]:
    return {r.name: item["spec"]["replicas"] for r, item in cluster.objects.items() if r.kind == "StatefulSet"}


def fresh(cluster: JobCluster) -> None:
    """The lock of a killed command has expired, and its process is gone."""
    cluster.on_write = lambda _: None
    cluster.leases.clear()
    for reference, item in cluster.objects.items():
        if reference.kind == "Lease" and item["spec"].get("renewTime"):
            item["spec"]["renewTime"] = "2020-01-01T00:00:00Z"


def test_all_apps_are_backed_up_while_they_run_and_nothing_is_left(driver: KubernetesDriver, cluster: JobCluster) -> None:
    before = {*cluster.objects}
    rows = backup.back_up(driver, plan_of(driver))
    assert {(one.app, one.result) for one in rows} == {("pair", "done"), ("two", "done"), ("one", "done")}
    assert [command for command, _ in cluster.ran] == ["backup", "backup"]
    assert {running for _, running in cluster.ran} == {"one two"}
    assert {reference.name for reference in {*cluster.objects} - before} == {"portable-media-test-backup"}  # the Lease
    assert not [write for write in cluster.writes if write.startswith(("merge", "apply", "delete Persistent"))]


def test_named_apps_alone_and_a_list_without_a_lock(driver: KubernetesDriver, cluster: JobCluster) -> None:
    assert [one.app for one in backup.back_up(driver, plan_of(driver), apps=("two",))] == ["two"]
    assert [one.result for one in backup.listed(driver, plan_of(driver), apps=("two",))] == ["sound"]
    assert [command for command, _ in cluster.ran] == ["backup two", "list two"]
    assert "list" not in " ".join(write for write in cluster.writes if "Lease" in write)
    with pytest.raises(UsageError, match="three"):
        backup.back_up(driver, plan_of(driver), apps=("three",))


def test_stopped_for_the_copy_its_whole_pod_is_scaled_to_0_and_runs_again(driver: KubernetesDriver, cluster: JobCluster) -> None:
    services = {r: item["metadata"]["uid"] for r, item in cluster.objects.items() if r.kind in ("Service", "StatefulSet", "NetworkPolicy")}
    (made,) = backup.back_up(driver, plan_of(driver), apps=("two",), stop=True)
    assert made.result == "done"
    assert cluster.ran == [("backup two --stopped", "one")]
    assert replicas(cluster) == {"one": 1, "two": 1}
    assert not cluster.objects[TWO]["metadata"]["annotations"].get(PAUSED)
    assert services == {
        r: item["metadata"]["uid"] for r, item in cluster.objects.items() if r.kind in ("Service", "StatefulSet", "NetworkPolicy")
    }
    assert copying(driver.stack.project) == {}


def test_what_did_not_run_before_a_stopped_copy_does_not_run_after_it(driver: KubernetesDriver, cluster: JobCluster) -> None:
    cluster.merge(TWO, {"spec": {"replicas": 0}})
    backup.back_up(driver, plan_of(driver), apps=("two",), stop=True)
    assert replicas(cluster)["two"] == 0


@pytest.mark.parametrize("failure", ["", "the copy", "the stop"])
def test_an_app_that_was_about_to_start_is_started_after_a_stopped_copy(
    driver: KubernetesDriver, cluster: JobCluster, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    pod = cluster.objects[Reference("v1", "Pod", "media", "two-pod")]
    pod["status"] = {"phase": "Pending", "containerStatuses": [], "conditions": [{"type": "Ready", "status": "False"}]}
    if failure == "the copy":
        cluster.job_pod_status = {"phase": "Failed", "message": "evicted"}
    if failure == "the stop":

        def until(*_: Any) -> None:
            raise ClusterError("slow", "evicted")

        monkeypatch.setattr(pausing, "until", until)
    with pytest.raises(PortableError, match="evicted") if failure else contextlib.nullcontext():
        backup.back_up(driver, plan_of(driver), apps=("two",), stop=True)
    assert replicas(cluster)["two"] == 1
    assert driver.paused_with("two") == set()
    assert copying(driver.stack.project) == {}


def test_a_restore_proves_first_then_stops_swaps_and_starts(driver: KubernetesDriver, cluster: JobCluster) -> None:
    cluster.answer = lambda command, told: (0, [row("two", "staged" if command[2] == "stage" else "done", before=".before-restore-x")])
    done = backup.restore(driver, plan_of(driver), "two", at="2026-11")
    assert (done.result, done.before) == ("done", ".before-restore-x")
    assert cluster.ran == [("stage two --at 2026-11", "one two"), ("swap two", "one")]
    assert replicas(cluster) == {"one": 1, "two": 1}
    assert restoring(driver.stack.project) == {}
    assert not cluster.objects[TWO]["metadata"]["annotations"].get(RESTORING)


def test_a_rehearsal_stops_nothing(driver: KubernetesDriver, cluster: JobCluster) -> None:
    assert backup.restore(driver, plan_of(driver), "two", dry_run=True).result == "done"
    assert cluster.ran == [("check two", "one two")]
    assert not [write for write in cluster.writes if write.startswith("merge")]


def test_what_cannot_be_restored_stops_nothing(driver: KubernetesDriver, cluster: JobCluster) -> None:
    cluster.answer = lambda command, told: (1, [row("two", "failed", notes=["its bytes changed"])])
    done = backup.restore(driver, plan_of(driver), "two")
    assert (done.result, done.code) == ("failed", "restore.failed")
    assert cluster.ran == [("stage two", "one two")]


def test_half_restored_no_machine_starts_the_pod(
    driver: KubernetesDriver, cluster: JobCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(command: Sequence[str], told: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]]]:
        return (1, [row("two", "failed", notes=["no space"])]) if command[2] == "swap" else answers(command, told)

    cluster.answer = half
    assert backup.restore(driver, plan_of(driver), "two").result == "failed"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    for verb in (driver.up, driver.diff):
        with pytest.raises(Refused, match=r"the restore of two \(to 2026") as raised:
            verb(apps=("pair",))
        assert raised.value.code == "up.restore-unfinished"
    driver.up(apps=("one",), deadline=5)  # another pod is not concerned
    assert {one.app: one.reason for one in driver.status() if one.reason} == dict.fromkeys(
        ("two", "pair"), "the restore of two is not finished: `portable restore two` completes it"
    )
    cluster.answer = answers
    assert backup.restore(driver, plan_of(driver), "two").result == "done"
    assert replicas(cluster) == {"one": 1, "two": 1}


def _half_restored_from(driver: KubernetesDriver, cluster: JobCluster, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restore that ends in its second pod; this process then is another machine."""
    failed = (1, [row("two", "failed", notes=["no space"])])
    cluster.answer = lambda command, told: failed if command[2] == "swap" else answers(command, told)
    assert backup.restore(driver, plan_of(driver), "two").result == "failed"
    monkeypatch.setenv("XDG_STATE_HOME", str(machine))
    cluster.answer = answers


@pytest.mark.parametrize("first", ["down", "restore"])
def test_half_restored_without_its_workload_no_machine_starts_it(
    driver: KubernetesDriver, cluster: JobCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    if first == "down":
        driver.down(apps=("two",))
    _half_restored_from(driver, cluster, tmp_path / "another machine", monkeypatch)
    if first == "restore":
        driver.down()
    for verb in (driver.up, driver.diff):
        with pytest.raises(Refused, match=r"the restore of two \(to 2026") as raised:
            verb()
        assert raised.value.code == "up.restore-unfinished"
    driver.up(apps=("one", "backup"), deadline=5)
    assert cluster.running() == "one"
    assert backup.restore(driver, plan_of(driver), "two").result == "done"
    assert cluster.running() == "one two"
    driver.down()
    driver.up(deadline=5)
    assert cluster.running() == "one two"


def test_half_restored_a_workload_is_not_made_anew(
    driver: KubernetesDriver, cluster: JobCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field that cannot change in place makes `up` delete and create the object, which would run at once."""
    _half_restored_from(driver, cluster, tmp_path / "another machine", monkeypatch)

    def preview(item: Mapping[str, Any], **_: Any) -> Any:
        raise ClusterError("invalid", "updates to statefulset spec are forbidden", status=422)

    monkeypatch.setattr(cluster, "preview", preview)
    with pytest.raises(Refused, match=r"the restore of two \(to 2026"):
        driver.up(apps=("two",))
    assert replicas(cluster)["two"] == 0


def test_another_machine_restores_the_same_backup(
    driver: KubernetesDriver, cluster: JobCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _half_restored_from(driver, cluster, tmp_path / "another machine", monkeypatch)
    assert backup.restore(driver, plan_of(driver), "two").result == "done"
    assert [command for command, _ in cluster.ran if command.startswith("stage")] == ["stage two", f"stage two --at {AT}"]


def test_a_restore_that_ended_is_cleared_by_abort_from_another_machine(
    driver: KubernetesDriver, cluster: JobCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its command was killed after the last step in the store, and before the note in the cluster was removed."""
    _half_restored_from(driver, cluster, tmp_path / "another machine", monkeypatch)
    cluster.answer = lambda command, told: (0, [row("two", "not begun")])
    done = backup.abort(driver, plan_of(driver), "two")
    assert (done.result, done.at, "another machine" in done.notes[0]) == ("done", AT, True)
    assert replicas(cluster) == {"one": 1, "two": 1}
    with pytest.raises(UsageError, match="no unfinished restore"):
        backup.abort(driver, plan_of(driver), "two")


def test_a_note_that_was_changed_by_hand_still_keeps_the_pod_down(driver: KubernetesDriver, cluster: JobCluster) -> None:
    driver.stop(apps=("two",), why="restore two")
    for text in ("[1]", "{"):
        cluster.merge(TWO, {"metadata": {"annotations": {RESTORING: text}}})
        with pytest.raises(Refused, match="not finished"):
            driver.up(apps=("two",))


def test_given_up_from_another_machine_the_pod_may_start(
    driver: KubernetesDriver, cluster: JobCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.stop(apps=("two",), why="restore two")
    driver.note_restore("two", AT)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    cluster.answer = lambda command, told: (0, [row("two", "given up" if "--stopped" in command else "half")])
    assert backup.abort(driver, plan_of(driver), "two").result == "given up"
    assert replicas(cluster) == {"one": 1, "two": 1}


@pytest.mark.parametrize("verb", ["backup --stop", "restore"])
@pytest.mark.parametrize("completed_by", ["the same command", "up"])
def test_killed_at_every_write_the_app_runs_again_and_was_never_started_beside_the_work(
    source: FileSource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verb: str, completed_by: str
) -> None:
    def run(driver: KubernetesDriver) -> None:
        if verb == "restore":
            assert backup.restore(driver, plan_of(driver), "two").result == "done"
        else:
            backup.back_up(driver, plan_of(driver), apps=("two",), stop=True)

    def prepared(number: int) -> tuple[JobCluster, KubernetesDriver]:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / str(number)))
        cluster = JobCluster()
        monkeypatch.setattr(backup_run, "follow_log", cluster.log)
        driver = KubernetesDriver(cluster, backing(), source)
        driver.up(deadline=5)
        cluster.writes.clear()
        return cluster, driver

    cluster, driver = prepared(0)
    run(driver)
    total = len(cluster.writes)
    assert total > 8
    for number in range(1, total + 1):
        cluster, driver = prepared(number)
        left = number

        def kill(_: str) -> None:
            nonlocal left
            left -= 1
            if left <= 0:  # nothing that a dead process would still do happens
                raise Killed

        cluster.on_write = kill
        with pytest.raises(Killed):
            run(driver)
        fresh(cluster)
        if completed_by == "up" and verb == "restore" and restoring(driver.stack.project):
            with pytest.raises(Refused, match="is not finished"):
                driver.up(deadline=5)
            run(driver)
        elif completed_by == "up":
            driver.up(deadline=5)
        else:
            run(driver)
        assert replicas(cluster) == {"one": 1, "two": 1}, f"killed at write {number}"
        if completed_by != "up":
            assert cluster.jobs() == []
        assert all(" two" not in f" {running}" for command, running in cluster.ran if "--stopped" in command or "swap" in command)
        driver.up(deadline=5)
        assert not cluster.objects[TWO]["metadata"]["annotations"].get(RESTORING)
        assert (copying(driver.stack.project), restoring(driver.stack.project)) == ({}, {})


def test_another_machine_finishes_what_a_killed_one_left(
    driver: KubernetesDriver, cluster: JobCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.stop(apps=("two",), why="backup --stop two")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
    assert driver.paused_with("pair") == {"two", "pair"}
    assert "stopped for `portable backup --stop two`" in next(one.reason for one in driver.status() if one.app == "two")
    backup.back_up(driver, plan_of(driver), apps=("two",), stop=True)
    assert replicas(cluster)["two"] == 1
    assert driver.paused_with("two") == set()


def test_two_machines_do_not_work_on_one_store(
    driver: KubernetesDriver, cluster: JobCluster, source: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = JobCluster()
    other.objects = cluster.objects
    second = KubernetesDriver(other, driver.stack, source)
    seen: list[str] = []

    def meanwhile(command: Sequence[str], told: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]]]:
        with monkeypatch.context() as there:
            there.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
            with pytest.raises(PortableError, match="is locked by") as raised:
                backup.back_up(second, plan_of(driver), apps=("one",))
            seen.append(raised.value.code)
            with pytest.raises(PortableError, match="is locked by"):
                second.stop(apps=("two",), why="x")
        return answers(command, told)

    cluster.answer = meanwhile
    backup.back_up(driver, plan_of(driver), apps=("two",), stop=True)
    assert seen == ["cluster.locked"]


@pytest.mark.parametrize("verb", ["restore", "backup --stop"])
def test_no_app_is_stopped_while_another_machine_writes_to_the_store(
    driver: KubernetesDriver, cluster: JobCluster, source: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Its backup may begin when the first pod of a restore has ended."""
    other = JobCluster()
    other.objects = cluster.objects
    second = KubernetesDriver(other, driver.stack, source)
    monkeypatch.setattr(backup_run, "follow_log", lambda connection, *more, **settings: connection.log(connection, *more, **settings))
    stopped: list[str] = []
    cluster.on_write = lambda what: stopped.append(what) if what == "merge StatefulSet two" else None

    def meanwhile(command: Sequence[str], told: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]]]:
        begin: dict[str, Callable[[], object]] = {
            "restore": lambda: backup.restore(driver, plan_of(driver), "two"),
            "backup --stop": lambda: backup.back_up(driver, plan_of(driver), apps=("two",), stop=True),
        }
        with monkeypatch.context() as there:
            there.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
            with pytest.raises(PortableError, match="is locked by `portable backup"):
                begin[verb]()
        return answers(command, told)

    other.answer = meanwhile
    if verb == "restore":
        real = backup.run

        def run(inner: Any, plan: p.Plan, command: str, *more: Any, **settings: Any) -> Any:
            if command != "stage":
                return real(inner, plan, command, *more, **settings)
            return (backup.BackupRow(app="two", at=AT, result="staged"),)

        monkeypatch.setattr(backup, "run", run)
    assert [one.result for one in backup.back_up(second, plan_of(driver), apps=("one",))] == ["done"]
    assert (stopped, replicas(cluster)) == ([], {"one": 1, "two": 1})


def test_a_job_that_a_killed_command_left_is_ended_before_its_app_starts(driver: KubernetesDriver, cluster: JobCluster) -> None:
    def leave(command: Sequence[str], told: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]]]:
        cluster.on_write = kill
        return answers(command, told)

    def kill(_: str) -> None:
        raise Killed

    cluster.answer = leave
    with pytest.raises(Killed):
        backup.back_up(driver, plan_of(driver), apps=("two",), stop=True)
    fresh(cluster)
    assert len(cluster.jobs()) == 1
    cluster.writes.clear()
    driver.up(deadline=5)
    order = [write for write in cluster.writes if write.startswith(("delete Job", "apply StatefulSet two"))]
    assert [write.split()[1] for write in order] == ["Job", "StatefulSet"]
    assert cluster.jobs() == []


def test_an_app_that_does_not_run_starts_only_after_the_copy_of_its_disk(
    driver: KubernetesDriver, cluster: JobCluster, source: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Job may be on any node, and a claim on NFS lets a second node in. SQLite's locks do not work between two nodes."""
    driver.down(apps=("one",))
    other = JobCluster()
    other.objects = cluster.objects
    started: list[list[str]] = []
    other.on_write = lambda what: started.append(cluster.jobs()) if what == "apply StatefulSet one" else None

    def meanwhile(command: Sequence[str], told: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]]]:
        with monkeypatch.context() as there:
            there.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
            KubernetesDriver(other, driver.stack, source).up(apps=("one",), deadline=5)
        return answers(command, told)

    cluster.answer = meanwhile
    backup.back_up(driver, plan_of(driver), apps=("one",))
    assert started == [[]]


@pytest.mark.parametrize("stop", [False, True])
def test_a_run_of_the_schedule_is_waited_for_while_the_app_runs(driver: KubernetesDriver, cluster: JobCluster, stop: bool) -> None:
    """A GitOps tool that adds labels to a Job's template keeps the API server from taking those of the pod."""
    job = Reference("batch/v1", "Job", "media", "backup-1")
    owner = {"kind": "CronJob", "name": "backup", "uid": "c"}
    metadata = {"name": "backup-1", "namespace": "media", "uid": "u", "labels": {"team": "media"}, "ownerReferences": [owner]}
    cluster.objects[job] = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "status": {"active": 1}}
    told: list[Event] = []

    def progress(event: Event) -> None:
        told.append(event)
        if "scheduled run backup-1" in event.text:
            assert cluster.ran == []
            assert replicas(cluster) == {"one": 1, "two": 1}
            cluster.objects[job]["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}

    backup.back_up(driver, plan_of(driver), apps=("two",), stop=stop, progress=progress)
    assert cluster.ran
    assert any("scheduled run backup-1" in event.text for event in told)
    assert job in cluster.objects


def test_one_lot_that_fails_keeps_no_other_from_its_turn(driver: KubernetesDriver, cluster: JobCluster) -> None:
    cluster.answer = lambda command, told: (137, []) if "two" in told["apps"] else answers(command, told)
    rows = {one.app: one for one in backup.back_up(driver, plan_of(driver))}
    assert {name: one.result for name, one in rows.items()} == {"pair": "failed", "two": "failed", "one": "done"}
    assert "exit 137" in rows["two"].notes[0]
    with pytest.raises(PortableError, match="exit 137") as raised:
        backup.back_up(driver, plan_of(driver), apps=("two",))
    assert raised.value.code == "backup.ended-early"


def _without_claim(cluster: JobCluster, _: KubernetesDriver) -> None:
    del cluster.objects[Reference("v1", "PersistentVolumeClaim", "media", "one")]


def _without_cron_job(cluster: JobCluster, _: KubernetesDriver) -> None:
    del cluster.objects[Reference("batch/v1", "CronJob", "media", "backup")]


def _with_one_pod_claim(cluster: JobCluster, _: KubernetesDriver) -> None:
    cluster.objects[Reference("v1", "PersistentVolumeClaim", "media", "one")]["spec"]["accessModes"] = ["ReadWriteOncePod"]


def _with_flux(cluster: JobCluster, _: KubernetesDriver) -> None:
    cluster.objects[ONE]["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = "apps"


def _with_gitops(_: JobCluster, driver: KubernetesDriver) -> None:
    gitops = GitOps(path="k8s", controller=Flux())
    plan = msgspec.structs.replace(plan_of(driver), gitops=gitops)
    driver.stack = msgspec.structs.replace(driver.stack, plan=plan)


REFUSED: tuple[tuple[Callable[[JobCluster, KubernetesDriver], None], str, str, bool], ...] = (
    (_without_claim, "backup.no-claim", "claim one does not exist", False),
    (_without_cron_job, "backup.not-running", "does not exist on the cluster", False),
    (_with_one_pod_claim, "backup.no-claim", "ReadWriteOncePod", False),
    (_with_flux, "cluster.other-tool", r"Flux \(apps\)", True),
    (_with_gitops, "cluster.gitops", "GitOps controller", True),
)


@pytest.mark.parametrize(("change", "code", "words", "stop"), REFUSED, ids=lambda value: getattr(value, "__name__", str(value)))
def test_what_cannot_work_is_refused_before_anything_starts(
    driver: KubernetesDriver,
    cluster: JobCluster,
    change: Callable[[JobCluster, KubernetesDriver], None],
    code: str,
    words: str,
    stop: bool,
) -> None:
    change(cluster, driver)
    with pytest.raises(PortableError, match=words) as raised:
        backup.back_up(driver, plan_of(driver), apps=("one",), stop=stop)
    assert raised.value.code == code
    assert raised.value.remedy
    if stop:
        with pytest.raises(PortableError, match=words):
            backup.restore(driver, plan_of(driver), "one")
    assert cluster.writes == []
    assert cluster.ran == []


@pytest.mark.parametrize("change", [_without_claim, _without_cron_job])
def test_no_app_is_stopped_for_a_copy_that_cannot_work(
    driver: KubernetesDriver, cluster: JobCluster, change: Callable[[JobCluster, KubernetesDriver], None]
) -> None:
    change(cluster, driver)
    with pytest.raises(PortableError, match="does not exist"):
        backup.back_up(driver, plan_of(driver), apps=("one",), stop=True)
    assert not [write for write in cluster.writes if "Lease" not in write]


def test_state_in_no_claim_stops_no_app(cluster: JobCluster, source: FileSource) -> None:
    driver = KubernetesDriver(cluster, _stack_with_ephemeral(), source)
    driver.up(deadline=5)
    cluster.writes.clear()
    rows = {one.app: one for one in backup.back_up(driver, plan_of(driver), stop=True)}
    assert {name: one.result for name, one in rows.items()} == {"one": "failed", "two": "done"}
    assert "is not in a claim" in rows["one"].notes[0]
    assert {write for write in cluster.writes if write.startswith("merge")} == {"merge StatefulSet two"}


def test_an_app_that_a_killed_command_stopped_is_started_where_no_copy_can_work(driver: KubernetesDriver, cluster: JobCluster) -> None:
    driver.stop(apps=("one",), why="backup --stop one")
    _without_cron_job(cluster, driver)
    with pytest.raises(PortableError, match="does not exist on the cluster"):
        backup.back_up(driver, plan_of(driver), apps=("one",), stop=True)
    assert replicas(cluster) == {"one": 1, "two": 1}


def test_a_restore_of_a_claim_for_one_pod_says_how(driver: KubernetesDriver, cluster: JobCluster) -> None:
    _with_one_pod_claim(cluster, driver)
    with pytest.raises(Refused, match="ReadWriteOncePod") as raised:
        backup.restore(driver, plan_of(driver), "one")
    assert "`portable down one`" in str(raised.value.remedy)
    driver.down(apps=("one",))
    assert backup.restore(driver, plan_of(driver), "one").result == "done"
    assert replicas(cluster)["one"] == 1


def test_a_claim_for_one_pod_is_copied_while_its_app_is_stopped(driver: KubernetesDriver, cluster: JobCluster) -> None:
    _with_one_pod_claim(cluster, driver)
    (made,) = backup.back_up(driver, plan_of(driver), apps=("one",), stop=True)
    assert (made.result, cluster.ran) == ("done", [("backup one --stopped", "two")])


def test_an_app_on_a_schedule_is_not_stopped(cluster: JobCluster, source: FileSource) -> None:
    driver = KubernetesDriver(cluster, backing(scheduled=("one",)), source)
    driver.up(deadline=5)
    with pytest.raises(Refused, match="schedule"):
        backup.back_up(driver, plan_of(driver), apps=("one",), stop=True)


def _stack_with_ephemeral() -> KubernetesStack:
    volumes = {
        "one": p.Volume(id="one-config", holds="state", place=p.Ephemeral()),
        "two": p.Volume(id="two-config", holds="state", place=claim("two", shared=False)),
    }
    return backing(volumes)


def test_state_in_no_claim_is_a_note_for_all_and_an_error_for_a_name(cluster: JobCluster, source: FileSource) -> None:
    driver = KubernetesDriver(cluster, _stack_with_ephemeral(), source)
    driver.up(deadline=5)
    rows = {one.app: one.result for one in backup.back_up(driver, plan_of(driver))}
    assert rows == {"one": "left out", "two": "done"}
    with pytest.raises(Refused, match="is not in a claim"):
        backup.back_up(driver, plan_of(driver), apps=("one",))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": "no node has the disk"}]},
            "no node has the disk",
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [
                    {"name": "init-dirs", "state": {"waiting": {"reason": "InvalidImageName", "message": "bad name"}}}
                ],
            },
            "bad name",
        ),
    ],
)
def test_a_pod_that_cannot_start_says_why_and_is_removed(
    driver: KubernetesDriver, cluster: JobCluster, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(backup_run, "_START_SECONDS", 0.2)
    monkeypatch.setattr(backup_run, "_POLL_SECONDS", 0.01)
    cluster.job_pod_status = status
    told: list[Event] = []
    with pytest.raises(EngineError, match=words) as raised:
        backup.back_up(driver, plan_of(driver), apps=("two",), progress=told.append)
    assert raised.value.code == "backup.no-pod"
    assert cluster.jobs() == []


def test_a_pod_whose_log_is_lost_is_no_success(driver: KubernetesDriver, cluster: JobCluster) -> None:
    """A node that has removed the container answers with a sentence in place of its log."""
    cluster.answer = lambda command, told: (0, []) if "two" in told["apps"] else answers(command, told)
    for named in (functools.partial(backup.back_up, apps=("two",)), functools.partial(backup.check, apps=("two",))):
        with pytest.raises(EngineError, match="no result for two") as raised:
            named(driver, plan_of(driver))
        assert raised.value.code == "backup.ended-early"
    with pytest.raises(EngineError, match="no result for two"):
        backup.restore(driver, plan_of(driver), "two")
    rows = {one.app: one.result for one in backup.back_up(driver, plan_of(driver))}
    assert rows == {"pair": "failed", "two": "failed", "one": "done"}
    assert backup.check(driver, plan_of(driver)) == ()  # no app has a backup yet
    assert backup.listed(driver, plan_of(driver)) == ()


def test_a_pod_that_is_refused_says_why(driver: KubernetesDriver, cluster: JobCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cluster.list

    def run(files: Reference) -> None:
        refused = {"reason": "FailedCreate", "message": "violates PodSecurity", "involvedObject": {"name": files.name}}
        events = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "media"}, **refused}
        cluster.objects[Reference("v1", "Event", "media", "e")] = events

    monkeypatch.setattr(cluster, "_run", run)
    with pytest.raises(EngineError, match="violates PodSecurity"):
        backup.back_up(driver, plan_of(driver), apps=("two",))
    assert cluster.jobs() == []
    assert list(real("batch/v1", "Job")) == []


def test_a_connection_that_breaks_is_taken_up_again_and_no_line_is_lost_or_told_twice(
    driver: KubernetesDriver, cluster: JobCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.answer = lambda command, told: (0, [row("two", "done", files=number) for number in range(5)])
    breaks = [2, 2, 4]

    def log(connection: Any, namespace: str, pod: str, container: str, **more: Any) -> Iterator[str]:
        for number, line in enumerate(cluster.log(connection, namespace, pod, container, **more)):
            if breaks and number == breaks[0]:
                del breaks[0]
                raise ClusterError("gone", "the connection broke")
            yield line

    monkeypatch.setattr(backup_run, "follow_log", log)
    rows = backup.back_up(driver, plan_of(driver), apps=("two",))
    assert [one.files for one in rows] == [0, 1, 2, 3, 4]


def test_an_api_server_that_is_away_for_a_while_ends_no_backup(
    driver: KubernetesDriver, cluster: JobCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A control plane with one node is away for half a minute while it is updated; the program goes on meanwhile."""
    failures = ["list", "list", "get", "get"]

    def fails(verb: str, what: str) -> None:
        if failures and cluster.ran and verb == failures[0] and "Pod" in what:
            del failures[0]
            raise ClusterError("absent", "connection refused")

    real_get, real_list = cluster.get, cluster.list

    def get(reference: Reference) -> Any:
        fails("get", reference.kind)
        return real_get(reference)

    def list_(api_version: str, kind: str, **more: Any) -> Iterator[Any]:
        fails("list", kind)
        return real_list(api_version, kind, **more)

    monkeypatch.setattr(cluster, "get", get)
    monkeypatch.setattr(cluster, "list", list_)
    assert [one.result for one in backup.back_up(driver, plan_of(driver), apps=("two",))] == ["done"]
    assert failures == []


def test_an_answer_that_is_lost_makes_no_second_job(driver: KubernetesDriver, cluster: JobCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection sends a request again after a broken one, and then meets its own object."""
    real = cluster.create

    def create(item: Mapping[str, Any]) -> Any:
        made = real(item)
        if item["kind"] == "Lease":
            return made
        raise ClusterError("conflict", "it already exists", status=409)

    monkeypatch.setattr(cluster, "create", create)
    assert [one.result for one in backup.back_up(driver, plan_of(driver), apps=("two",))] == ["done"]
    assert len(cluster.ran) == 1
    assert cluster.jobs() == []


@pytest.mark.parametrize("verb", ["list", "log"])
def test_a_permission_that_is_missing_is_told_at_once(
    driver: KubernetesDriver, cluster: JobCluster, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    real = cluster.list

    def refused(*kind: Any, **more: Any) -> Iterator[Any]:
        if verb == "log" or (cluster.ran and "labels" in more and "job-name" in more["labels"] and cluster.jobs()):
            raise ClusterError("refused", "pods are forbidden", status=403)
        return real(*kind, **more)

    if verb == "log":
        monkeypatch.setattr(backup_run, "follow_log", refused)
    else:
        monkeypatch.setattr(cluster, "list", refused)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    with pytest.raises(ClusterError, match="forbidden"):
        backup.back_up(driver, plan_of(driver), apps=("two",))
    assert cluster.jobs() == []


def test_a_log_that_cannot_be_read_at_the_end_is_asked_for_with_pauses(
    driver: KubernetesDriver, cluster: JobCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(backup_run, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(backup_run, "_LOST_SECONDS", 0.1)
    real = time.sleep

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        real(seconds)

    monkeypatch.setattr(time, "sleep", sleep)

    def log(*_: Any, **__: Any) -> Iterator[str]:
        raise ClusterError("busy", "the node does not answer")

    monkeypatch.setattr(backup_run, "follow_log", log)
    with pytest.raises(ClusterError, match="does not answer"):
        backup.back_up(driver, plan_of(driver), apps=("two",))
    assert pauses
    assert 0 not in pauses


def test_out_of_memory_is_named(driver: KubernetesDriver, cluster: JobCluster) -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    cluster.job_pod_status = {"phase": "Failed", "containerStatuses": [{"name": "backup", "state": ended}]}
    cluster.answer = lambda command, told: (137, [])
    with pytest.raises(PortableError, match="too little memory"):
        backup.back_up(driver, plan_of(driver), apps=("two",))


def test_nothing_of_a_backup_is_written_over_what_another_tool_owns(driver: KubernetesDriver, cluster: JobCluster) -> None:
    """A live backup writes nothing but its own Job, so it may run beside a GitOps controller."""
    _with_flux(cluster, driver)
    (made,) = backup.back_up(driver, plan_of(driver), apps=("one",))
    assert made.result == "done"
    assert json.loads(json.dumps(cluster.bodies[0]["told"]))["apps"].keys() == {"one"}


def _mapped(folder: Path, command: Sequence[str], told: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """The real program, on folders of this machine in the place of claims."""
    apps = {
        name: {**facts, "volumes": {v: {**of, "at": f"{folder}{of['at']}"} for v, of in facts["volumes"].items()}}
        for name, facts in told["apps"].items()
    }
    config = folder / "told.json"
    config.write_text(json.dumps({**told, "store": f"{folder}{told['store']}", "apps": apps}))
    done = subprocess.run(
        [sys.executable, str(script()), *command[2:], "--config", str(config)], capture_output=True, check=False, text=True
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_a_backup_made_on_compose_is_restored_on_a_cluster(driver: KubernetesDriver, cluster: JobCluster, tmp_path: Path) -> None:
    """One program and one form: the store is copied to the claim, and `restore` finds it. The new state is kept beside."""
    (tmp_path / "backups").mkdir()
    old, new = tmp_path / "compose" / "two-db", tmp_path / "state" / "two-db"
    for folder, text in ((old, "from compose"), (new, "from the cluster")):
        folder.mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(folder / "two.db")) as opened, opened:
            opened.execute("create table told (text text)")
            opened.execute("insert into told values (?)", (text,))
    volumes = {"db": {"at": str(old), "copied": "running"}}
    config = tmp_path / "compose.json"
    config.write_text(
        json.dumps({"store": f"{tmp_path}/backups", "keep": {"last": 3}, "apps": {"two": {"image": "x:1", "volumes": volumes}}})
    )
    subprocess.run([sys.executable, str(script()), "backup", "two", "--config", str(config)], check=True, capture_output=True)
    cluster.answer = functools.partial(_mapped, tmp_path)
    done = backup.restore(driver, plan_of(driver), "two")
    assert (done.result, done.databases) == ("done", 1), done
    with contextlib.closing(sqlite3.connect(new / "two.db")) as opened:
        assert opened.execute("select text from told").fetchall() == [("from compose",)]
    with contextlib.closing(sqlite3.connect(new / done.before / "two.db")) as opened:
        assert opened.execute("select text from told").fetchall() == [("from the cluster",)]
    assert replicas(cluster) == {"one": 1, "two": 1}


def test_a_database_on_a_share_is_left_out_of_a_live_backup_and_copied_with_stop(
    driver: KubernetesDriver, cluster: JobCluster, tmp_path: Path
) -> None:
    for name in ("backups", "state/one-config", "state/two-db", "state/pair-config"):
        (tmp_path / name).mkdir(parents=True)
    cluster.answer = functools.partial(_mapped, tmp_path)
    rows = {one.app: one.result for one in backup.back_up(driver, plan_of(driver))}
    assert rows == {"one": "done", "two": "left out", "pair": "done"}
    (named,) = backup.back_up(driver, plan_of(driver), apps=("two",))
    assert (named.result, "portable backup --stop two" in named.notes[0]) == ("failed", True)
    (stopped,) = backup.back_up(driver, plan_of(driver), apps=("two",), stop=True)
    assert stopped.result == "done"
    assert [one.at for one in backup.listed(driver, plan_of(driver), apps=("two",))] == [stopped.at]


def test_what_keeps_up_from_a_pending_change_keeps_no_stopped_app_down(driver: KubernetesDriver, cluster: JobCluster) -> None:
    """The profile has a newer version without a way back, for which a person makes this backup first."""
    one_way = {"two": (OneWay(version="2", source="two/two#1"),)}
    plan = plan_of(driver)
    image = Image(repository="registry.test/app", tag="2.0")
    apps = tuple(
        msgspec.structs.replace(app, containers=tuple(msgspec.structs.replace(one, image=image) for one in app.containers))
        if app.name == "two"
        else app
        for app in plan.apps
    )
    plan = msgspec.structs.replace(plan, apps=apps)
    rendered = stack_of(plan, back_end("kubernetes").render(plan))
    driver.stack = msgspec.structs.replace(rendered, backed_up=driver.stack.backed_up, one_way=one_way)
    with pytest.raises(Refused, match=r"to 2\.0"):
        driver.up(apps=("two",))
    (made,) = backup.back_up(driver, plan, apps=("two",), stop=True)
    assert made.result == "done"
    assert replicas(cluster) == {"one": 1, "two": 1}
    assert cluster.objects[TWO]["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.test/app:1.0"
