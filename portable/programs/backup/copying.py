"""Copies a volume: databases through SQLite, unchanged files as hard links to an earlier backup's copies."""

import contextlib
import hashlib
import json
import os
import sqlite3
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from portable.programs.backup.databases import BESIDE, copy_database, is_database, primary_code, soundness
from portable.programs.backup.entries import TreeEntry, Truncated, entry_of, parsed, plain, stamp_of
from portable.programs.backup.errors import BackupError, reason
from portable.programs.backup.files import FILE_FLAGS, GONE, copy_bytes, digest_of, new_file, remove
from portable.programs.backup.journal import BEFORE, GIVEN_UP, STAGED

_TRIES = 3
"""Attempts to copy a file that changes meanwhile."""
_TICK = 2_000_000_000
"""Nanoseconds; at least the resolution of any file system's times (SMB: 100 ns, ext3 and FAT: up to 2 s)."""


class VolumeCopy:
    """The result of copying a volume. Entries go to the listing at once, since an app may have a million files."""

    def __init__(self, listing: IO[bytes]) -> None:
        self.notes, self.failures = Truncated(), Truncated()
        self.files = self.databases = self.bytes = 0
        self.copied = 0
        """Bytes written; the rest is linked to an earlier backup."""
        self._listing, self._digest = listing, hashlib.sha256()

    def add(self, entry: TreeEntry) -> None:
        """Write an entry to the listing."""
        line = json.dumps(plain(entry)).encode() + b"\n"
        self._digest.update(line)
        self._listing.write(line)
        self.files += entry.kind in ("file", "database")
        self.databases += entry.kind == "database"
        self.bytes += entry.size

    def facts(self) -> dict[str, Any]:
        """The facts for the manifest."""
        counted = {"files": self.files, "databases": self.databases, "bytes": self.bytes}
        return {"listing": self._digest.hexdigest(), **counted, "notes": self.notes.lines(), "failures": self.failures.lines()}


class EarlierEntries:
    """The entries of an earlier backup by path, in a temporary file to save memory."""

    def __init__(self, folder: Path, entries: Iterable[TreeEntry]) -> None:
        folder.mkdir()
        self._folder, self._database = folder, sqlite3.connect(folder / "known", isolation_level=None)
        for pragma in ("journal_mode=off", "synchronous=off", "locking_mode=exclusive"):
            self._database.execute(f"pragma {pragma}")
        self._database.execute("create table known (path blob primary key, entry text) without rowid")
        self._database.execute("begin")
        lines = ((os.fsencode(entry.path), json.dumps(plain(entry))) for entry in entries)
        self._database.executemany("insert or replace into known values (?, ?)", lines)
        self._database.execute("commit")

    def get(self, path: str) -> TreeEntry | None:
        """The entry of that path; None if there is none."""
        record = self._database.execute("select entry from known where path = ?", (os.fsencode(path),)).fetchone()
        return parsed(json.loads(record[0])) if record else None

    def close(self) -> None:
        """Remove the temporary file."""
        self._database.close()
        remove(self._folder)


@dataclass(frozen=True, kw_only=True)
class _Item:
    """An item in an open folder of a volume, and the path of its copy."""

    name: str
    folder: int
    source: Path
    path: Path
    """Below the volume."""
    target: Path
    old: TreeEntry | None
    earlier: Path | None
    """The copy of the whole volume in an earlier backup."""


def is_restores_own(name: str) -> bool:
    """Whether a restore made it in an app's folder, so that it is not state of the app."""
    return name == STAGED or name.startswith((BEFORE, GIVEN_UP))


def copy_volume(source: Path, target: Path, copied: VolumeCopy, known: EarlierEntries | None, earlier: Path | None) -> None:
    """Copy a folder, its databases through SQLite. Files unchanged since `known` are linked to their copies in `earlier`.

    Links are copied as links. Other file systems below, sockets and pipes are skipped with a note. A folder is listed before its contents,
    and its contents before the next folder.
    """
    device = source.stat().st_dev

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # the app removed it meanwhile
            copied.failures.add(reason(error))

    for at, folders, files, descriptor in os.fwalk(source, follow_symlinks=False, onerror=failed):
        relative = Path(at).relative_to(source)
        if relative == Path():
            folders[:] = [name for name in folders if not is_restores_own(name)]
        (target / relative).mkdir(parents=True, exist_ok=True)
        copied.add(entry_of(relative, "folder", os.fstat(descriptor)))
        for name in sorted(folders):
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):
                    files.append(name)
                elif status.st_dev != device:
                    copied.notes.add(f"{relative / name} is on another file system and is left out")
                else:
                    continue
            folders.remove(name)
        _copy_files(source, target, relative, files, descriptor, copied, known, earlier)


