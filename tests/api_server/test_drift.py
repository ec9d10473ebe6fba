"""Twelve kinds of changes by hand: `diff` shows each one, `up` mends it, and then nothing differs.

The field managers are those that kubectl writes; requests are those that it sends.
"""

from collections.abc import Callable
from typing import Any

import pytest

from portable.engines.kubernetes.cluster import Cluster, Reference
from portable.secrets.sources import FileSource
from tests.api_server.server import Server
from tests.api_server.stacks import driver, plan, reader, stack

SECONDS = 120.0
Hand = Callable[[Cluster, str], None]


def merge(api: str, kind: str, name: str, body: dict[str, Any], manager: str = "kubectl-edit") -> Hand:
    """A change by a merge patch, as `kubectl edit`, `set` and `patch` send it."""

    def act(cluster: Cluster, namespace: str) -> None:
        path = cluster.path_of(api, kind, name, namespace)
        assert path is not None
        query = {"content_type": "application/strategic-merge-patch+json", "field_manager": manager}
        cluster.request("patch", path, doing="changing by hand", body=body, query=query)

    return act


def scale(cluster: Cluster, namespace: str) -> None:
    """`kubectl scale --replicas=0`."""
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/one/scale"
    query = {"content_type": "application/merge-patch+json", "field_manager": "kubectl"}
    cluster.request("patch", path, doing="scaling", body={"spec": {"replicas": 0}}, query=query)


def delete(api: str, kind: str, name: str) -> Hand:
    """`kubectl delete`."""

    def act(cluster: Cluster, namespace: str) -> None:
        reference = Reference(api, kind, namespace, name)
        item = cluster.get(reference)
        assert item is not None
        assert cluster.delete(reference, item["metadata"]["uid"], propagation="Background")

    return act


def template(container: dict[str, Any]) -> dict[str, Any]:
    """A change to the container of `one`."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "one", **container}]}}}}


APPS, CORE, NETWORKS = "apps/v1", "v1", "networking.k8s.io/v1"
KINDS: dict[str, tuple[Hand, str]] = {
    "image": (
        merge(APPS, "StatefulSet", "one", template({"image": "evil.test/app:1.0"}), "kubectl-set"),
        "containers[one].image changes from evil",
    ),
    "added variable": (merge(APPS, "StatefulSet", "one", template({"env": [{"name": "ADDED", "value": "x"}]}), "kubectl-set"), "env"),
    "limits": (
        merge(APPS, "StatefulSet", "one", template({"resources": {"limits": {"memory": "8Gi"}}})),
        "resources.limits.memory changes from 8Gi",
    ),
    "scaled to 0": (scale, "spec.replicas changes from 0 to 1"),
    "strategy": (
        merge(APPS, "StatefulSet", "one", {"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}}),
        "spec.updateStrategy",
    ),
    "added container": (
        merge(APPS, "StatefulSet", "one", {"spec": {"template": {"spec": {"containers": [{"name": "spy", "image": "evil.test/spy:1"}]}}}}),
        "containers[spy]",
    ),
    "service port": (
        merge(CORE, "Service", "one", {"spec": {"ports": [{"port": 8000, "name": "web", "targetPort": 9999}]}}),
        "targetPort changes from 9999",
    ),
    "service type": (merge(CORE, "Service", "one", {"spec": {"type": "NodePort"}}), "spec.type changes from NodePort to ClusterIP"),
    "file": (
        merge(CORE, "ConfigMap", "one-files", {"data": {"one-conf": "name = somebody\n"}}),
        "data.one-conf changes from name = somebody",
    ),
    "secret": (merge(CORE, "Secret", "token", {"data": {"value": "ZXZpbA=="}}), "data.value"),
    "network policy": (merge(NETWORKS, "NetworkPolicy", "one", {"spec": {"ingress": [{}]}}), "spec.ingress changes from [{}]"),
    "deleted service": (delete(CORE, "Service", "one"), "it does not exist yet"),
    "deleted workload": (delete(APPS, "StatefulSet", "one"), "it does not exist yet"),
    "label": (
        merge(CORE, "Service", "one", {"metadata": {"labels": {"app.kubernetes.io/name": "other"}}}, "kubectl-label"),
        "metadata.labels",
    ),
}


@pytest.fixture(scope="module")
def drifting(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, FileSource]:
    """A namespace in which a stack runs."""
    from tests.api_server.stacks import TOKEN, source

    return "test-drift", source(tmp_path_factory.mktemp("drift"), {"token": TOKEN})


@pytest.mark.parametrize("kind", KINDS)
def test_drift_is_shown_and_mended(server: Server, namespace: str, drifting: tuple[str, FileSource], kind: str) -> None:
    place, secrets = drifting
    made = stack(plan(place))
    hand, shown = KINDS[kind]
    with driver(server, made, secrets) as chosen, reader(server, made, secrets) as looking:
        chosen.up(deadline=SECONDS)
        hand(server.cluster("other"), place)
        changes = looking.diff()
        assert len(changes) == 1, changes
        assert shown in changes[0].cause
        assert "ZXZpbA" not in str(changes)
        assert chosen.up(deadline=SECONDS).changes == changes
        assert looking.diff() == ()


def test_what_a_person_adds_beside_stays(server: Server, namespace: str, secret_file: FileSource) -> None:
    made = stack(plan(namespace))
    with driver(server, made, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        notes = {"metadata": {"annotations": {"team": "home"}, "labels": {"cost": "none"}}}
        merge(APPS, "StatefulSet", "one", notes, "kubectl-annotate")(server.cluster("other"), namespace)
        restarted = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}
        merge(APPS, "StatefulSet", "one", restarted, "kubectl-rollout")(server.cluster("other"), namespace)
        assert chosen.up(deadline=SECONDS).changes == ()
        item = server.cluster("other").get(Reference(APPS, "StatefulSet", namespace, "one"))
        assert item is not None
        assert item["metadata"]["annotations"]["team"] == "home"
