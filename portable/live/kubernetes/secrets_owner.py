"""Whose secrets a stack in a cluster runs on: a ConfigMap of its namespace records it, and the values of its Secrets are compared."""

from collections.abc import Iterator
from typing import Final

from portable.backends.kubernetes.secrets import file_keys, secret_name
from portable.engines.kubernetes.cluster import Cluster, ClusterReader, Reference
from portable.engines.kubernetes.errors import ClusterError
from portable.live.kubernetes.desired import data_of, secret_reference
from portable.live.kubernetes.owners import is_managed
from portable.live.kubernetes.secret_values import places_of
from portable.live.kubernetes.stack import KubernetesStack
from portable.secrets.forms import written
from portable.secrets.owner import is_other_owner, refuse_other_values
from portable.secrets.sources import Source
from portable.secrets.values import Resolved

_KEY: Final = "secrets-owner"
_FORBIDDEN: Final = 403


def record_reference(stack: KubernetesStack) -> Reference:
    """The ConfigMap with the record. Neither `down` nor a prune deletes it: the Secrets stay as well."""
    return Reference("v1", "ConfigMap", stack.namespace, f"portable-{stack.project}-record")


def recorded_owner(cluster: ClusterReader, stack: KubernetesStack) -> str:
    """The user and the file whose secrets the stack was started with; empty if unknown, or if this user may not read the record."""
    try:
        item = cluster.get(record_reference(stack))
    except ClusterError as trouble:
        if trouble.status != _FORBIDDEN:
            raise
        return ""
    return str(((item or {}).get("data") or {}).get(_KEY) or "")


def record_owner(cluster: Cluster, stack: KubernetesStack, owner: str) -> None:
    """Record whose secrets the stack runs on. Where the namespace does not exist yet, there is no stack to record it for."""
    if not owner or recorded_owner(cluster, stack) == owner or not _has_namespace(cluster, stack):
        return
    reference = record_reference(stack)
    labels = {**stack.labels, "app.kubernetes.io/name": reference.name}
    metadata = {"name": reference.name, "namespace": reference.namespace, "labels": labels}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {_KEY: owner}}, force=True)


def _has_namespace(cluster: ClusterReader, stack: KubernetesStack) -> bool:
    """Whether the namespace exists. Who owns a namespace may not always read it: then it counts as existing."""
    try:
        return cluster.get(Reference("v1", "Namespace", "", stack.namespace)) is not None
    except ClusterError as trouble:
        if trouble.status != _FORBIDDEN:
            raise
        return True


def refuse_other_secrets(cluster: ClusterReader, stack: KubernetesStack, source: Source, resolved: Resolved) -> None:
    """Raise Refused where the Secrets have other values than these, and come from another user's file."""
    if not stack.secrets or not is_other_owner(source, owner := recorded_owner(cluster, stack)):
        return
    if next(_other_values(cluster, stack, resolved), None) is not None:
        record = record_reference(stack)
        command = f"`kubectl delete configmap -n {record.namespace} {record.name}`, which removes only that record"
        refuse_other_values(source, owner, anew=command)


def _other_values(cluster: ClusterReader, stack: KubernetesStack, resolved: Resolved) -> Iterator[str]:
    """Yield the Secrets of `portable` that have another value. A whole file differs where it lacks the value in the form it has there."""
    files = {secret_name(stack.plan, file.id): file for file in stack.plan.files} if stack.plan else {}
    keys = file_keys(stack.plan) if stack.plan else {}
    for (name, key), places in sorted(places_of(stack).items()):
        value = resolved.of(name, key)
        for secret, place in places if value else ():
            item = cluster.get(secret_reference(stack, secret))
            data = data_of(item) if item is not None and is_managed(item) else {}
            if place not in data:
                continue
            file = files.get(secret)
            if file is None or keys.get(file.id) != place:
                has_it = data[place] == value
            else:
                refs = [ref for ref in file.secret_refs if (ref.name, ref.key) == (name, key)]
                has_it = all(written(value, ref.form) in data[place] for ref in refs)
            if not has_it:
                yield secret