def _copy_files(
    source: Path,
    target: Path,
    relative: Path,
    files: list[str],
    descriptor: int,
    copied: VolumeCopy,
    known: EarlierEntries | None,
    earlier: Path | None,
) -> None:
    """Copy the items of one folder, databases first, because the files beside a database are part of its copy."""
    databases = {name for name in files if is_database(name, descriptor)}
    beside: set[str] = set()
    files.sort(key=lambda name: (name not in databases, name))
    for name in files:
        if name in beside:
            continue
        path = relative / name
        old = known.get(str(path)) if known else None
        item = _Item(name=name, folder=descriptor, source=source / path, path=path, target=target / path, old=old, earlier=earlier)
        try:
            entry = _copy_one(item, copied, name in databases)
        except FileNotFoundError:
            continue  # the app removed it meanwhile
        except (OSError, sqlite3.Error, BackupError) as error:
            copied.failures.add(f"{path}: {reason(error)}")
            with contextlib.suppress(FileNotFoundError):
                item.target.unlink()
            continue
        if entry is not None:
            copied.add(entry)
            beside |= {f"{name}{suffix}" for suffix in BESIDE if entry.kind == "database"}


def _copy_one(item: _Item, copied: VolumeCopy, database: bool) -> TreeEntry | None:
    status = os.stat(item.name, dir_fd=item.folder, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        to = os.readlink(item.name, dir_fd=item.folder)
        item.target.symlink_to(to)
        return entry_of(item.path, "link", status, target=to)
    if not stat.S_ISREG(status.st_mode):
        copied.notes.add(f"{item.path} is a socket, a pipe or a device, and is left out")
        return None
    if database and (entry := _copy_database_file(item, status, copied)) is not None:
        return entry
    return _copy_plain_file(item, status, copied)


def _copy_database_file(item: _Item, status: os.stat_result, copied: VolumeCopy) -> TreeEntry | None:
    """Copy a database and check the copy; None if SQLite does not recognize it, although it begins like one."""
    try:
        copy_database(item.source, item.target, item.folder)
    except sqlite3.DatabaseError as error:
        if primary_code(error) != sqlite3.SQLITE_NOTADB:
            raise
        if item.old is not None and item.old.kind == "database":
            raise  # the earlier backup has it as a database
        copied.notes.add(f"{item.path} begins like a database, but SQLite cannot read it: copied as a file")
        return None
    digest, size = digest_of(item.target)
    sound = soundness(item.target)
    if sound != "ok":
        (copied.notes if sound.startswith("unknown") else copied.failures).add(f"{item.path}: {sound}")
    # The earlier copy replaces the one just checked only if it still has the same bytes.
    if not (item.earlier and _has_digest(item.earlier / item.path, digest) and _link_earlier(item, digest)):
        copied.copied += size
    return entry_of(item.path, "database", status, size=size, sha256=digest, sound=sound)


def _copy_plain_file(item: _Item, status: os.stat_result, copied: VolumeCopy) -> TreeEntry:
    """Link an unchanged file to its earlier copy, or copy it, with another attempt if it changes meanwhile."""
    old = item.old
    if old is not None and old.kind == "file" and old.stamp == stamp_of(status) and _link_earlier(item, old.sha256):
        return entry_of(item.path, "file", status, size=old.size, sha256=old.sha256, stamp=old.stamp)
    for _ in range(_TRIES):
        with os.fdopen(os.open(item.name, FILE_FLAGS, dir_fd=item.folder), "rb") as file:
            status = os.fstat(file.fileno())
            with new_file(item.target, flags=os.O_TRUNC) as made:
                digest, size = copy_bytes(file.fileno(), made)
            if stamp_of(os.fstat(file.fileno())) == stamp_of(status):
                break
    else:
        copied.notes.add(f"{item.path} changed during each of {_TRIES} copies")
    copied.copied += size
    os.utime(item.target, ns=(status.st_mtime_ns, status.st_mtime_ns))
    # A second write in the same tick of the clock would be invisible, so a file this young is copied again next time.
    settled = time.time_ns() - status.st_ctime_ns > _TICK
    return entry_of(item.path, "file", status, size=size, sha256=digest, stamp=stamp_of(status) if settled else ())


def _link_earlier(item: _Item, digest: str) -> bool:
    """Replace the copy by a link to the earlier copy if that has the same bytes; whether it was replaced."""
    if item.old is None or item.earlier is None or not digest or item.old.sha256 != digest:
        return False
    beside = item.target.with_name(f"{item.target.name[:200]}{GONE}")
    try:
        os.link(item.earlier / item.path, beside, follow_symlinks=False)
    except OSError:  # it is gone, or the file system supports no links, or no more links of this file
        return False
    beside.replace(item.target)
    return True


def _has_digest(path: Path, digest: str) -> bool:
    try:
        return digest_of(path)[0] == digest
    except OSError:
        return False
