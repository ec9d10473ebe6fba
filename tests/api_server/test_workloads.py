"""Changes that the API server makes in no existing object, and apps that move: the old pod is gone before the new one starts."""

from typing import Any

import pytest

from portable.engines.kubernetes.cluster import Cluster, Reference
from portable.live.kubernetes.stack import KubernetesStack
from portable.model import plan as p
from portable.model.errors import Refused
from portable.model.rendering import RenderedDocument
from portable.secrets.sources import FileSource
from tests import factories
from tests.api_server.server import Server
from tests.api_server.stacks import driver, plan, stack

SECONDS = 120.0


def with_body(made: KubernetesStack, kind: str, name: str, change: Any) -> KubernetesStack:
    """The stack with one rendered object changed, as a newer version of a back end may render it."""
    import copy

    import msgspec

    documents = []
    for document in made.documents:
        body = document.body
        if (body["kind"], body["metadata"]["name"]) == (kind, name):
            body = copy.deepcopy(body)
            change(body)
        documents.append(RenderedDocument(file=document.file, body=body))
    return msgspec.structs.replace(made, documents=tuple(documents))


def test_a_selector_that_changed_replaces_the_workload(server: Server, namespace: str, secret_file: FileSource) -> None:
    def change(body: dict[str, Any]) -> None:
        body["spec"]["selector"]["matchLabels"]["more"] = "x"
        body["spec"]["template"]["metadata"]["labels"]["more"] = "x"

    made = stack(plan(namespace, "one"))
    changed = with_body(made, "StatefulSet", "one", change)
    with driver(server, made, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        changes = chosen.rebound(changed, secret_file).up(deadline=SECONDS).changes
        assert [(change.kind, change.service) for change in changes] == [("recreate", "one")]
        assert "updates to statefulset spec" in changes[0].cause
        assert chosen.rebound(changed, secret_file).up(deadline=SECONDS).changes == ()


def test_a_claim_that_cannot_change_is_refused_and_stays(server: Server, namespace: str, secret_file: FileSource) -> None:
    def change(body: dict[str, Any]) -> None:
        body["spec"]["accessModes"] = ["ReadOnlyMany"]

    made = stack(plan(namespace, "one"))
    with driver(server, made, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        before = server.cluster("other").get(Reference("v1", "PersistentVolumeClaim", namespace, "one-state"))
        with pytest.raises(Refused, match="keep the size, class and volume"):
            chosen.rebound(with_body(made, "PersistentVolumeClaim", "one-state", change), secret_file).up(deadline=SECONDS)
        assert server.cluster("other").get(Reference("v1", "PersistentVolumeClaim", namespace, "one-state")) == before


def pods(cluster: Cluster, namespace: str) -> list[Any]:
    """The pods of a namespace."""
    return list(cluster.list("v1", "Pod", namespace=namespace))


def test_another_kind_of_workload_starts_after_the_old_pod(server: Server, namespace: str, secret_file: FileSource) -> None:
    def change(body: dict[str, Any]) -> None:
        body["kind"] = "Deployment"
        spec = body["spec"]
        del spec["podManagementPolicy"], spec["serviceName"], spec["updateStrategy"]

    made = stack(plan(namespace, "one"))
    changed = with_body(made, "StatefulSet", "one", change)
    with driver(server, made, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        cluster = server.cluster("other")
        old = {pod["metadata"]["uid"] for pod in pods(cluster, namespace)}
        seen: list[set[str]] = []
        newer = chosen.rebound(changed, secret_file)
        newer.up(deadline=SECONDS, progress=lambda _: seen.append({pod["metadata"]["uid"] for pod in pods(cluster, namespace)}))
        assert all(not (moment & old and moment - old) for moment in seen), "two writers at a time"
        assert {pod["metadata"]["uid"] for pod in pods(cluster, namespace)}.isdisjoint(old)
        assert newer.up(deadline=SECONDS).changes == ()
        assert [item["kind"] for item in cluster.list("apps/v1", "StatefulSet", namespace=namespace)] == []


def grouped(namespace: str, *groups: tuple[str, ...]) -> KubernetesStack:
    """A stack of apps in these pods, each named after its first app."""
    apps = tuple(factories.app(name, ports=(factories.port(number=8000 + i),)) for i, name in enumerate(n for g in groups for n in g))
    return stack(factories.plan(*apps, namespace=namespace, groups=tuple(p.Group(name=group[0], apps=group) for group in groups)))


def test_an_app_that_moves_to_another_pod_leaves_the_old_one_first(server: Server, namespace: str, secret_file: FileSource) -> None:
    before, after = grouped(namespace, ("one", "two"), ("three",)), grouped(namespace, ("one",), ("three", "two"))
    with driver(server, before, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        cluster = server.cluster("other")
        seen: list[int] = []

        def count(_: object) -> None:
            seen.append(sum("two" in {c["name"] for c in pod["spec"]["containers"]} for pod in pods(cluster, namespace)))

        moved = chosen.rebound(after, secret_file)
        moved.up(deadline=SECONDS, progress=count)
        assert max(seen) <= 1, "two writers at a time"
        assert seen[-1] == 1
        assert moved.up(deadline=SECONDS).changes == ()
        assert {row.app: row.state for row in moved.status()} == {"one": "running", "two": "running", "three": "running"}
