"""ConfigMaps with the files of apps and clouds, file modes, and the digests that recreate pods when a file changes.

A file that contains a secret is a Secret of its own (secrets.py).
"""

import hashlib
from collections.abc import Iterable, Iterator

from portable.backends.kubernetes.names import Body, config_key, dns_label, meta
from portable.backends.kubernetes.scope import PodContainer, Scope, own_files
from portable.model.plan import Container, File, Group
from portable.model.secret_refs import SecretRef

DIGEST = "portable/config-digest"
SEEDS = "portable/seed-digest"
_OWNER_BITS = 0o500


def config_map_name(scope: Scope, owner: str) -> str:
    """Return the name of the ConfigMap with the files of an app, a cloud or the tools."""
    return dns_label(f"{owner}-files") if owner in scope.apps else scope.own_name(f"{owner}-files")


def plain_files(scope: Scope, containers: Iterable[Container]) -> tuple[File, ...]:
    """Return the files without secrets that the containers use, each once, sorted by id."""
    ids = {mount.file for container in containers for mount in container.files}
    return tuple(scope.files[id_] for id_ in sorted(ids) if id_ in scope.files and not scope.files[id_].is_secret)


def config_maps(scope: Scope, owner: str, containers: Iterable[Container], labels: dict[str, str]) -> Iterator[Body]:
    """Yield the ConfigMap of an owner, if it has files without secrets: one key for each file."""
    if files := plain_files(scope, containers):
        yield {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta(config_map_name(scope, owner), labels, namespace=scope.namespace),
            "data": {config_key(file.id): "".join(str(part) for part in file.body) for file in files},
        }


def file_mode(scope: Scope, file: File) -> int:
    """Return the mode in the pod. Files belong to root, so if another user reads the file, everyone gets the owner's permissions.

    Only the containers that mount the file can see it.
    """
    if all(scope.readers.get(file.id, ())):
        return file.mode
    owner = file.mode & _OWNER_BITS
    return file.mode | owner >> 3 | owner >> 6


def config_digest(scope: Scope, parts: Iterable[PodContainer]) -> str | None:
    """Return a digest of the files in a pod; None without files. For files with secrets, it covers the text and the secrets' names."""
    ids = sorted({id_ for part in parts for id_ in own_files(part)})
    return _digest([scope.files[id_] for id_ in ids if id_ in scope.files])


def seed_digest(scope: Scope, parts: Iterable[PodContainer]) -> str | None:
    """Return a digest of the seeds. It is not part of the pod template: a new seed changes nothing in a running pod."""
    ids = sorted({mount.file for part in parts for mount in part.container.files if mount.seed})
    return _digest([scope.files[id_] for id_ in ids if id_ in scope.files])


def shared_config_maps(scope: Scope) -> Iterator[Body]:
    """Yield the ConfigMaps that pods of several groups use: those of clouds and of the tools."""
    for cloud in scope.plan.clouds:
        owner = f"cloud-{cloud.id}"
        yield from config_maps(scope, owner, (cloud.fuse_mount,), scope.labels(owner))
    yield from config_maps(scope, scope.plan.tools.name, (scope.plan.tools,), scope.labels(scope.plan.tools.name))


def group_config_maps(scope: Scope, group: Group) -> Iterator[Body]:
    """Yield the ConfigMaps of the apps of a group."""
    for app in scope.members(group):
        yield from config_maps(scope, app.name, app.containers, scope.labels(app.name, zone=app.zone))


def _digest(files: list[File]) -> str | None:
    if not files:
        return None
    digest = hashlib.sha256()
    for file in files:
        for part in (file.id, *file.body):
            text = f"\x01{part.name}\x02{part.key}\x02{part.optional}\x02{part.form}" if isinstance(part, SecretRef) else f"\x00{part}"
            digest.update(text.encode())
    return digest.hexdigest()
