"""Backs up folders of apps' state and puts them back: folders to folders, Python's own library and nothing else.

It runs in the container `backup` as a script, at its times and by `portable backup | restore`. It knows no engine: that an app is
stopped is told to it. Killed at any moment it leaves what the same command, run again, completes (docs/adr/0010-backups.md).
"""

import argparse
import contextlib
import ctypes
import datetime
import errno
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1
"""Of the manifest."""
MANIFEST, JOURNAL, LOCK, SCRATCH = "manifest.json", ".restore.json", ".lock", ".check"
MAKING, GONE = ".making-", ".gone-"
STAGED, BEFORE = ".portable-restore", ".before-restore-"
"""In the folder of an app: what is about to take its place, and what was there before."""
_HALF = ("aside", "in")
"""Steps of a restore in which an app's state is neither what it was nor what it shall be."""
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_HEADER = b"SQLite format 3\0"
_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database (https://www.sqlite.org/tempfiles.html): in the copy that it makes, all of it is in the one file."""
_CHUNK = 1 << 20
_TRIES = 3
"""How often a file is copied that changes meanwhile."""
_LOCKED_SECONDS = 60.0
"""How long a database may be kept locked by its app before it counts as one that can't be copied."""
_PULSE_SECONDS = 10.0
_TICK = 2_000_000_000
"""Nanoseconds, far more than any file system's times are coarse (SMB: 100 ns, ext3 and FAT: up to 2 s)."""
_UNKNOWN = (
    "no such collation",
    "no such module",
    "no such function",
    "unknown tokenizer",
    "no such tokenizer",
    "malformed database schema",
)
"""What an app adds to SQLite, as Plex does: a check that needs it can't be made here, which says nothing of the file."""

Tell = Callable[[Mapping[str, Any]], None]


class Trouble(Exception):  # noqa: N818  # as a person says it
    """What keeps a command from being done, in words for a person."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file, folder or link of an app's state, and what its copy must be."""

    path: str
    """Below the volume; the volume itself is `.`."""
    kind: str
    """file, database, folder or link."""
    mode: int
    uid: int
    gid: int
    mtime: int
    """Nanoseconds."""
    size: int = 0
    sha256: str = ""
    target: str = ""
    stamp: tuple[int, ...] = ()
    """Inode, size, and times of content and of status: while these stay, nobody wrote the file (inode(7))."""
    sound: str = ""
    """What SQLite says of a database's copy: `ok`, or what is wrong; `unknown: ...` where only the app itself could tell."""


@dataclass(frozen=True, kw_only=True)
class App:
    """What is backed up of an app."""

    name: str
    image: str = ""
    volumes: Mapping[str, Path] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()
    """Volumes whose files mean something together only, as a database server's: copied while the app is stopped."""


@dataclass(kw_only=True)
class Copied:
    """What became of a volume."""

    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    copied: int = 0
    """Bytes that were written; the rest is linked to an earlier backup."""


def now() -> str:
    """The moment as backups are named, UTC; names sort as time does, and any file system takes them."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%S.%f")[:-3] + "Z"


# --- making ----------------------------------------------------------------------------------------------------------


def back_up(store: Path, app: App, keep: Mapping[str, int], *, stopped: bool = False) -> dict[str, Any]:
    """One backup of an app, whole or not there; then those that `keep` has no place for are removed. What was done, as a row."""
    began, home = time.monotonic(), store / app.name
    home.mkdir(mode=0o700, exist_ok=True)
    _clear(home)
    if (_journal(home) or {}).get("step") in _HALF:
        raise Trouble(f"a restore of {app.name} was begun and is not finished: run `portable restore {app.name}` again")
    at = now()
    while (home / at).exists():
        at = now()
    making = home / f"{MAKING}{at}"
    making.mkdir(mode=0o700)
    before = next((manifest for name in reversed(names(home)) if (manifest := read(home / name))), None)
    taken: dict[str, Any] = {}
    total, notes, failures = Copied(), [], []
    for name, folder in app.volumes.items():
        if name in app.stopped and not stopped:
            notes.append(
                f"{name} is left out: while {app.name} runs no copy of it would be sound; `portable backup --stop {app.name}` takes it"
            )
            continue
        known = {e.path: e for e in _entries(before, name)} if before else {}
        copied = copy(folder, making / name, known, home / before["at"] / name if before else None)
        taken[name] = {"entries": [_plain(entry) for entry in copied.entries], "notes": copied.notes, "failures": copied.failures}
        total.entries += copied.entries
        total.copied += copied.copied
        notes += [f"{name}: {text}" for text in copied.notes]
        failures += [f"{name}: {text}" for text in copied.failures]
    manifest = {
        "format": FORMAT,
        "app": app.name,
        "image": app.image,
        "at": at,
        "stopped": stopped,
        "sound": not failures,
        "volumes": taken,
    }
    if taken:
        _write(making / MANIFEST, manifest)
        _synced(making)
        making.rename(home / at)
        _synced(home)
    else:
        _remove(making)
    if taken and not failures:
        rotate(home, keep)
    files = [entry for entry in total.entries if entry.kind in ("file", "database")]
    return {
        "app": app.name,
        "at": at if taken else "",
        "result": "failed" if failures else "done" if taken else "left out",
        "files": len(files),
        "databases": sum(entry.kind == "database" for entry in files),
        "bytes": sum(entry.size for entry in files),
        "copied": total.copied,
        "seconds": round(time.monotonic() - began, 1),
        "notes": [*failures, *notes],
    }


def copy(source: Path, target: Path, known: Mapping[str, Entry], earlier: Path | None) -> Copied:
    """A folder as it is, its databases through SQLite; what did not change since `known` is linked to its copy in `earlier`.

    Links are copied as links. Other file systems below, sockets and pipes are left out, and said to be.
    """
    copied = Copied()
    device = source.stat().st_dev

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # its app removed it meanwhile
            copied.failures.append(_why(error))

    for at, folders, files, descriptor in os.fwalk(source, follow_symlinks=False, onerror=failed):
        here = Path(at).relative_to(source)
        if here == Path():
            folders[:] = [name for name in folders if name != STAGED and not name.startswith(BEFORE)]
        there = target / here
        there.mkdir(parents=True, exist_ok=True)
        copied.entries.append(_entry(here, "folder", os.fstat(descriptor)))
        for name in sorted(folders):
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISLNK(found.st_mode):
                    files.append(name)
                elif found.st_dev != device:
                    copied.notes.append(f"{here / name} is another file system and is left out")
                else:
                    continue
            folders.remove(name)
        databases = {name for name in sorted(files) if _is_database(name, descriptor)}
        beside: set[str] = set()
        for name in sorted(files, key=lambda name: (name not in databases, name)):
            if name in beside:
                continue
            old = known.get(str(here / name))
            try:
                entry = _copy_one(
                    source / here / name, name, descriptor, here / name, there / name, old, earlier, copied, name in databases
                )
            except FileNotFoundError:
                continue  # its app removed it meanwhile
            except (OSError, sqlite3.Error, Trouble) as error:
                copied.failures.append(f"{here / name}: {_why(error)}")
                with contextlib.suppress(FileNotFoundError):
                    (there / name).unlink()
                continue
            if entry is not None:
                copied.entries.append(entry)
                beside |= {f"{name}{suffix}" for suffix in _BESIDE if entry.kind == "database"}
    return copied


def _copy_one(
    source: Path, name: str, folder: int, path: Path, target: Path, old: Entry | None, earlier: Path | None, copied: Copied, database: bool
) -> Entry | None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        to = os.readlink(name, dir_fd=folder)
        target.symlink_to(to)
        return _entry(path, "link", found, target=to)
    if not stat.S_ISREG(found.st_mode):
        copied.notes.append(f"{path} is no file (a socket, a pipe or a device) and is left out")
        return None
    if database:
        try:
            copy_database(source, target)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_NOTADB:
                raise
            if old is not None and old.kind == "database":
                raise  # it was one the last time
            copied.notes.append(f"{path} begins like a database and is none that SQLite reads: copied as a file")
        else:
            digest, size = _digest(target)
            sound = soundness(target)
            if sound != "ok":
                (copied.notes if sound.startswith("unknown") else copied.failures).append(f"{path}: {sound}")
            # What was just proven gives way to the copy of before only where that is still the same.
            if not (earlier and _is_still(earlier / path, digest) and _linked(old, digest, earlier, path, target)):
                copied.copied += size
            return _entry(path, "database", found, size=size, sha256=digest, sound=sound)
    if old is not None and old.kind == "file" and old.stamp == _stamp(found) and _linked(old, old.sha256, earlier, path, target):
        return _entry(path, "file", found, size=old.size, sha256=old.sha256, stamp=old.stamp)
    for _ in range(_TRIES):
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as opened:
            found = os.fstat(opened.fileno())
            digest, size = _written(opened.fileno(), target)
            if _stamp(os.fstat(opened.fileno())) == _stamp(found):
                break
    else:
        copied.notes.append(f"{path} changed while it was copied, {_TRIES} times")
    copied.copied += size
    os.utime(target, ns=(found.st_mtime_ns, found.st_mtime_ns))
    # Written in the same tick of the clock once more, it would look the same: what is that young is copied again next time.
    settled = time.time_ns() - found.st_ctime_ns > _TICK
    return _entry(path, "file", found, size=size, sha256=digest, stamp=_stamp(found) if settled else ())


def copy_database(source: Path, target: Path) -> None:
    """One moment of a database in one file, by SQLite's online backup (https://www.sqlite.org/backup.html), while its app goes on.

    As root SQLite gives what it must make beside the database to the database's owner (`robustFchown` in its os_unix.c).
    """
    until = time.monotonic() + _LOCKED_SECONDS

    def waited(status: int, _left: int, _total: int) -> None:
        if status not in (sqlite3.SQLITE_OK, sqlite3.SQLITE_DONE) and time.monotonic() > until:
            raise Trouble(f"its app kept it locked for {_LOCKED_SECONDS:.0f} s: copy it while the app is stopped (`--stop`)")

    def taken(path: Path, mode: str) -> None:
        target.unlink(missing_ok=True)
        with (
            contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=5)) as original,
            contextlib.closing(sqlite3.connect(target)) as made,
        ):
            # All pages in one step: in steps a busy writer would make it begin anew each time.
            original.backup(made, pages=-1, progress=waited, sleep=0.05)

    try:
        taken(source, "ro")
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
        with tempfile.TemporaryDirectory(prefix=MAKING, dir=target.parent) as aside:
            taken(_set_aside(source, Path(aside)), "rw")


def _set_aside(source: Path, folder: Path) -> Path:
    """A database that nobody has open, with what lies beside it, in a folder of this program's own, where SQLite may mend and write.

    Never where it lies: a journal can name other files, which SQLite, mending as root, would remove (https://www.sqlite.org/fileformat.html,
    3, the super-journal). One that does is Trouble.
    """
    for suffix in ("", "-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            opened = os.open(source.with_name(f"{source.name}{suffix}"), os.O_RDONLY | os.O_NOFOLLOW)
            try:
                _written(opened, folder / f"database{suffix}")
            finally:
                os.close(opened)
    journal = folder / "database-journal"
    if journal.exists() and journal.read_bytes()[-8:] == _JOURNAL_MAGIC:
        raise Trouble("its journal names another one: start its app once, which mends it")
    return folder / "database"


def soundness(database: Path) -> str:
    """`ok`, what is wrong with it, or `unknown: ...` where only its app could tell. The file is not written, and nothing beside it."""
    try:
        with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
            said = [str(row[0]) for row in opened.execute("pragma integrity_check(3)")]
    except sqlite3.Error as error:
        unknown = any(text in str(error) for text in _UNKNOWN)
        return f"{'unknown' if unknown else 'corrupted'}: {error}"
    return "ok" if said == ["ok"] else f"corrupted: {'; '.join(said)}"


# --- keeping ---------------------------------------------------------------------------------------------------------


def names(home: Path) -> list[str]:
    """The whole backups of an app, oldest first."""
    return (
        sorted(path.name for path in home.iterdir() if not path.name.startswith(".") and (path / MANIFEST).is_file())
        if home.is_dir()
        else []
    )


def read(folder: Path) -> dict[str, Any] | None:
    """The manifest of a backup; None where there is none, or of a format that this program does not know."""
    try:
        found: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return found if found.get("format") == FORMAT else None


def kept(found: Sequence[str], keep: Mapping[str, int]) -> set[str]:
    """Of backups by name: the last ones, and the newest of each of the last days, ISO weeks and months that have any."""
    ordered = sorted(found)
    wanted = set(ordered[-max(1, keep.get("last", 0)) :])
    for count, period in ((keep.get("daily", 0), _day), (keep.get("weekly", 0), _week), (keep.get("monthly", 0), _month)):
        newest = {period(name): name for name in ordered}
        wanted |= {newest[key] for key in sorted(newest, reverse=True)[:count]}
    return wanted


def _day(name: str) -> str:
    return name[:10]


def _week(name: str) -> str:
    year, week, _ = datetime.date.fromisoformat(name[:10]).isocalendar()
    return f"{year}-{week:02}"


def _month(name: str) -> str:
    return name[:7]


def rotate(home: Path, keep: Mapping[str, int]) -> None:
    """Remove what has no place among those kept, of each volume: one that only few backups have is not driven out by those without it.

    An unsound one takes no place of a sound one, and goes when a later one is sound. What can't be read is nobody's to remove.
    """
    found = {name: manifest for name in names(home) if (manifest := read(home / name)) is not None}
    sound = {name: manifest for name, manifest in found.items() if manifest["sound"]}
    volumes = {volume for manifest in sound.values() for volume in manifest["volumes"]}
    stay = {name for volume in volumes for name in kept([n for n, manifest in sound.items() if volume in manifest["volumes"]], keep)}
    newest = max(sound, default="")
    for name in found:
        if name not in stay and name < newest:
            (home / name).rename(home / f"{GONE}{name}")
            _remove(home / f"{GONE}{name}")


def _clear(home: Path) -> None:
    """Remove what a killed run of this program left half-made."""
    for path in home.iterdir():
        if path.name.startswith((MAKING, GONE)):
            _remove(path)


# --- putting back ----------------------------------------------------------------------------------------------------


def chosen(store: Path, app: str, at: str = "") -> str:
    """The backup that is meant: the newest sound one, or the newest whose name begins with `at`."""
    found = names(store / app)
    if not found:
        raise Trouble(f"there is no backup of {app}")
    if at:
        if matching := [name for name in found if name.startswith(at)]:
            return matching[-1]
        raise Trouble(f"no backup of {app} is of {at}: there are {', '.join(found[-5:])}")
    if sound := [name for name in found if (read(store / app / name) or {}).get("sound")]:
        return sound[-1]
    raise Trouble(f"no backup of {app} is sound: name one with `--at`, of {', '.join(found[-5:])}")


def stage(store: Path, app: App, at: str = "") -> dict[str, Any]:
    """Put a backup beside the state of an app, proven, so that only renames are left: the app may run meanwhile, nothing of it changes.

    A journal says what was begun: a restore that was killed goes on, and one that had changed nothing yet gives way to another backup.
    """
    home = store / app.name
    journal = _journal(home)
    name = journal["at"] if journal and not at else chosen(store, app.name, at)
    if journal and journal["at"] != name:
        if journal["step"] in _HALF:
            raise Trouble(
                f"a restore of {app.name} to {journal['at']} is not finished: run `portable restore {app.name}` without --at first"
            )
        journal = None
    if journal and journal["step"] != "stage":
        return _row(app.name, name, [], "staged")
    manifest = _manifest(home / name)
    if unknown := sorted(set(manifest["volumes"]) - set(app.volumes)):
        raise Trouble(f"the backup has {', '.join(unknown)}, which {app.name} has not in this place")
    if mounted := [path for v in manifest["volumes"] for path in sorted(app.volumes[v].iterdir()) if path.is_mount()]:
        raise Trouble(f"{', '.join(map(str, mounted))} can't be put aside: something is mounted there; unmount it first")
    notes = [
        f"{volume} is not in the backup of {name}: it stays as it is" for volume in sorted(set(app.volumes) - set(manifest["volumes"]))
    ]
    _write(home / JOURNAL, journal or {"at": name, "began": now(), "step": "stage"})
    try:
        for folder in app.volumes.values():
            _remove(folder / STAGED)
        for volume in manifest["volumes"]:
            staged = app.volumes[volume] / STAGED
            notes += put(home / name / volume, staged, _entries(manifest, volume))
            _synced(staged)
    except (OSError, Trouble) as error:
        for volume in manifest["volumes"]:
            _remove(app.volumes[volume] / STAGED)
        (home / JOURNAL).unlink()
        raise Trouble(f"the backup of {name} can't be put back, and nothing was changed: {_why(error)}") from None
    _write(home / JOURNAL, {**_required(home), "step": "staged"})
    return _row(app.name, name, notes, "staged")


def swap(store: Path, app: App) -> dict[str, Any]:
    """Put the state of a stopped app aside, never away, and what was staged in its place. Renames only; run again it goes on."""
    home = store / app.name
    journal = _required(home)
    if journal["step"] == "stage":
        raise Trouble(f"nothing is staged for {app.name} yet")
    manifest = _manifest(home / journal["at"])
    folders = [app.volumes[volume] for volume in manifest["volumes"]]
    aside = f"{BEFORE}{journal['began']}"
    if journal["step"] == "staged":
        journal = {**journal, "step": "aside"}
        _write(home / JOURNAL, journal)
    if journal["step"] == "aside":
        for folder in folders:
            (folder / aside).mkdir(mode=0o700, exist_ok=True)
            for path in sorted(folder.iterdir()):
                if path.name != STAGED and not path.name.startswith(BEFORE):
                    path.rename(folder / aside / path.name)
            _synced(folder)
        journal = {**journal, "step": "in"}
        _write(home / JOURNAL, journal)
    for volume in manifest["volumes"]:
        folder = app.volumes[volume]
        staged = folder / STAGED
        for path in sorted(staged.iterdir()) if staged.is_dir() else ():
            _away(folder / path.name, folder / aside)
            path.rename(folder / path.name)
        if staged.is_dir():
            staged.rmdir()
        _owned(folder, next(e for e in _entries(manifest, volume) if e.path == "."), [])
        with contextlib.suppress(OSError):
            (folder / aside).rmdir()  # only where nothing is in it
        _synced(folder)
    (home / JOURNAL).unlink()
    _synced(home)
    there = [str(folder / aside) for folder in folders if (folder / aside).is_dir()]
    return {**_row(app.name, journal["at"], [], "done"), **_counted(manifest), "before": aside if there else ""}


def _away(path: Path, aside: Path) -> None:
    """What somebody made meanwhile where something is put back goes to what was there before."""
    if path.is_symlink() or path.exists():
        aside.mkdir(mode=0o700, exist_ok=True)
        name, number = path.name, 1
        while (aside / name).is_symlink() or (aside / name).exists():
            name, number = f"{path.name}.{number}", number + 1
        path.rename(aside / name)


def put(source: Path, target: Path, entries: Sequence[Entry]) -> list[str]:
    """Write a backup's volume to a folder that is not there yet, as its manifest says; notes on what can't be as it was.

    Trouble where a file of the backup is not what was backed up, or a database in it is corrupted.
    """
    notes: list[str] = []
    target.mkdir(parents=True, mode=0o700)
    for entry in entries:
        path = target / entry.path
        if entry.kind == "folder":
            path.mkdir(mode=0o700, exist_ok=True)
        elif entry.kind == "link":
            path.symlink_to(entry.target)
            _owned(path, entry, notes)
        else:
            with (source / entry.path).open("rb") as opened:
                digest, _ = _written(opened.fileno(), path)
            if digest != entry.sha256:
                raise Trouble(f"{entry.path} is not what was backed up: its bytes changed in the store")
            if entry.kind == "database" and entry.sound == "ok" and (sound := soundness(path)) != "ok":
                raise Trouble(f"{entry.path}: {sound}")
            _owned(path, entry, notes)
    for entry in reversed(entries):
        if entry.kind == "folder" and entry.path != ".":
            _owned(target / entry.path, entry, notes)
    return notes


def check(store: Path, app: App, at: str = "") -> dict[str, Any]:
    """A restore that is tried: into a folder of the store, compared with the manifest from the disk, and removed."""
    name = chosen(store, app.name, at)
    manifest = _manifest(store / app.name / name)
    scratch, notes = store / SCRATCH, []
    _remove(scratch)
    result = "done"
    began = time.monotonic()
    try:
        for volume in manifest["volumes"]:
            entries = _entries(manifest, volume)
            notes += put(store / app.name / name / volume, scratch / volume, entries)
            notes += [f"{volume}: {text}" for text in differing(scratch / volume, entries)]
        result = "failed" if any("differs" in note for note in notes) else "done"
    except (OSError, Trouble) as error:
        result = "failed"
        notes.append(_why(error))
    finally:
        _remove(scratch)
    counted = _counted(manifest)
    return {"app": app.name, "at": name, "result": result, **counted, "seconds": round(time.monotonic() - began, 1), "notes": notes}


def differing(folder: Path, entries: Sequence[Entry]) -> Iterator[str]:
    """Where a folder is not what a manifest says, read anew; its own mode and owner are its place's."""
    wanted = {entry.path: entry for entry in entries}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    for path in sorted(there ^ (wanted.keys() - {"."})):
        yield f"{path} differs: it is {'too much' if path in there else 'missing'}"
    for path in sorted(there & wanted.keys()):
        entry, found = wanted[path], (folder / path).lstat()
        kind = "link" if stat.S_ISLNK(found.st_mode) else "folder" if stat.S_ISDIR(found.st_mode) else "file"
        if kind != (entry.kind if entry.kind != "database" else "file"):
            yield f"{path} differs: it is a {kind}"
        elif kind == "file" and _digest(folder / path)[0] != entry.sha256:
            yield f"{path} differs in its content"
        elif kind == "link" and str((folder / path).readlink()) != entry.target:
            yield f"{path} differs in where it leads"
        elif kind != "link" and stat.S_IMODE(found.st_mode) != entry.mode:
            yield f"{path} differs in its mode"
        elif kind == "file" and found.st_mtime_ns != entry.mtime:
            yield f"{path} differs in its time"
        elif os.geteuid() == 0 and (found.st_uid, found.st_gid) != (entry.uid, entry.gid):
            yield f"{path} differs in its owner"


def listed(store: Path, app: str) -> Iterator[dict[str, Any]]:
    """The backups of an app, oldest first; one that can't be read is told as such."""
    for name in names(store / app):
        manifest = read(store / app / name)
        if manifest is None:
            yield {"app": app, "at": name, "result": "unreadable", "files": 0, "databases": 0, "bytes": 0, "image": ""}
        else:
            result = "sound" if manifest["sound"] else "unsound"
            yield {"app": app, "at": name, "result": result, **_counted(manifest), "image": manifest["image"]}


# --- small parts -----------------------------------------------------------------------------------------------------


def _row(app: str, at: str, notes: Sequence[str], result: str) -> dict[str, Any]:
    return {"app": app, "at": at, "result": result, "notes": list(notes)}


def _counted(manifest: Mapping[str, Any]) -> dict[str, int]:
    files = [e for volume in manifest["volumes"].values() for e in volume["entries"] if e["kind"] in ("file", "database")]
    databases = sum(e["kind"] == "database" for e in files)
    return {"files": len(files), "databases": databases, "bytes": sum(e.get("size", 0) for e in files)}


def _entry(path: Path, kind: str, found: os.stat_result, **more: Any) -> Entry:
    mode = stat.S_IMODE(found.st_mode)
    return Entry(path=str(path), kind=kind, mode=mode, uid=found.st_uid, gid=found.st_gid, mtime=found.st_mtime_ns, **more)


def _plain(entry: Entry) -> dict[str, Any]:
    return {key: value for key, value in asdict(entry).items() if value not in ("", ())}


def _entries(manifest: Mapping[str, Any], volume: str) -> list[Entry]:
    listed = manifest["volumes"].get(volume, {}).get("entries", ())
    return [Entry(**{**entry, "stamp": tuple(entry.get("stamp", ()))}) for entry in listed]


def _manifest(folder: Path) -> dict[str, Any]:
    found = read(folder)
    if found is None:
        raise Trouble(f"{folder.name}: its manifest can't be read, or is of another version of portable")
    for volume in found["volumes"].values():
        for entry in volume["entries"]:
            if entry["path"].startswith("/") or ".." in Path(entry["path"]).parts:
                raise Trouble(f"{folder.name}: its manifest names a path outside: {entry['path']}")
    return found


def _journal(home: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((home / JOURNAL).read_bytes())
    except FileNotFoundError:
        return None
    return found


def _required(home: Path) -> dict[str, Any]:
    journal = _journal(home)
    if journal is None:
        raise Trouble(f"no restore of {home.name} was begun")
    return journal


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _is_database(name: str, folder: int) -> bool:
    try:
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as opened:
            return stat.S_ISREG(os.fstat(opened.fileno()).st_mode) and opened.read(len(_HEADER)) == _HEADER
    except OSError:
        return False


def _linked(old: Entry | None, digest: str, earlier: Path | None, path: Path, target: Path) -> bool:
    """Whether the earlier copy of the same bytes stands for this one; it then does."""
    if old is None or earlier is None or not digest or old.sha256 != digest:
        return False
    beside = target.with_name(f"{target.name[:200]}{GONE}")
    try:
        os.link(earlier / path, beside, follow_symlinks=False)
    except OSError:  # it is gone, the file system has no links, or no more of this file
        return False
    beside.replace(target)
    return True


def _is_still(path: Path, digest: str) -> bool:
    try:
        return _digest(path)[0] == digest
    except OSError:
        return False


def _written(source: int, target: Path) -> tuple[str, int]:
    """Copy an open file from its start; the digest and size of what was written."""
    digest, size = hashlib.sha256(), 0
    os.lseek(source, 0, os.SEEK_SET)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb", buffering=0) as opened:
        while chunk := os.read(source, _CHUNK):
            digest.update(chunk)
            size += len(chunk)
            left = memoryview(chunk)
            while left:
                left = left[opened.write(left) :]
    return digest.hexdigest(), size


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return digest, opened.tell()


def _owned(path: Path, entry: Entry, notes: list[str]) -> None:
    """Owner, mode and time as they were; where this user may not give a file away, that is noted."""
    try:
        os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    except PermissionError:
        if (text := f"belongs to {os.geteuid()} now, not to {entry.uid}:{entry.gid}") not in notes:
            notes.append(text)
    if entry.kind != "link":
        # Who is not in a file's group and lacks FSETID has its setgid bit taken away in silence (chmod(2)).
        group = os.getegid()
        with contextlib.suppress(PermissionError):
            os.setegid(entry.gid)
        path.chmod(entry.mode)
        os.setegid(group)
    os.utime(path, ns=(entry.mtime, entry.mtime), follow_symlinks=False)


def _write(path: Path, value: Mapping[str, Any]) -> None:
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w", encoding="utf-8") as opened:
        json.dump(value, opened)
        opened.flush()
        os.fsync(opened.fileno())
    beside.replace(path)
    _synced(path.parent)


def _synced(folder: Path) -> None:
    """Everything of that file system is on its disk: syncfs(2), one call for all files."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove a folder that this program made, whatever the modes in it; a link that lies in its place is removed, not followed."""
    if folder.is_symlink():
        folder.unlink()
    if not folder.is_dir():
        return
    for at, _, _ in os.walk(folder):
        Path(at).chmod(0o700)
    shutil.rmtree(folder)


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        said = {errno.ENOSPC: "no space is left", errno.EDQUOT: "the quota is used up"}.get(error.errno or 0, error.strerror)
        return f"{error.filename}: {said}" if error.filename is not None else said
    return str(error)


# --- the command -----------------------------------------------------------------------------------------------------


def read_config(path: Path) -> tuple[Path, Mapping[str, int], dict[str, App]]:
    """The store, what is kept, and the apps, as the plan says."""
    given = json.loads(path.read_text(encoding="utf-8"))
    apps = {
        name: App(
            name=name,
            image=facts["image"],
            volumes={volume: Path(v["at"]) for volume, v in facts["volumes"].items()},
            stopped=tuple(volume for volume, v in facts["volumes"].items() if v["copied"] == "stopped"),
        )
        for name, facts in given["apps"].items()
    }
    return Path(given["store"]), given["keep"], apps


@contextlib.contextmanager
def locked(store: Path) -> Iterator[None]:
    """One at a time works on a store; the lock goes with its process, however that ends."""
    with (store / LOCK).open("a") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def beating(tell: Tell) -> Iterator[None]:
    """A sign of life now and then: who reads along tells work from a connection that is gone."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_PULSE_SECONDS):
            tell({"pulse": True})

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where all was done; 1 where something failed."""
    parser = argparse.ArgumentParser(prog="backup", description=__doc__)
    parser.add_argument("command", choices=("backup", "list", "check", "stage", "swap"))
    parser.add_argument("apps", nargs="*", metavar="APP")
    parser.add_argument("--at", default="", help="the backup of that time, or the newest of those that begin so")
    parser.add_argument("--stopped", action="store_true", help="the apps are stopped: everything of them may be copied")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each row, for programs")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("backup.json"))
    asked = parser.parse_args(arguments)
    store, keep, apps = read_config(asked.config)
    os.umask(0o077)

    def tell(row: Mapping[str, Any]) -> None:
        if asked.json or "pulse" not in row:
            with contextlib.suppress(BrokenPipeError):
                sys.stdout.write((json.dumps(row) if asked.json else _sentence(row)) + "\n")
                sys.stdout.flush()

    well = True
    with beating(tell), locked(store) if asked.command != "list" else contextlib.nullcontext():
        for name in asked.apps or sorted(apps):
            if not asked.apps and asked.command == "check" and not names(store / name):
                continue
            try:
                app = apps[name]
                if asked.command == "list":
                    for row in listed(store, name):
                        tell(row)
                    continue
                row = {
                    "backup": lambda app=app: back_up(store, app, keep, stopped=asked.stopped),
                    "check": lambda app=app: check(store, app, asked.at),
                    "stage": lambda app=app: stage(store, app, asked.at),
                    "swap": lambda app=app: swap(store, app),
                }[asked.command]()
            except KeyError:
                row = _row(name, "", [f"nothing of {name} is backed up here"], "failed")
            except (Trouble, OSError) as error:
                row = _row(name, "", [_why(error)], "failed")
            well = well and row["result"] != "failed"
            tell(row)
    return 0 if well else 1


def _sentence(row: Mapping[str, Any]) -> str:
    told = f", {row['files']} files, {row['databases']} databases, {row['bytes']} bytes" if "files" in row else ""
    return "\n    ".join([f"{row['app']}: {row['result']} {row.get('at', '')}".rstrip() + told, *row.get("notes", ())])


if __name__ == "__main__":
    raise SystemExit(main())
