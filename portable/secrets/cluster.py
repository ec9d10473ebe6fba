"""The Secrets of a cluster as files for `kubectl create secret --from-file`: a folder for each, a file for each key."""

from collections.abc import Mapping
from pathlib import Path

from portable.backends.kubernetes.secrets import file_keys, secret_name
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


def write(secrets: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """Write the files, readable by their owner only. Raises PortableError if that fails."""
    for name, values in sorted(secrets.items()):
        for key, value in sorted(values.items()):
            path = folder / name / key
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, value)
