"""What a cluster calls the Secrets of a plan, and the keys of those that are whole files. They are filled by live, never rendered."""

from pathlib import PurePosixPath

from portable.backends.kubernetes.names import config_key, dns_label
from portable.model.plan import Plan


def secret_name(plan: Plan, name: str) -> str:
    """The Secret of a value, by its name, or of a whole file, by its id: as the profile calls it, or the same as a DNS label."""
    return plan.secret_names.get(name) or dns_label(name)


def file_keys(plan: Plan) -> dict[str, str]:
    """The one key of each whole file, by its id: the file's own name, as `kubectl create secret --from-file` would call it."""
    whole = {file.id for file in plan.files if file.is_secret}
    found: dict[str, str] = {}
    for container in plan.containers():
        for mount in container.files:
            if mount.file in whole:
                found.setdefault(mount.file, config_key(PurePosixPath(mount.path).name))
    return found
