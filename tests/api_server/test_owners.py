"""What is not the stack's own: fields of other managers, objects of GitOps tools and of people, and rights that the user does not have."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.engines.kubernetes.cluster import Reference
from portable.live.kubernetes.stack import KubernetesStack
from portable.model import plan as p
from portable.model.errors import Refused, UsageError
from portable.model.progress import Event
from portable.secrets.owner import owner_of
from portable.secrets.sources import FileSource
from tests.api_server.server import Server
from tests.api_server.stacks import TOKEN, driver, plan, source, stack
from tests.api_server.test_drift import merge
from tests.api_server.test_profiles import put

SECONDS = 120.0
ONE = ("apps/v1", "StatefulSet", "one")


def test_a_field_of_another_manager_is_never_taken(server: Server, namespace: str, secret_file: FileSource) -> None:
    made = stack(plan(namespace))
    with driver(server, made, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        merge(*ONE, {"spec": {"replicas": 3}}, "some-autoscaler")(server.cluster("other"), namespace)
        before = len(server.writes())
        for verb in (chosen.diff, chosen.up):
            with pytest.raises(Refused, match=r"some-autoscaler.*\.spec\.replicas"):
                verb()
        assert server.writes()[before:] == []


@pytest.mark.parametrize(
    ("labels", "annotations", "owner"),
    [
        ({"argocd.argoproj.io/instance": "media"}, {}, "Argo CD (application media)"),
        ({}, {"argocd.argoproj.io/tracking-id": "shows:apps/Deployment:x/one"}, "Argo CD (application shows)"),
        ({"kustomize.toolkit.fluxcd.io/name": "apps"}, {}, "Flux (apps)"),
        ({"app.kubernetes.io/managed-by": "Helm"}, {"meta.helm.sh/release-name": "sonarr"}, "Helm (release sonarr)"),
    ],
)
def test_objects_of_other_tools_are_left_alone(
    server: Server, namespace: str, secret_file: FileSource, labels: dict[str, str], annotations: dict[str, str], owner: str
) -> None:
    metadata = {"name": "one", "labels": labels, "annotations": annotations}
    put(server, namespace, {"kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}})
    with driver(server, stack(plan(namespace)), secret_file) as chosen:
        before = len(server.writes())
        with pytest.raises(Refused) as refused:
            chosen.up(deadline=SECONDS)
        assert f"Service one is managed by {owner}" in refused.value.text
        assert server.writes()[before:] == []


def test_all_obstacles_are_told_at_once(server: Server, namespace: str, secret_file: FileSource) -> None:
    put(server, namespace, {"kind": "Service", "metadata": {"name": "one"}, "spec": {"ports": [{"port": 80}]}})
    put(server, namespace, {"kind": "ConfigMap", "metadata": {"name": "two-files"}})
    made = stack(plan(namespace))
    with driver(server, made, secret_file) as chosen, pytest.raises(Refused) as refused:
        chosen.up(deadline=SECONDS)
    assert "2 problems, and nothing was changed" in refused.value.text
    assert "Service one exists, and portable did not create it" in refused.value.text
    assert "ConfigMap two-files exists" in refused.value.text


def test_a_second_user_s_other_secrets_are_refused_and_equal_ones_adopted(
    server: Server, namespace: str, secret_file: FileSource, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    second = source(tmp_path / "second", {"token": "another-4c1f"})
    made = stack(plan(namespace))
    with driver(server, made, secret_file) as first:
        first.up(deadline=SECONDS)
        first.record_secrets_owner(owner_of(secret_file))
    with driver(server, made, second) as chosen:
        before = len(server.writes())
        with pytest.raises(Refused, match="has other values") as refused:
            chosen.up(deadline=SECONDS)
        assert (refused.value.code, server.writes()[before:]) == ("secret.other-owner", [])
        source(tmp_path / "second", {"token": TOKEN})
        assert chosen.up(deadline=SECONDS).changes == ()
        assert server.writes()[before:] == []
        chosen.record_secrets_owner(owner_of(second))
        assert (chosen.secrets_owner(), len(server.writes()) - before) == (owner_of(second), 1)
        chosen.record_secrets_owner(owner_of(second))
        chosen.down()
        assert chosen.secrets_owner() == owner_of(second)


def test_a_secret_of_somebody_else_is_used_and_never_written(server: Server, namespace: str, tmp_path: Path) -> None:
    secret = {"kind": "Secret", "metadata": {"name": "token"}, "stringData": {"value": TOKEN}}
    put(server, namespace, secret)
    reference = Reference("v1", "Secret", namespace, "token")
    before = server.cluster("other").get(reference)
    with driver(server, stack(plan(namespace)), source(tmp_path, {})) as chosen:
        chosen.up(deadline=SECONDS)
        assert server.cluster("other").get(reference) == before
        merge("v1", "Secret", "token", {"data": {"value": "bmV3"}})(server.cluster("other"), namespace)
        changes = chosen.diff()
        assert [(change.kind, change.service) for change in changes] == [("restart", "two")]
        assert "portable/secret-digest" in changes[0].cause


def test_a_secret_of_somebody_else_that_lacks_a_key_is_told(server: Server, namespace: str, secret_file: FileSource) -> None:
    put(server, namespace, {"kind": "Secret", "metadata": {"name": "token"}, "stringData": {"other": "x"}})
    with driver(server, stack(plan(namespace)), secret_file) as chosen, pytest.raises(Refused, match="it lacks value"):
        chosen.up(deadline=SECONDS)


def test_a_value_that_nobody_has_is_told(server: Server, namespace: str, tmp_path: Path) -> None:
    with driver(server, stack(plan(namespace)), source(tmp_path, {})) as chosen, pytest.raises(UsageError, match="token"):
        chosen.up(deadline=SECONDS)


def test_a_rotated_value_restarts_who_uses_it(server: Server, namespace: str, secret_file: FileSource, tmp_path: Path) -> None:
    made = stack(plan(namespace))
    with driver(server, made, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        rotated = chosen.rebound(made, source(tmp_path, {"token": "canary-rotated"}))
        changes = rotated.up(deadline=SECONDS).changes
        assert {(change.kind, change.service) for change in changes} == {("restart", "two"), ("change", "Secret token")}
        assert "canary" not in str(changes)
        assert rotated.diff() == ()


def test_what_kubectl_applied_as_rendered_is_taken_over(server: Server, namespace: str, secret_file: FileSource) -> None:
    made = stack(plan(namespace, "one"))
    cluster = server.cluster("other")
    for document in made.documents:
        path = cluster.path_of(document.body["apiVersion"], document.body["kind"], document.body["metadata"]["name"], namespace)
        assert path is not None
        query = {"content_type": "application/apply-patch+yaml", "field_manager": "kubectl"}
        cluster.request("patch", path, doing="applying as kubectl", body=document.body, query=query)
    with driver(server, made, secret_file) as chosen:
        changes = chosen.up(deadline=SECONDS).changes
        assert {change.cause for change in changes} == {"another tool applied it; portable takes it over"}
        assert chosen.up(deadline=SECONDS).changes == ()
        assert {change.service for change in chosen.down() if change.app} == {"one"}


def test_a_volume_whose_claim_was_deleted_is_told(server: Server, namespace: str, secret_file: FileSource) -> None:
    made = with_share(namespace)
    cluster = server.cluster("other")
    with driver(server, made, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        claim, volume = (
            Reference("v1", "PersistentVolumeClaim", namespace, "library"),
            Reference("v1", "PersistentVolume", "", f"{namespace}-library"),
        )
        until(lambda: (cluster.get(claim) or {}).get("status", {}).get("phase") == "Bound")
        chosen.down()
        until(lambda: not list(cluster.list("v1", "Pod", namespace=namespace)))
        cluster.delete(claim, (cluster.get(claim) or {})["metadata"]["uid"], propagation="Background")
        until(lambda: (cluster.get(volume) or {}).get("status", {}).get("phase") == "Released")
        with pytest.raises(Refused, match="its claim was deleted") as refused:
            chosen.up(deadline=SECONDS)
        assert refused.value.remedy is not None
        cluster.merge(volume, {"spec": {"claimRef": {"uid": None}}})
        chosen.up(deadline=SECONDS)
        until(lambda: (cluster.get(claim) or {}).get("status", {}).get("phase") == "Bound")


def until(holds: Callable[[], bool]) -> None:
    """Wait for a controller."""
    for _ in range(150):
        if holds():
            return
        time.sleep(0.2)
    pytest.fail("a controller did not do its part in 30 s")


def with_share(namespace: str) -> KubernetesStack:
    """A stack with a volume that only an administrator may create."""
    share = p.Share(protocol="nfs", server="nas.test", export="/media")
    volume = p.Volume(id="library", holds="library", place=p.Claim(name="library", size=2**30, shared=True, share=share))
    made = plan(namespace)
    return stack(msgspec.structs.replace(made, volumes=(*made.volumes, volume)))


def owner_may(server: Server, namespace: str) -> None:
    """Make `owner` the administrator of the namespace, and of nothing else."""
    binding: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "owner"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "owner"}],
    }
    put(server, namespace, binding)


def test_a_namespace_owner_is_told_what_an_administrator_must_do(server: Server, namespace: str, secret_file: FileSource) -> None:
    made = with_share(namespace)
    owner_may(server, namespace)
    with driver(server, made, secret_file, "owner") as chosen:
        events: list[Event] = []
        chosen.up(deadline=SECONDS, progress=events.append)
        notes = " ".join(event.text for event in events if event.what == "note")
        assert f"PersistentVolume {namespace}-library needs an administrator" in notes
        assert "Namespace" in notes
        assert "kubectl apply --server-side -k k8s/test/administrator" in notes
        assert chosen.up(deadline=SECONDS).changes == ()
