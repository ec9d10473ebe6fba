"""The Secrets of a cluster: their values, and their objects as files for `kubectl apply`."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portable.backends.kubernetes.secrets import file_keys, secret_name
from portable.formats.emit import dump
from portable.local.files import write_private
from portable.model.plan import Plan
from portable.secrets.values import Resolved


def cluster_secrets(plan: Plan, resolved: Resolved) -> dict[str, dict[str, str]]:
    """By name and key: the values for containers, and whole files with their values. Missing optional values are left out."""
    secrets: dict[str, dict[str, str]] = {}
    for container in plan.containers():
        for ref in container.secret_refs:
            if value := resolved.of(ref.name, ref.key):
                secrets.setdefault(secret_name(plan, ref.name), {})[ref.key] = value
    keys = file_keys(plan)
    for file in plan.files:
        if file.id in keys:
            secrets.setdefault(secret_name(plan, file.id), {})[keys[file.id]] = resolved.fill(file)
    return secrets


def secret_object(name: str, data: Mapping[str, str], *, namespace: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the Secret with these values. A certificate with its key has the type that controllers look for."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "type": "kubernetes.io/tls" if {"tls.crt", "tls.key"} <= set(data) else "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in sorted(data.items())},
    }


def write(secrets: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write each Secret to a file of its name, readable by its owner only. Raises PortableError if that fails."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, body in sorted(secrets.items()):
        write_private(folder / f"{name}.yaml", dump(body, first=("apiVersion", "kind", "metadata", "name")))
