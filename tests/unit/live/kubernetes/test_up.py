"""`up`, `diff`, `down`, `restart` and `status` on a cluster in memory; each failure of a write, and each kill, is completed by the next."""

from pathlib import Path

import msgspec
import pytest

from portable.engines.kubernetes.cluster import Reference
from portable.engines.kubernetes.errors import ClusterError
from portable.live.kubernetes import look
from portable.live.kubernetes.driver import KubernetesDriver
from portable.live.kubernetes.inventory import inventory_reference, read_inventory
from portable.live.kubernetes.order import KEPT
from portable.live.kubernetes.owners import other_tool
from portable.live.kubernetes.waiting import AppsNotReady, UnhealthyApps
from portable.model.errors import EngineError, Refused, UsageError
from portable.model.progress import Event
from portable.secrets.sources import FileSource
from tests.unit.live.kubernetes.conftest import TOKEN, grouped, made, secrets_file
from tests.unit.live.kubernetes.fake_cluster import FakeCluster


class Killed(BaseException):
    """Stands in for SIGKILL."""


def test_diff_foretells_up_and_a_second_up_writes_nothing(source: FileSource) -> None:
    cluster = FakeCluster()
    driver = KubernetesDriver(cluster, made(), source)
    foretold = driver.diff()
    assert cluster.writes == []
    outcome = driver.up(deadline=5)
    assert outcome.changes == foretold
    assert {(c.kind, c.service) for c in foretold if c.app} == {("create", "one"), ("create", "two")}
    count = len(cluster.writes)
    assert driver.up(deadline=5).changes == driver.diff() == ()
    assert len(cluster.writes) == count


def test_fences_come_before_pods_and_go_after_them(source: FileSource) -> None:
    cluster = FakeCluster()
    driver = KubernetesDriver(cluster, made(), source)
    driver.up(deadline=5)
    order = [write.removeprefix("apply ").partition(" ")[0] for write in cluster.writes if write.startswith("apply ")]
    assert max(i for i, kind in enumerate(order) if kind == "NetworkPolicy") < order.index("StatefulSet")
    assert max(i for i, kind in enumerate(order) if kind in ("Secret", "PersistentVolumeClaim")) < order.index("StatefulSet")
    driver.down()
    gone = [write.removeprefix("delete ").partition(" ")[0] for write in cluster.writes if write.startswith("delete ")]
    assert gone[:2] == ["StatefulSet", "StatefulSet"]
    assert gone[-1] == "NetworkPolicy"
    assert not set(gone) & KEPT
    assert driver.down() == ()


def _kinds(cluster: FakeCluster) -> dict[Reference, str]:
    return {reference: item["metadata"]["uid"] for reference, item in cluster.objects.items() if reference.kind in KEPT}


