"""Scheduled apps on a cluster that `upkeep` runs now: a Job from the CronJob, its log, and nothing of it afterwards."""

import msgspec
import pytest

from portable.engines.kubernetes.cluster import Reference
from portable.engines.kubernetes.verdict import KubernetesObject
from portable.live.kubernetes import backup_run
from portable.live.kubernetes.driver import KubernetesDriver
from portable.live.kubernetes.scheduled_run import job_from
from portable.local.records import BackupRecord, ImageRecord, read_record
from portable.model import plan as p
from portable.model.errors import EngineError, PortableError
from portable.model.registry import Offered
from portable.secrets.sources import FileSource
from portable.upkeep.backup import BackupRow
from portable.upkeep.tasks import TaskResult, upkeep
from tests import factories
from tests.unit.live.kubernetes.backing import AT, backing
from tests.unit.live.kubernetes.fake_cluster import MOMENT
from tests.unit.live.kubernetes.updating import UpdateCluster

OWN = {name: p.Volume(id=f"{name}-config", holds="state", place=factories.claim(name=name, shared=False)) for name in ("one", "capacity")}
CRON = Reference("batch/v1", "CronJob", "media", "capacity")


class SpeakingCluster(UpdateCluster):
    """The pods of Jobs write a line, and end with an exit code."""

    code = 0

    def end_run(self, job: KubernetesObject) -> None:
        super().end_run(job)
        name = f"{job['metadata']['name']}-x"
        self.lines[name] = [f"{MOMENT} /data is 81 % full", f"{MOMENT} canary-7d21f0c4"]
        status = self.objects[Reference("v1", "Pod", "media", name)]["status"]
        status["containerStatuses"][0]["state"] = {"terminated": {"exitCode": self.code}}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> SpeakingCluster:
    """A cluster that runs Jobs at once."""
    for name in ("_POLL_SECONDS", "_FINAL_SECONDS"):
        monkeypatch.setattr(backup_run, name, 0.0)
    made = SpeakingCluster()
    monkeypatch.setattr(backup_run, "follow_log", made.log)
    return made


@pytest.fixture
def driver(cluster: SpeakingCluster, source: FileSource) -> KubernetesDriver:
    """A stack with a scheduled app, up."""
    made = KubernetesDriver(cluster, backing(OWN, scheduled=("capacity",)), source)
    made.up(deadline=5)
    return made


def written() -> TaskResult:
    """A page that is written."""
    return TaskResult(task="page", subject="page.html", result="done")


def results(driver: KubernetesDriver, *tasks: str) -> dict[str, TaskResult]:
    """The results of `portable upkeep`, by task."""
    assert driver.stack.plan is not None
    return {done.task: done for done in upkeep(driver, driver.stack.plan, tasks, write_page=written)}


def test_every_task_has_a_result_and_what_a_cluster_lacks_is_one_line(
    driver: KubernetesDriver, cluster: SpeakingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KubernetesDriver, "offered", lambda *_: Offered(why="unknown"))
    done = results(driver)
    assert {task: result.result for task, result in done.items() if task != "images"} == {
        "backup": "done",
        "links": "not here",
        "downloads": "not here",
        "capacity": "done",
        "scrub": "not here",
        "page": "done",
    }
    assert "disks of a cluster" in done["scrub"].text
    assert done["capacity"].lines[0] == "/data is 81 % full"
    assert cluster.jobs() == []
    assert read_record(driver.stack.project, ImageRecord).at
    assert driver.diff() == ()


def test_a_run_that_fails_is_told_with_its_exit_code_and_output(driver: KubernetesDriver, cluster: SpeakingCluster) -> None:
    cluster.code = 3
    found = results(driver, "capacity")["capacity"]
    assert (found.result, found.text, found.lines[0]) == ("failed", "exit 3", "/data is 81 % full")


def test_the_job_is_that_of_the_cronjob_and_its_pod_keeps_the_fence_of_the_app(cluster: SpeakingCluster, driver: KubernetesDriver) -> None:
    live = cluster.objects[CRON]
    live["spec"]["jobTemplate"]["spec"]["template"]["spec"]["nodeSelector"] = {"patched": "by hand"}
    body = job_from(live, "x")
    assert body["spec"]["template"] == live["spec"]["jobTemplate"]["spec"]["template"]
    assert body["spec"]["template"]["metadata"]["labels"]["portable/group"] == "capacity"
    assert (body["metadata"]["name"], body["metadata"]["labels"]["portable/job"]) == ("capacity-run-x", "run")
    assert body["spec"]["ttlSecondsAfterFinished"] > 0


def test_one_that_was_left_by_a_killed_command_is_ended_first(cluster: SpeakingCluster, driver: KubernetesDriver) -> None:
    cluster.create(job_from(cluster.objects[CRON], "old"))
    cluster.create(job_from({**cluster.objects[CRON], "metadata": {**cluster.objects[CRON]["metadata"], "name": "other"}}, "old"))
    assert driver.run_scheduled("capacity", (), lambda _: None) == 0
    assert cluster.jobs() == ["other-run-old"], "the one of another app stays"


def test_an_app_without_its_cronjob_and_one_whose_pod_cannot_start(driver: KubernetesDriver, cluster: SpeakingCluster) -> None:
    with pytest.raises(PortableError, match="the CronJob of one does not exist") as raised:
        driver.run_scheduled("one", (), lambda _: None)
    assert raised.value.code == "up.not-running"
    del cluster.objects[CRON]
    found = results(driver, "capacity")["capacity"]
    assert (found.subject, found.result) == ("capacity", "failed")
    assert found.text.endswith("start it with `portable up capacity` [up.not-running]")
    driver.up(deadline=5)
    end_run = cluster.end_run

    def cannot_pull(job: KubernetesObject) -> None:
        end_run(job)
        waits = {"waiting": {"reason": "InvalidImageName", "message": "x"}}
        pod = cluster.objects[Reference("v1", "Pod", "media", f"{job['metadata']['name']}-x")]
        pod["spec"] = {**pod["spec"], "initContainers": []}
        pod["status"] = {"phase": "Pending", "containerStatuses": [{"name": pod["spec"]["containers"][0]["name"], "state": waits}]}

    cluster.end_run = cannot_pull  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="the pod of capacity cannot start") as failed:
        driver.run_scheduled("capacity", (), lambda _: None)
    assert failed.value.code == "schedule.no-pod"
    assert cluster.jobs() == []


def test_state_of_the_record_is_that_of_the_backup(driver: KubernetesDriver, cluster: SpeakingCluster) -> None:
    """The page of a cluster reads this record, since it starts no pod."""
    results(driver, "backup")
    stored = read_record(driver.stack.project, BackupRecord).apps
    assert {app: [row["result"] for row in of.rows] for app, of in stored.items()} == {"capacity": ["sound"], "one": ["sound"]}
    assert msgspec.convert(stored["one"].rows[0], BackupRow).at == AT
