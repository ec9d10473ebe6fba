"""State that a person brings: folders whose content belongs to another user than the app runs as, which the app cannot write."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from shlex import quote

import msgspec

from portable.backends.common import backs_up, containers
from portable.model.base import Struct
from portable.model.folders import folder_of
from portable.model.plan import Container, Plan

MOVE_FOLDERS = (".portable-move", ".given-up-move-")
"""Beginnings of names of folders that a move keeps in a state folder, for root alone."""
MOST = 2000
"""Entries of a folder that are looked at: what another program wrote is foreign from its first file on."""


class StateFolder(Struct, frozen=True, kw_only=True):
    """A folder of the host with the state of an app that runs as one user from its start, and so cannot take over files of another."""

    app: str
    path: str
    uid: int
    gid: int
    skipped: tuple[str, ...] = ()
    """Relative paths of the plan's own files in it, and of the folders above them: the engine copies them there as root."""


class ForeignState(Struct, frozen=True, kw_only=True):
    """An entry of a state folder that its app may not write."""

    folder: StateFolder
    entry: str
    owner: str
    """User and group, for example `0:0`."""

    @property
    def text(self) -> str:
        """What is wrong."""
        own = self.folder
        return f"{own.app} runs as {own.uid}:{own.gid} and may not write {self.entry}, which belongs to {self.owner}"

    @property
    def remedy(self) -> str:
        """The command that gives the folder to the app."""
        return f"run as root while the app is stopped: `chown -R {self.folder.uid}:{self.folder.gid} {quote(self.folder.path)}`"


def state_folders(plan: Plan) -> tuple[StateFolder, ...]:
    """Return the state folders of apps that run as a user (`identity: user`); images with PUID take over their files by themselves."""
    volumes = {volume.id: volume for volume in plan.volumes if not plan.is_library(volume.id)}
    found: dict[str, StateFolder] = {}
    own: dict[str, set[str]] = {}
    for placed in containers(plan):
        who = placed.container.identity
        if who.how != "user" or placed.container.needs.root_start or backs_up(placed.container) or not placed.app:
            continue
        for mount in placed.container.mounts:
            path = folder_of(volumes[mount.volume]) if mount.volume in volumes else None
            if path is not None and mount.access == "rw":
                found.setdefault(path, StateFolder(app=placed.app.name, path=path, uid=who.uid, gid=who.gid))
                own.setdefault(path, set()).update(_own_files(placed.container, mount.path))
    return tuple(msgspec.structs.replace(folder, skipped=tuple(sorted(own[folder.path]))) for folder in found.values())


def _own_files(container: Container, mount: str) -> Iterator[str]:
    """The files of the plan below a mount, and the folders above them, relative to it."""
    for file in container.files:
        path = PurePosixPath(file.path)
        if path.is_relative_to(mount) and path != PurePosixPath(mount):
            inside = path.relative_to(mount)
            yield from (str(step) for step in (inside, *inside.parents) if str(step) != ".")


def foreign_state(folders: Iterable[StateFolder]) -> Iterator[ForeignState]:
    """Yield the first foreign entry of each folder of this machine. A folder that may not be read, or does not exist, yields nothing."""
    for folder in folders:
        for path in _entries(folder.path, frozenset(folder.skipped)):
            try:
                entry = os.lstat(path)
            except OSError:
                continue
            if not stat.S_ISLNK(entry.st_mode) and not _may_write(entry, folder):
                yield ForeignState(folder=folder, entry=path, owner=f"{entry.st_uid}:{entry.st_gid}")
                break


def _entries(folder: str, skipped: frozenset[str]) -> Iterator[str]:
    """The entries of a folder, itself first unless it has only files of the plan: then `init` gives it to its app."""
    left = MOST
    for parent, folders, files in os.walk(folder):
        if parent == folder:
            folders[:] = [name for name in folders if not name.startswith(MOVE_FOLDERS)]
        if parent == folder and {*folders, *files} - skipped:
            yield folder
        for name in (*folders, *files):
            if (left := left - 1) < 0:
                return
            path = f"{parent}/{name}"
            if os.path.relpath(path, folder) not in skipped:
                yield path


def _may_write(entry: os.stat_result, folder: StateFolder) -> bool:
    mode = entry.st_mode
    if entry.st_uid == folder.uid:
        return bool(mode & stat.S_IWUSR) or not stat.S_ISDIR(mode)
    return bool(mode & stat.S_IWOTH) or (entry.st_gid == folder.gid and bool(mode & stat.S_IWGRP))
