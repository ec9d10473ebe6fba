"""Mounts of a service. A folder of the host becomes a bind mount; scratch space becomes a named volume or a tmpfs."""

from pathlib import PurePosixPath
from typing import Any, assert_never

from portable.backends.common import Index, PlacedContainer, note, refuse, sees_clouds
from portable.backends.compose.part import ServicePart
from portable.model.findings import Finding
from portable.model.folders import folder_in
from portable.model.plan import CLOUDS, Claim, Ephemeral, Folder, Mount, Volume

_COVER = {"size": 4096, "mode": 0o555}
"""The tmpfs that hides other apps' state in the library: empty, read-only and too small for data. Size in bytes."""
_UNITS = ((1024**3, "g"), (1024**2, "m"), (1024, "k"))


def amount(size: int) -> str:
    """Write a number of bytes in the largest unit that is exact: `512m`."""
    return next((f"{size // unit}{letter}" for unit, letter in _UNITS if size % unit == 0 and size), f"{size}b")


def bind(path: str, target: str, *, read_only: bool = False, propagation: str | None = None) -> dict[str, Any]:
    """Return the bind mount of a host folder.

    The engine creates a missing folder, because containers are created before `init` sets its owner.
    """
    options: dict[str, Any] = {"create_host_path": True}
    if propagation:
        options["propagation"] = propagation
    return {"type": "bind", "source": path, "target": target, "bind": options, **({"read_only": True} if read_only else {})}


def named(volume: Volume, target: str, *, read_only: bool = False) -> dict[str, Any]:
    """Return the mount of a named volume; nothing is copied into it from the image."""
    return {
        "type": "volume",
        "source": volume.id,
        "target": target,
        "volume": {"nocopy": True},
        **({"read_only": True} if read_only else {}),
    }


def _in_memory(target: str, size: int | None, *, read_only: bool) -> dict[str, Any]:
    options = {"mode": 0o1777, **({"size": size} if size is not None else {})}
    return {"type": "tmpfs", "target": target, "tmpfs": options, **({"read_only": True} if read_only else {})}


def mounts(placed: PlacedContainer, index: Index) -> ServicePart:
    """Return the mounts of a container: its volumes, and the tree of clouds."""
    entries: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for mount in placed.container.mounts:
        volume = index.volumes.get(mount.volume)
        if volume is None:
            path = f"{placed.path}.mounts.{mount.volume}@{mount.path}"
            findings.append(
                refuse(
                    "volumes",
                    path,
                    "data",
                    f"Volume {mount.volume!r} does not exist.",
                    "declare the volume, or correct its name",
                    code="storage.volume-unknown",
                    app=placed.about,
                )
            )
            continue
        if entry := _mount(mount, volume):
            entries += [entry, *_covers(mount, volume)]
    if placed.cloud:
        entries.append(bind(CLOUDS, CLOUDS, propagation="rshared"))
    elif reads_clouds(placed, index):
        # Bind the parent, not the mount, so that a renewed mount is visible. Read-only, so that nothing fills the host meanwhile.
        entries.append(bind(CLOUDS, CLOUDS, propagation="rslave", read_only=True))
    return ServicePart({"volumes": entries}, tuple(findings))


def _mount(mount: Mount, volume: Volume) -> dict[str, Any] | None:
    read_only = mount.access == "ro"
    match volume.place:
        case Folder():
            return bind(folder_in(volume, volume.place), mount.path, read_only=read_only)
        case Ephemeral(in_memory=True, size=size):
            return _in_memory(mount.path, size, read_only=read_only)
        case Ephemeral():
            return named(volume, mount.path, read_only=read_only)
        case Claim():
            return None
        case _:
            assert_never(volume.place)


def _covers(mount: Mount, volume: Volume) -> list[dict[str, Any]]:
    root = PurePosixPath(mount.path)
    return [{"type": "tmpfs", "target": str(root / hidden), "tmpfs": dict(_COVER), "read_only": True} for hidden in volume.hides]


def reads_clouds(placed: PlacedContainer, index: Index) -> bool:
    """Return whether a container sees the clouds of its app: the main one, and those with the library, whose links lead to clouds."""
    return placed.app is not None and sees_clouds(placed.app, placed.container, index.volumes)


def named_volumes(index: Index, used: frozenset[str]) -> dict[str, dict[str, Any]]:
    """Return the named volumes of the project. `down` keeps them: nothing here ever asks for their removal."""
    return {
        volume.id: {}
        for volume in index.plan.volumes
        if volume.id in used and isinstance(volume.place, Ephemeral) and not volume.place.in_memory
    }


def volume_findings(index: Index, users: dict[str, int]) -> tuple[Finding, ...]:
    """Return findings on volumes that Compose cannot translate. `users` counts the containers that mount each volume."""
    findings: list[Finding] = []
    reported: set[str] = set()
    if index.plan.volumes:
        text = "Compose treats all volumes alike; planning has already used their purpose (state, database, library, cache)."
        findings.append(note("volumes.holds", "volumes.*.holds", "cosmetic", text, code="storage.purpose"))
    for volume in index.plan.volumes:
        path = f"volumes.{volume.id}"
        if volume.id not in users:
            text = f"No container mounts volume {volume.id}."
            findings.append(note("volumes", path, "cosmetic", text, code="storage.volume-unused"))
            continue
        match volume.place:
            case Folder(path=folder, mounted=True):
                if folder not in reported:
                    reported.add(folder)
                    text = f"Only `portable up` checks that a file system is mounted at {folder}; Docker does not check it at boot."
                    remedy = (
                        f"make Docker wait for the mount: run `systemctl edit docker`, and add `RequiresMountsFor={folder}` under `[Unit]`"
                    )
                    findings.append(note("volumes.mounted", f"{path}.place.mounted", "data", text, remedy, code="compose.mount-unchecked"))
            case Folder():
                pass
            case Claim():
                text = f"Compose does not support claims: containers would see an empty folder instead of {volume.id}."
                remedy = "use a folder of the host; mount a share on the host first, and name its mount point"
                findings.append(refuse("volumes.place", f"{path}.place", "data", text, remedy, code="compose.claim"))
            case Ephemeral(size=size, in_memory=in_memory):
                if volume.folder:
                    text = f"Docker mounts volume {volume.id} at its root, so its `folder` has no effect: it holds nothing else."
                    findings.append(note("volumes.folder", f"{path}.folder", "cosmetic", text, code="compose.volume-folder"))
                if size is not None and not in_memory:
                    text = f"Docker volumes have no size limit: {volume.id} can fill the disk."
                    remedy = "limit the cache in the app's own settings"
                    findings.append(note("volumes.size", f"{path}.place.size", "function", text, remedy, code="compose.volume-size"))
                if in_memory:
                    text = "A tmpfs mount has no name on Compose."
                    findings.append(note("volumes.id", f"{path}.id", "cosmetic", text, code="compose.tmpfs-name"))
                if in_memory and users[volume.id] > 1:
                    text = f"Containers cannot share a tmpfs mount on Compose: each would see its own {volume.id}."
                    remedy = "keep the volume on disk: remove `in-memory` from the app's file"
                    findings.append(
                        refuse("volumes.place", f"{path}.place.in_memory", "function", text, remedy, code="compose.tmpfs-shared")
                    )
            case _:
                assert_never(volume.place)
    return tuple(findings)
