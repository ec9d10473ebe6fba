"""Volumes of a pod, each with its mount in a container. Claims and PersistentVolumes are in `storage`."""

from collections.abc import Iterator
from typing import assert_never

from portable.backends.kubernetes.files import config_map_name, file_mode, plain_files
from portable.backends.kubernetes.names import Body, config_key, dns_label, quantity
from portable.backends.kubernetes.scope import PodContainer, Scope
from portable.backends.kubernetes.secrets import secret_name
from portable.model.devices import AnnotatedDevice, Device, Devices, HostDevice, PluginDevice
from portable.model.plan import CLOUDS, Claim, Container, Ephemeral, FileMount, Folder, Mount, Needs, SecretMount, Volume

Attached = tuple[Body, Body]
"""A volume of the pod, and its mount in one container."""
HIDDEN = "hidden"
_HIDDEN_SIZE = 64 * 1024


def attached(scope: Scope, part: PodContainer) -> Iterator[Attached]:
    """Yield the volumes and mounts of a container."""
    container = part.container
    for mount in container.mounts:
        yield from _plan_volume(scope, mount)
    for file in container.files:
        if not file.seed:
            yield from file_volume(scope, part.owner, _siblings(part), file, at=file.path)
    for secret in container.secrets:
        yield _secret_volume(scope, part, secret)
    if container.resources.shm is not None:
        name = dns_label(f"shm-{part.name}")
        yield _memory(name, container.resources.shm), {"name": name, "mountPath": "/dev/shm"}  # noqa: S108 - a mount, not a file
    if part.kind == "cloud":
        yield clouds_volume(), {"name": "clouds", "mountPath": CLOUDS, "mountPropagation": "Bidirectional"}
    elif part.clouds:
        # Mount the parent, never the cloud itself, so that readers see a renewed mount (docs/facts/fuse.md#bind-the-parent-folder).
        yield clouds_volume(), {"name": "clouds", "mountPath": CLOUDS, "mountPropagation": "HostToContainer"}
    yield from _device_nodes(scope.plan.devices, part)


def place_volume(volume: Volume) -> Body:
    """Return the pod's volume. Volumes of one claim are one: the kubelet then mounts one file system, so that hard links work."""
    place = volume.place
    match place:
        case Claim():
            return {"name": dns_label(f"claim-{place.name}"), "persistentVolumeClaim": {"claimName": dns_label(place.name)}}
        case Ephemeral():
            limit = {} if place.size is None else {"sizeLimit": quantity(place.size)}
            return {"name": dns_label(volume.id), "emptyDir": limit | ({"medium": "Memory"} if place.in_memory else {})}
        case Folder():
            # A finding refuses it: a node's folder does not move with its pod.
            return {"name": dns_label(f"folder-{volume.id}"), "hostPath": {"path": place.path, "type": "Directory"}}
        case _:
            assert_never(place)


def file_volume(scope: Scope, owner: str, containers: tuple[Container, ...], mount: FileMount, *, at: str) -> Iterator[Attached]:
    """Yield the mount of one file, by subPath, because the folder around it belongs to the app. `config-digest` recreates the pod."""
    file = scope.files.get(mount.file)
    if file is None:
        return
    key = config_key(file.id)
    if file.is_secret:
        name = dns_label(f"file-{file.id}")
        items = [{"key": scope.file_keys[file.id], "path": key, "mode": file_mode(scope, file)}]
        volume: Body = {"name": name, "secret": {"secretName": secret_name(scope.plan, file.id), "items": items}}
    else:
        name = dns_label(f"files-{owner}")
        files = plain_files(scope, containers)
        items = [{"key": config_key(f.id), "path": config_key(f.id), "mode": file_mode(scope, f)} for f in files]
        volume = {"name": name, "configMap": {"name": config_map_name(scope, owner), "items": items}}
    yield volume, {"name": name, "mountPath": at, "subPath": key, "readOnly": True}


def device_of(devices: Devices, needs: Needs) -> Iterator[tuple[str, Device | None]]:
    """Yield the devices that a container needs: the name of the need, and the profile's device."""
    if needs.tun:
        yield "tun", devices.tun
    if needs.fuse:
        yield "fuse", devices.fuse
    if needs.gpu:
        yield "gpu", devices.gpu


def clouds_volume() -> Body:
    """Return the pod's own volume for clouds. On the shared claim, mounts of several pods would cover each other.

    See docs/facts/fuse.md#clouds-in-pods.
    """
    return {"name": "clouds", "emptyDir": {}}


def _siblings(part: PodContainer) -> tuple[Container, ...]:
    return part.app.containers if part.app else (part.container,)


def _plan_volume(scope: Scope, mount: Mount) -> Iterator[Attached]:
    volume = scope.volumes.get(mount.volume)
    if volume is None:
        return
    body = place_volume(volume)
    read_only = {"readOnly": True} if mount.access == "ro" else {}
    sub_path = {"subPath": volume.folder} if volume.folder else {}
    yield body, {"name": body["name"], "mountPath": mount.path, **sub_path, **read_only}
    for folder in volume.hides:
        # The library contains other apps' state: an empty folder covers it.
        yield _memory(HIDDEN, _HIDDEN_SIZE), {"name": HIDDEN, "mountPath": f"{mount.path.rstrip('/')}/{folder}", "readOnly": True}


def _secret_volume(scope: Scope, part: PodContainer, secret: SecretMount) -> Attached:
    name = dns_label(f"secret-{part.name}-{secret.secret}")
    body: Body = {"secretName": secret_name(scope.plan, secret.secret), "items": [{"key": key, "path": key} for key in secret.keys]}
    if secret.optional:
        body["optional"] = True
    return {"name": name, "secret": body}, {"name": name, "mountPath": secret.path, "readOnly": True}


def _device_nodes(devices: Devices, part: PodContainer) -> Iterator[Attached]:
    """Yield the device nodes of the host. A container that mounts FUSE is privileged and has all of them."""
    if part.container.needs.fuse:
        return
    for need, device in device_of(devices, part.container.needs):
        match device:
            case HostDevice():
                name = f"device-{need}"
                yield {"name": name, "hostPath": {"path": device.path, "type": "CharDevice"}}, {"name": name, "mountPath": device.path}
            case PluginDevice() | AnnotatedDevice() | None:
                pass
            case _:
                assert_never(device)


def _memory(name: str, size: int) -> Body:
    return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": quantity(size)}}
