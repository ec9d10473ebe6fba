"""The Secrets of a cluster as files: a folder for each, a file for each key, as `kubectl create secret --from-file` takes them."""

from collections.abc import Mapping
from pathlib import Path

from portable.backends.kubernetes.secrets import file_keys, secret_name
from portable.local.files import write_private
from portable.model.plan import Plan
from portable.secrets.values import Resolved


def cluster_secrets(plan: Plan, resolved: Resolved) -> dict[str, dict[str, str]]:
    """By name and key: the values that containers take, and whole files with theirs filled in. What may be missing, and is, has no key."""
    found: dict[str, dict[str, str]] = {}
    for container in plan.containers():
        for ref in container.secret_refs:
            if value := resolved.of(ref.name, ref.key):
                found.setdefault(secret_name(plan, ref.name), {})[ref.key] = value
    keys = file_keys(plan)
    for file in plan.files:
        if file.id in keys:
            found.setdefault(secret_name(plan, file.id), {})[keys[file.id]] = resolved.fill(file)
    return found


def write(secrets: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """Write them, each file for its owner's eyes only. Raises PortableError where that can't be."""
    for name, values in sorted(secrets.items()):
        for key, value in sorted(values.items()):
            path = folder / name / key
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, value)
