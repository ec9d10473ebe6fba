"""The stack of the drivers' contract in a cluster, written by hand: a pod that three apps share, one by itself, and a Job that ends."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from portable.engines.kubernetes.address import ClusterAddress
from portable.live.image_needs import ImageNeed
from portable.live.kubernetes.stack import KubernetesStack, PodGroup
from portable.model.rendering import RenderedDocument
from portable.secrets.needs import Need
from portable.secrets.sources import FileSource
from tests.cluster_lab.conftest import BUSYBOX
from tests.lab.cluster.cluster import Cluster

_SLEEP = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"
_CRASHING = "trap 'exit 0' TERM; while :; do test -e /signs/crash && exit 9; sleep 0.2 & wait $!; done"
"""Ends with an error once it finds a file, and again whenever it is restarted in the same pod."""
_SIGNS = {"name": "signs", "mountPath": "/signs"}


def address_of(cluster: Cluster, user: str = "admin") -> ClusterAddress:
    """The address of the lab's cluster as the driver takes it."""
    path = cluster.kubeconfig_of(user)
    read = yaml.safe_load(path.read_text())
    return ClusterAddress(files=(path,), context="lab", server=read["clusters"][0]["cluster"]["server"], user=user)


def source(folder: Path, values: Mapping[str, Any]) -> FileSource:
    """A private file with these secrets."""
    path = folder / "secrets.yaml"
    path.touch(0o600)
    path.write_text(yaml.safe_dump(dict(values)))
    return FileSource(path=str(path))


def stack(namespace: str) -> KubernetesStack:
    """The stack of the contract (tests/driver_contract.py), in a namespace that exists."""
    instance = f"contract-{namespace}"
    labels = {"app.kubernetes.io/managed-by": "portable", "app.kubernetes.io/instance": instance}
    groups = (
        PodGroup(name="init", apps=("init",), containers={"init": "init"}, main={"init": "init"}),
        PodGroup(
            name="gateway",
            apps=("gateway", "one", "two"),
            containers={name: name for name in ("gateway", "one", "two")},
            main={name: name for name in ("gateway", "one", "two")},
            needs=("init",),
        ),
        PodGroup(name="lone", apps=("lone",), containers={"lone": "lone"}, main={"lone": "lone"}),
    )
    bodies = {
        "init": _workload("batch/v1", "Job", "init", namespace, labels, _init()),
        "gateway": _workload("apps/v1", "Deployment", "gateway", namespace, labels, _gateway()),
        "lone": _workload("apps/v1", "StatefulSet", "lone", namespace, labels, {"containers": [_container("lone")]}),
    }
    return KubernetesStack(
        project=instance,
        namespace=namespace,
        labels=labels,
        documents=tuple(RenderedDocument(file=f"{name}.yaml", body=body) for name, body in bodies.items()),
        groups=groups,
        images=(ImageNeed(reference=BUSYBOX, apps=("some",)),),
        secrets=(Need(name="token", key="value", optional=False, apps=("two",)),),
        addresses={},
    )


def _init() -> dict[str, Any]:
    return {"restartPolicy": "Never", "containers": [_container("init", "echo prepared")]}


def _gateway() -> dict[str, Any]:
    """A gateway as a native sidecar, which is ready when its startup probe says so, and two apps behind it."""
    started = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 30}
    gateway = {**_container("gateway", f"touch /tmp/ready; {_SLEEP}"), "restartPolicy": "Always", "startupProbe": started}
    token = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "value"}}}
    return {
        "initContainers": [gateway],
        "containers": [{**_container("one", _CRASHING), "volumeMounts": [_SIGNS]}, {**_container("two"), "env": [token]}],
        "volumes": [{"name": "signs", "emptyDir": {}}],
    }


def _container(name: str, command: str = _SLEEP) -> dict[str, Any]:
    return {"name": name, "image": BUSYBOX, "command": ["sh", "-c", command]}


def _workload(api: str, kind: str, name: str, namespace: str, labels: Mapping[str, str], pod: Mapping[str, Any]) -> dict[str, Any]:
    own = {**labels, "app.kubernetes.io/name": name}
    template = {
        "metadata": {"labels": {**own, "portable/group": name}},
        "spec": {"terminationGracePeriodSeconds": 5, "automountServiceAccountToken": False, **pod},
    }
    spec: dict[str, Any] = {"template": template}
    if kind != "Job":
        spec |= {
            "replicas": 1,
            "selector": {"matchLabels": {"portable/group": name, "app.kubernetes.io/instance": own["app.kubernetes.io/instance"]}},
        }
    if kind == "Deployment":
        spec["strategy"] = {"type": "Recreate"}
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": own}, "spec": spec}