@pytest.mark.parametrize("verb", ["up", "change", "prune", "down"])
def test_a_kill_at_every_write_is_completed_by_the_same_command(source: FileSource, verb: str) -> None:
    def run(driver: KubernetesDriver) -> None:
        if verb == "down":
            driver.down()
        else:
            driver.up(deadline=5)

    def prepared() -> tuple[FakeCluster, KubernetesDriver]:
        cluster = FakeCluster()
        driver = KubernetesDriver(cluster, made(), source)
        if verb != "up":
            driver.up(deadline=5)
        if verb == "change":
            cluster.objects[Reference("apps/v1", "StatefulSet", "media", "one")]["spec"]["replicas"] = 0
            del cluster.objects[Reference("v1", "Service", "media", "two")]
        return cluster, driver.rebound(made("one"), source) if verb == "prune" else driver

    cluster, driver = prepared()
    before = len(cluster.writes)
    run(driver)
    total, wanted = len(cluster.writes) - before, {*cluster.objects}
    assert total > 3
    for number in range(1, total + 1):
        cluster, driver = prepared()
        left = number

        def kill(_: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed

        kept = _kinds(cluster)
        cluster.on_write = kill
        with pytest.raises(Killed):
            run(driver)
        cluster.on_write = lambda _: None
        lease = cluster.objects.get(Reference("coordination.k8s.io/v1", "Lease", "media", "portable-media-test"))
        if lease is not None:
            lease["spec"]["renewTime"] = "2020-01-01T00:00:00Z"
        run(driver)
        assert {*cluster.objects} == wanted, f"killed at write {number}"
        assert kept.items() <= _kinds(cluster).items()
        inventory = read_inventory(cluster.objects.get(inventory_reference(driver.stack)))
        assert all(cluster.objects[entry.reference]["metadata"]["uid"] == entry.uid for entry in inventory)


def test_a_write_that_fails_is_raised_and_never_told_as_done(source: FileSource) -> None:
    cluster = FakeCluster()

    def fail(what: str) -> None:
        if what.startswith("apply StatefulSet two"):
            raise ClusterError("failed", "it broke", status=500)

    cluster.on_write = fail
    driver = KubernetesDriver(cluster, made(), source)
    events: list[Event] = []
    with pytest.raises(ClusterError, match="it broke"):
        driver.up(deadline=5, progress=events.append)
    assert not [event for event in events if event.what == "done"]


def test_what_left_the_stack_is_pruned_but_for_data(source: FileSource) -> None:
    cluster = FakeCluster()
    driver = KubernetesDriver(cluster, made(), source)
    driver.up(deadline=5)
    less = driver.rebound(made("one"), source)
    assert [(row.app, row.state) for row in less.status()] == [("one", "running"), ("two", "orphan")]
    changes = less.up(deadline=5).changes
    assert [(change.kind, change.service) for change in changes] == [("remove", "two")]
    left = {(reference.kind, reference.name) for reference in cluster.objects}
    assert {("PersistentVolumeClaim", "two-state"), ("Secret", "token")} <= left
    assert not {("StatefulSet", "two"), ("Service", "two"), ("ConfigMap", "two-files"), ("NetworkPolicy", "two")} & left


def test_apps_of_one_pod_come_and_go_together(source: FileSource) -> None:
    cluster = FakeCluster()
    driver = KubernetesDriver(cluster, grouped(), source)
    assert driver.apps() == ("lone", "one", "two")
    assert {change.service for change in driver.up(apps=("one",), deadline=5).changes if change.app} == {"one", "two"}
    assert driver.state_of("lone") == "missing"
    driver.up(apps=("lone",), deadline=5)
    assert driver.running_with("two") == {"one", "two"}
    restarted = driver.restart(apps=("one",), deadline=5).changes
    assert {(change.kind, change.service) for change in restarted} == {("restart", "one"), ("restart", "two")}
    assert driver.diff() == ()
    removed = driver.down(apps=("one",))
    assert {change.service: change.cause for change in removed}["two"] == "asked for, with one, whose pod it shares; its data stays"
    assert driver.state_of("lone") == "running"


def test_restart_needs_what_is_there(source: FileSource) -> None:
    driver = KubernetesDriver(FakeCluster(), made(), source)
    with pytest.raises(EngineError, match="not created yet: one, two"):
        driver.restart()


def test_missing_kinds_and_values_are_told_before_any_write(source: FileSource, tmp_path: Path) -> None:
    cluster = FakeCluster(missing=("NetworkPolicy",))
    with pytest.raises(Refused, match="does not have the kind NetworkPolicy") as refused:
        KubernetesDriver(cluster, made(), source).up()
    assert "2 problems" in refused.value.text
    with pytest.raises(UsageError, match="token"):
        KubernetesDriver(cluster, made(), FileSource(path=str(tmp_path / "absent.yaml"))).up()
    assert cluster.writes == []


def test_a_rotated_value_restarts_only_who_uses_it(source: FileSource, tmp_path: Path) -> None:
    cluster = FakeCluster()
    driver = KubernetesDriver(cluster, made(), source)
    driver.up(deadline=5)
    (tmp_path / "new").mkdir()
    changes = driver.rebound(driver.stack, secrets_file(tmp_path / "new", "canary-other")).diff()
    assert {(change.kind, change.service) for change in changes} == {("restart", "two"), ("change", "Secret token")}
    assert TOKEN not in str(changes)
    assert TOKEN not in str({reference: item for reference, item in cluster.objects.items() if reference.kind != "Secret"})


def test_an_app_that_is_not_ready_in_time_is_named(source: FileSource) -> None:
    cluster = FakeCluster()
    cluster.pods_are_ready = False
    driver = KubernetesDriver(cluster, made("one"), source)
    with pytest.raises(AppsNotReady, match="not ready within 0 s: one: one: its readiness probe") as failed:
        driver.up(deadline=0.05)
    assert failed.value.apps == {"one"}
    assert [(row.state, row.health) for row in driver.status()] == [("running", "starting")]


@pytest.mark.parametrize("has_started", [False, True])
def test_only_programs_that_started_are_unhealthy_after_the_longest_wait(
    source: FileSource, monkeypatch: pytest.MonkeyPatch, has_started: bool
) -> None:
    """`update` rolls back unhealthy apps: a migration that a startup probe waits for, or a person's own deadline, must not do that."""
    monkeypatch.setattr("portable.live.kubernetes.waiting._DEADLINE_SECONDS", 0.05)
    cluster = FakeCluster()
    cluster.pods_are_ready, cluster.has_started = False, has_started
    driver = KubernetesDriver(cluster, made("one"), source)
    for deadline, is_unhealthy in ((None, has_started), (0.05, False)):
        with pytest.raises(AppsNotReady, match="not ready within 0 s: one") as failed:
            driver.up(deadline=deadline)
        assert isinstance(failed.value, UnhealthyApps) is is_unhealthy


def test_an_administrators_objects_are_left_to_one(source: FileSource) -> None:
    def forbidden(verb: str, reference: Reference) -> bool:
        return not reference.namespace and verb == "patch"

    cluster = FakeCluster(forbidden=forbidden)
    driver = KubernetesDriver(cluster, made(), source)
    with pytest.raises(Refused, match="Namespace media does not exist, and you may not create it") as refused:
        driver.up()
    assert "kubectl apply --server-side -k k8s/test/administrator" in str(refused.value)
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "media"}})
    events: list[Event] = []
    driver.up(deadline=5, progress=events.append)
    notes = [event.text for event in events if event.what == "note"]
    assert len(notes) == 1
    assert "Namespace media differs from administrator/namespace.yaml" in notes[0]


