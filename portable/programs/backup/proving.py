"""Verifies backups: their contents in the store, and complete restores to a scratch folder."""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from portable.programs.backup.databases import soundness
from portable.programs.backup.entries import SavedApp, TreeEntry, Truncated
from portable.programs.backup.errors import BackupError, reason
from portable.programs.backup.files import digest_of, opened, remove
from portable.programs.backup.putting import put
from portable.programs.backup.store import checked_manifest, chosen, entries_of, totals
from portable.programs.backup.tries import note_try

SCRATCH = ".check"


def prove(source: Path, entries: Iterable[TreeEntry]) -> None:
    """Raise BackupError if a file of the backup has changed in the store, or if a database in it is corrupted."""
    for entry in entries:
        if entry.kind in ("file", "database") and digest_of(source / entry.path)[0] != entry.sha256:
            raise BackupError(f"{entry.path}: its contents have changed in the store")
        if entry.kind == "database" and entry.sound == "ok" and (sound := soundness(source / entry.path)) != "ok":
            raise BackupError(f"{entry.path}: {sound}")


def check(store: Path, app: SavedApp, at: str = "") -> dict[str, Any]:
    """Test a restore: write the backup to a scratch folder in the store, compare it with the manifest, and remove the folder.

    Whether it passed is noted in the store, for those who need a backup that was tried.
    """
    name = chosen(store, app.name, at)
    backup, scratch = store / app.name / name, store / app.name / SCRATCH
    try:
        manifest = checked_manifest(backup)
    except BackupError as error:
        note_try(store / app.name, name, passed=False, text=reason(error))
        raise
    remove(scratch)
    began, notes, wrong = time.monotonic(), Truncated(), Truncated()
    try:
        scratch.mkdir(mode=0o700)
        for volume in manifest["volumes"]:
            (scratch / volume).mkdir(mode=0o700)
            with opened(scratch / volume) as folder:
                put(backup / volume, folder, entries_of(backup, volume), notes)
            for text in differences(scratch / volume, entries_of(backup, volume)):
                wrong.add(f"{volume}: {text}")
    except (OSError, BackupError) as error:
        wrong.add(reason(error))
    finally:
        remove(scratch)
    note_try(store / app.name, name, passed=not wrong, text="; ".join(wrong.lines()))
    result = {"app": app.name, "at": name, "result": "failed" if wrong else "done", **totals(manifest)}
    return {**result, "seconds": round(time.monotonic() - began, 1), "notes": [*wrong.lines(), *notes.lines()]}


def differences(folder: Path, entries: Iterable[TreeEntry]) -> Iterator[str]:
    """Yield the differences of a folder from a manifest. The folder's own mode and owner are not compared."""
    wanted = 0
    for entry in entries:
        if entry.path == ".":
            continue
        wanted += 1
        try:
            status = (folder / entry.path).lstat()
        except OSError:
            wanted -= 1
            yield f"{entry.path} is missing"
            continue
        if text := _difference(folder / entry.path, status, entry):
            yield text
    present = sum(len(folders) + len(files) for _, folders, files in os.walk(folder))
    if present != wanted:
        yield f"{present} files and folders instead of {wanted}"


def _difference(path: Path, status: os.stat_result, entry: TreeEntry) -> str:
    kind = "link" if stat.S_ISLNK(status.st_mode) else "folder" if stat.S_ISDIR(status.st_mode) else "file"
    if kind != (entry.kind if entry.kind != "database" else "file"):
        return f"{entry.path} is a {kind}, not a {entry.kind}"
    if kind == "file" and digest_of(path)[0] != entry.sha256:
        return f"{entry.path} differs in its content"
    if kind == "link" and str(path.readlink()) != entry.target:
        return f"{entry.path} differs in its target"
    if kind != "link" and stat.S_IMODE(status.st_mode) != entry.mode:
        return f"{entry.path} differs in its mode"
    if kind == "file" and status.st_mtime_ns != entry.mtime:
        return f"{entry.path} differs in its modification time"
    if os.geteuid() == 0 and (status.st_uid, status.st_gid) != (entry.uid, entry.gid):
        return f"{entry.path} differs in its owner"
    if entry.kind == "database" and entry.sound == "ok" and (sound := soundness(path)) != "ok":
        return f"{entry.path}: {sound}"
    return ""
