"""Names and keys of the Secrets of a plan. Their values come from the live layer, and are never rendered."""

from pathlib import PurePosixPath

from portable.backends.kubernetes.names import config_key, dns_label
from portable.model.plan import Plan


def secret_name(plan: Plan, name: str) -> str:
    """Return the name of the Secret for a secret's name or a file's id: the profile's name for it, else the same as a DNS label."""
    return plan.secret_names.get(name) or dns_label(name)


def file_keys(plan: Plan) -> dict[str, str]:
    """Return the one key of each whole file, by its id: the file's name."""
    whole = {file.id for file in plan.files if file.is_secret}
    keys: dict[str, str] = {}
    for container in plan.containers():
        for mount in container.files:
            if mount.file in whole:
                keys.setdefault(mount.file, config_key(PurePosixPath(mount.path).name))
    return keys