def test_what_clusters_do_not_support_yet_says_so(source: FileSource) -> None:
    driver = KubernetesDriver(FakeCluster(), made(), source)
    calls = [
        driver.build_images,
        lambda: driver.read_host("", ()),
        lambda: driver.run_as_host("", ()),
        lambda: driver.watch(lambda: (driver.stack, source), every=1),
    ]
    for call in calls:
        with pytest.raises(Refused, match="is not supported on clusters yet") as refused:
            call()  # type: ignore[operator]
        assert refused.value.remedy


MARKS = [
    ({"argocd.argoproj.io/instance": "media"}, {}),
    ({}, {"argocd.argoproj.io/tracking-id": "media:apps/StatefulSet:media/one"}),
    ({"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}, {}),
    ({"app.kubernetes.io/managed-by": "Helm"}, {"meta.helm.sh/release-name": "media", "meta.helm.sh/release-namespace": "media"}),
]


@pytest.mark.parametrize(("labels", "annotations"), MARKS)
def test_objects_of_another_tool_are_taken_over_by_a_word_only(
    source: FileSource, labels: dict[str, str], annotations: dict[str, str]
) -> None:
    cluster = FakeCluster()
    KubernetesDriver(cluster, made(), source).up(deadline=5)
    reference = Reference("apps/v1", "StatefulSet", "media", "one")
    metadata = cluster.objects[reference]["metadata"]
    metadata["labels"] = {**metadata["labels"], **labels, "own": "kept"}
    metadata["annotations"] = {**metadata.get("annotations", {}), **annotations}
    metadata["managedFields"] = [{"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": {}}]
    before = len(cluster.writes)
    with pytest.raises(Refused, match="is managed by") as caught:
        KubernetesDriver(cluster, made(), source).up(deadline=5)
    assert "--take-over" in (caught.value.remedy or "")
    assert len(cluster.writes) == before
    taking = KubernetesDriver(cluster, msgspec.structs.replace(made(), is_taking_over=True), source)
    changes = taking.diff()
    assert len(cluster.writes) == before
    assert [(change.service, change.cause.partition(" from ")[0]) for change in changes] == [("one", "it is taken over")]
    assert taking.up(deadline=5).changes == changes
    found = cluster.objects[reference]["metadata"]
    assert other_tool(cluster.objects[reference]) == ""
    assert found["labels"]["own"] == "kept"
    assert found["labels"]["app.kubernetes.io/managed-by"] == "portable"
    assert {entry["manager"] for entry in found["managedFields"]} == {"portable"}
    written = len(cluster.writes)
    for again in (taking, KubernetesDriver(cluster, made(), source)):
        assert again.up(deadline=5).changes == ()
    assert len(cluster.writes) == written


def test_an_object_that_portable_applied_before_is_taken_over_too(source: FileSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own fields are as they should be, so nothing but the other tool's marks is to change."""
    cluster = FakeCluster()
    KubernetesDriver(cluster, made(), source).up(deadline=5)
    reference = Reference("apps/v1", "StatefulSet", "media", "one")
    cluster.objects[reference]["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = "apps"
    monkeypatch.setattr(look, "is_unchanged_by", lambda *_: True)
    taking = KubernetesDriver(cluster, msgspec.structs.replace(made(), is_taking_over=True), source)
    assert [change.service for change in taking.diff()] == ["one"]
    taking.up(deadline=5)
    assert other_tool(cluster.objects[reference]) == ""


def test_an_object_of_another_stack_is_not_taken_over(source: FileSource) -> None:
    cluster = FakeCluster()
    KubernetesDriver(cluster, made(profile="other"), source).up(deadline=5)
    metadata = cluster.objects[Reference("apps/v1", "StatefulSet", "media", "one")]["metadata"]
    metadata["labels"]["kustomize.toolkit.fluxcd.io/name"] = "apps"
    with pytest.raises(Refused, match="belongs to the stack media-other"):
        KubernetesDriver(cluster, msgspec.structs.replace(made(), is_taking_over=True), source).up(deadline=5)


def test_what_nobody_manages_is_not_taken_over(source: FileSource) -> None:
    cluster = FakeCluster()
    KubernetesDriver(cluster, made(), source).up(deadline=5)
    metadata = cluster.objects[Reference("apps/v1", "StatefulSet", "media", "one")]["metadata"]
    metadata["labels"], metadata["managedFields"] = {}, []
    with pytest.raises(Refused, match="portable did not create it"):
        KubernetesDriver(cluster, msgspec.structs.replace(made(), is_taking_over=True), source).up(deadline=5)
