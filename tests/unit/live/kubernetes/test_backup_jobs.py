"""The Jobs of backups on clusters: what their pods mount, where they run, and what the program is told."""

import json
from typing import Any

import pytest

from portable.live.kubernetes.backup_jobs import BackupLot, BackupRequest, bodies_of, claims_of, covered_apps, lots_of, unmountable
from portable.model import plan as p
from tests.unit.live.kubernetes.backing import PROGRAM, backing, claim

NODES = {"one": "node1", "two": "node2", "pair": "node2"}


def asked(verb: str, *apps: str, options: tuple[str, ...] = ()) -> BackupRequest:
    return BackupRequest(runner="backup", verb=verb, apps=apps, options=options)


def mounts(job: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """What the program's container mounts: the claim and the folder in it, by path."""
    pod = job["spec"]["template"]["spec"]
    claims = {v["name"]: v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v}
    (container,) = pod["containers"]
    return {m["mountPath"]: (claims[m["name"]], m.get("subPath", "")) for m in container["volumeMounts"] if m["name"] in claims}


def test_apps_on_a_share_are_one_lot_and_a_disk_is_one_by_itself_on_its_node() -> None:
    stack = backing()
    assert covered_apps(stack) == ("one", "pair", "two")
    assert lots_of(stack, asked("backup"), NODES) == (BackupLot(apps=("pair", "two")), BackupLot(apps=("one",), node="node1"))
    assert lots_of(stack, asked("swap", "one"), {}) == (BackupLot(apps=("one",), is_idle=True),)
    assert lots_of(stack, asked("stage", "two"), NODES) == (BackupLot(apps=("two",)),)


@pytest.mark.parametrize("verb", ["list", "check"])
def test_what_only_reads_the_store_is_one_pod_on_any_node_without_state(verb: str) -> None:
    stack = backing()
    (lot,) = lots_of(stack, asked(verb), NODES)
    job, _ = bodies_of(stack, asked(verb), lot, "x")
    assert (lot.apps, lot.node) == (("one", "pair", "two"), "")
    assert mounts(job) == {"/backups": ("share", "backups")}


def test_a_pod_mounts_the_store_and_the_state_of_its_apps_and_nothing_else() -> None:
    stack = backing()
    job, files = bodies_of(stack, asked("backup", "two"), BackupLot(apps=("two",)), "x")
    assert mounts(job) == {"/backups": ("share", "backups"), "/state/two-db": ("share", "config/two")}
    job, files = bodies_of(stack, asked("backup", "one"), BackupLot(apps=("one",), node="node1"), "x")
    assert mounts(job) == {"/backups": ("share", "backups"), "/state/one-config": ("one", "")}
    assert files["data"]["backup-py"] == PROGRAM
    assert "fsGroup" not in job["spec"]["template"]["spec"]["securityContext"]  # the kubelet would change the group of the share's files
    assert claims_of(stack, ("one",)) == ("one", "share")


def test_a_disk_is_mounted_on_the_node_that_has_it() -> None:
    stack = backing()
    job, _ = bodies_of(stack, asked("backup", "one"), BackupLot(apps=("one",), node="node1"), "x")
    (term,) = job["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node1"]}]}
    job, _ = bodies_of(stack, asked("swap", "one"), BackupLot(apps=("one",)), "x")
    assert "affinity" not in job["spec"]["template"]["spec"]


def test_a_database_on_a_share_is_copied_only_while_its_app_is_stopped() -> None:
    """Another node does not see its locks. One on a disk is copied by a pod of the same node, as on Compose."""
    stack = backing()
    _, files = bodies_of(stack, asked("backup"), BackupLot(apps=("one", "pair", "two")), "x")
    told = json.loads(files["data"]["backup-json"])
    copied = {app: {name: v["copied"] for name, v in facts["volumes"].items()} for app, facts in told["apps"].items()}
    assert copied == {"one": {"config": "running"}, "two": {"db": "stopped"}, "pair": {"config": "running"}}
    assert (told["store"], told["keep"], told["apps"]["one"]["image"]) == ("/backups", {"last": 3}, "registry.test/app:1.0")
    _, files = bodies_of(backing(copied={"one": "stopped"}), asked("backup"), BackupLot(apps=("one",)), "x")
    assert '"copied": "stopped"' in files["data"]["backup-json"]


def test_the_command_has_names_only_where_a_person_gave_some() -> None:
    """A named app whose state cannot be copied while it runs is a failure; among all of them it is a note."""
    stack, lot = backing(), BackupLot(apps=("two",))
    for request, command in (
        (asked("backup", "one", "two"), ["backup", "two", "--json"]),
        (asked("backup"), ["backup", "--json"]),
        (asked("stage", "two", options=("--at", "2026")), ["stage", "two", "--at", "2026", "--json"]),
    ):
        job, _ = bodies_of(stack, request, lot, "x")
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["command"] == ["python3", "/upkeep/backup.py", *command]


def test_a_job_ends_and_goes_by_itself_has_the_labels_of_the_stack_and_no_secret() -> None:
    stack = backing()
    job, files = bodies_of(stack, asked("swap", "two"), BackupLot(apps=("two",)), "abc")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert (spec["backoffLimit"], pod["restartPolicy"], pod["automountServiceAccountToken"]) == (0, "Never", False)
    assert spec["activeDeadlineSeconds"] > 3600
    assert spec["ttlSecondsAfterFinished"] > 0
    assert stack.labels.items() <= job["metadata"]["labels"].items()
    assert spec["template"]["metadata"]["labels"]["portable/group"] == "backup"  # the fence of the app that makes backups
    assert job["metadata"]["name"] == files["metadata"]["name"] == "backup-swap-abc"
    assert not [volume for volume in pod["volumes"] if "secret" in volume]


@pytest.mark.parametrize(
    ("verb", "options", "is_stopped"), [("backup", (), False), ("backup", ("--stopped",), True), ("swap", (), True), ("stage", (), False)]
)
def test_a_job_names_the_apps_that_must_stay_stopped(verb: str, options: tuple[str, ...], is_stopped: bool) -> None:
    job, _ = bodies_of(backing(), asked(verb, "two", options=options), BackupLot(apps=("two",)), "x")
    assert job["metadata"].get("annotations") == ({"portable/stopped-apps": "two"} if is_stopped else None)


def test_state_outside_of_claims_is_known_as_such() -> None:
    volumes = {
        "one": p.Volume(id="one-config", holds="state", place=p.Ephemeral()),
        "two": p.Volume(id="two-config", holds="state", place=claim("two", shared=False)),
    }
    assert unmountable(backing(volumes), ("one", "two")) == ("one",)


def test_what_a_profile_patches_in_the_cron_job_holds_for_jobs_by_hand() -> None:
    stack = backing()
    for document in stack.documents:
        if document.body["kind"] == "CronJob":
            pod = document.body["spec"]["jobTemplate"]["spec"]["template"]["spec"]
            pod["imagePullSecrets"] = [{"name": "registry"}]
            pod["containers"][0]["image"] = "registry.home/python:3"
    job, _ = bodies_of(stack, asked("backup", "two"), BackupLot(apps=("two",)), "x")
    pod = job["spec"]["template"]["spec"]
    assert (pod["imagePullSecrets"], pod["containers"][0]["image"]) == ([{"name": "registry"}], "registry.home/python:3")
