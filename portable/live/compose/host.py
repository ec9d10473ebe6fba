"""Checks the needs of containers on the host before anything starts: device nodes, mounts and shared mounts."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from portable.backends.compose.project import MOUNTED
from portable.engines.mounts import MODULES, holding, parse, sharing
from portable.local.commands import carry_out, typed
from portable.model.errors import EngineError, raise_all
from portable.model.progress import Event, Progress, silent


def check_devices(body: Mapping[str, Any], *, local: bool) -> None:
    """Raise EngineError that names missing device nodes; checked for an engine of this machine only."""
    wanted: dict[str, list[str]] = {}
    for name, service in body.get("services", {}).items():
        for device in service.get("devices", ()):
            wanted.setdefault(str(device).split(":")[0], []).append(name)
    missing = {path: names for path, names in sorted(wanted.items()) if not Path(path).exists()} if local else {}
    if missing:
        devices = "; ".join(f"{path} (for {', '.join(names)})" for path, names in missing.items())
        modules = [MODULES[path] for path in missing if path in MODULES]
        remedy = f"run `modprobe {' '.join(modules)}` as root" if modules else "correct the path under `devices` of the profile"
        raise EngineError(f"missing device nodes: {devices}", code="host.device", where="this machine", remedy=remedy)


def check_mounts(body: Mapping[str, Any], *, local: bool) -> None:
    """Raise EngineError if nothing is mounted on a folder that must be a mount point: apps would start on an empty library.

    Checked for an engine of this machine only: the mounts of another host are not visible from here.
    """
    bare = sorted({path for path in body.get(MOUNTED, {}).values() if not os.path.ismount(path)}) if local else []
    if bare:
        raise EngineError(
            f"nothing is mounted on {', '.join(bare)}: apps would start on an empty library and create new databases",
            code="host.not-mounted",
            where="this machine",
            remedy="mount it, then run the same command again; for an ordinary folder, remove `mounted: true` in the profile",
        )


def check_folders(body: Mapping[str, Any], *, local: bool) -> None:
    """Raise every folder that the engine could not create or containers could not write, for an engine of this machine only."""
    wanted: dict[str, list[str]] = {}
    for name, service in body.get("services", {}).items() if local else ():
        for volume in service.get("volumes", ()):
            if volume.get("type") == "bind" and not volume.get("read_only"):
                wanted.setdefault(str(volume["source"]), []).append(name)
    problems: list[EngineError] = []
    for folder, names in sorted(wanted.items()):
        nearest = next(parent for parent in (Path(folder), *Path(folder).parents) if parent.exists())
        where = f"{folder} (for {', '.join(names)})"
        if nearest != Path(folder) and not nearest.is_dir():
            remedy = "move it away, or name another folder under `storage` of the profile"
            text = f"it cannot be created, because {nearest} is not a folder"
            problems.append(EngineError(text, code="host.not-a-folder", where=where, remedy=remedy))
        elif os.statvfs(nearest).f_flag & os.ST_RDONLY:
            text = "it is on a read-only file system"
            remedy = f"find out why with `findmnt -T {nearest}`: a damaged disk becomes read-only"
            problems.append(EngineError(text, code="host.read-only", where=where, remedy=remedy))
    raise_all(problems)


def shared_binds(body: Mapping[str, Any]) -> Iterator[str]:
    """Folders of the host that a Compose document binds rshared."""
    for service in body.get("services", {}).values():
        for volume in service.get("volumes", ()):
            if volume.get("bind", {}).get("propagation") == "rshared":
                yield volume["source"]


def check_shared(folders: set[str], *, local: bool) -> None:
    """Raise EngineError with the commands to run if `share` needs root and this process is not root."""
    for folder in _unshared(folders, local=local):
        if os.geteuid() != 0:
            remedy = f"run as root, after each start of the host: {typed(sharing(folder))}"
            raise EngineError(
                "it is not a shared mount, so containers do not see mounts below it", code="host.unshared", where=folder, remedy=remedy
            )


def _unshared(folders: set[str], *, local: bool) -> list[str]:
    if not local:
        return []
    mounts = parse(Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    return [f for f in sorted(folders) if (mount := holding(mounts, f)) is None or not mount.shared]


def share(folders: set[str], *, local: bool, progress: Progress = silent) -> None:
    """Make each folder a shared mount, for an engine of this machine; a remote engine reports the error itself.

    Raises EngineError with the commands to run if that needs root.
    """
    check_shared(folders, local=local)
    for folder in _unshared(folders, local=local):
        progress(Event(what="note", subject=folder, text="making it a shared mount, so that containers see clouds"))
        carry_out(sharing(folder), where=folder)
