"""Both shipped profiles for clusters, whole, on a real API server; pods run by the word of the stand-in kubelet."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from portable.backends.prepare import Prepared, prepare
from portable.engines.kubernetes.cluster import Reference
from portable.live.kubernetes.stack import KubernetesStack, stack_of
from portable.model.errors import Refused
from portable.secrets.needs import needs_of
from portable.secrets.sources import FileSource
from tests.api_server.server import Server
from tests.api_server.stacks import driver, reader, source

DEFINITIONS = Path(__file__).parent / "definitions"
SECONDS = 240.0


def secrets_for(prepared: Prepared, folder: Path) -> FileSource:
    """A source with a value for every secret of a profile."""
    found: dict[str, Any] = {}
    for need in needs_of(prepared.planned.plan):
        value = f"canary-{need.name}-{need.key}"
        if need.key == "private-key":
            value = base64.b64encode(b"k" * 32).decode()
        elif need.key == "addresses":
            value = "172.20.0.2/32"
        found.setdefault(need.name, {})[need.key] = value
    return source(folder, found)


def shipped(profile: str, namespace: str, folder: Path) -> tuple[Prepared, KubernetesStack]:
    """A shipped profile in a namespace of the test."""
    prepared = prepare(profile, sets=[f"namespace={namespace}"], folder=folder)
    return prepared, stack_of(prepared.planned.plan, prepared.rendering)


def define(server: Server) -> None:
    """Give the API server the kinds of OpenShift and of the Gateway API that the profiles use."""
    cluster = server.cluster("other")
    for file in sorted(DEFINITIONS.glob("*.yaml")):
        body = yaml.safe_load(file.read_text())
        cluster.apply(body, force=True)
    for api, kind in (
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        ("route.openshift.io/v1", "Route"),
        ("security.openshift.io/v1", "SecurityContextConstraints"),
    ):
        until_known(server, api, kind)


def until_known(server: Server, api: str, kind: str) -> None:
    """Wait until the API server serves a kind."""
    import time

    for _ in range(100):
        cluster = server.cluster("other")
        if cluster.path_of(api, kind) is not None:
            return
        time.sleep(0.2)
    pytest.fail(f"{kind} is not served")


def put(server: Server, namespace: str, body: Mapping[str, Any]) -> None:
    """Create an object of somebody else in a namespace."""
    cluster = server.cluster("other")
    if cluster.get(Reference("v1", "Namespace", "", namespace)) is None:
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    cluster.create({"apiVersion": "v1", **body, "metadata": {**body["metadata"], "namespace": namespace}})


def share_login() -> dict[str, Any]:
    """The Secret with which nodes log in to the share of samba."""
    return {"kind": "Secret", "metadata": {"name": "samba-credentials"}, "stringData": {"username": "u", "password": "p"}}


def claim(name: str) -> dict[str, Any]:
    """A claim that exists already."""
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def test_samba(server: Server, namespace: str, tmp_path: Path) -> None:
    prepared, made = shipped("samba", namespace, tmp_path)
    secrets = secrets_for(prepared, tmp_path)
    define(server)
    put(server, namespace, {"kind": "ConfigMap", "metadata": {"name": "of-somebody-else"}})
    with driver(server, made, secrets) as chosen:
        with pytest.raises(Refused, match="samba-credentials does not exist"):
            chosen.up(deadline=SECONDS)
        put(server, namespace, share_login())
        up_twice(server, made, secrets)


def test_openshift(server: Server, namespace: str, tmp_path: Path) -> None:
    prepared, made = shipped("openshift", namespace, tmp_path)
    secrets = secrets_for(prepared, tmp_path)
    define(server)
    put(server, namespace, claim("media-library-pvc"))
    up_twice(server, made, secrets)


def up_twice(server: Server, made: KubernetesStack, secrets: FileSource) -> None:
    """The first `up` does what `diff` foretold, each app is ready, and the second one writes nothing."""
    with driver(server, made, secrets) as chosen, reader(server, made, secrets) as looking:
        foretold = looking.diff()
        outcome = chosen.up(deadline=SECONDS)
        assert outcome.changes == foretold
        assert {change.app for change in outcome.changes if change.app} == set(chosen.apps())
        assert {row.reason for row in outcome.rows} == {""}
        assert {row.app for row in outcome.rows} == set(chosen.apps())
        count = len(server.writes())
        assert looking.diff() == ()
        assert chosen.up(deadline=SECONDS).changes == ()
        assert server.writes()[count:] == []
        kept = {"PersistentVolumeClaim", "Secret"}
        removed = chosen.down()
        assert {change.app for change in removed if change.app} == set(chosen.apps())
        assert {row.state for row in chosen.status()} == {"missing"}
        assert chosen.down() == ()
        cluster = server.cluster("other")
        left = {kind for kind in kept if list(cluster.list("v1", kind, namespace=made.namespace))}
        assert left == kept
        for kind in ("Deployment", "StatefulSet"):
            assert list(cluster.list("apps/v1", kind, namespace=made.namespace)) == []
        assert list(cluster.list("networking.k8s.io/v1", "NetworkPolicy", namespace=made.namespace)) == []
        assert chosen.up(deadline=SECONDS).changes != ()
