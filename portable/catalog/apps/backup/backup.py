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
import io
import itertools
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

FORMAT = 2
"""Of the manifest. In the first one the files stood in it; now each volume has a listing beside it, a line for each, read as it goes."""
MANIFEST, LISTING, JOURNAL, LOCK, SCRATCH = "manifest.json", ".files.jsonl", ".restore.json", ".lock", ".check"
MAKING, GONE = ".making-", ".gone-"
STAGED, BEFORE, GIVEN_UP = ".portable-restore", ".before-restore-", ".given-up-restore-"
"""In the folder of an app: what is about to take its place, what was there before, and what a restore that was given up had put there."""
_FORWARD, _BACK = ("aside", "in"), ("out", "back")
_HALF = (*_FORWARD, *_BACK)
"""Steps of a restore, or of giving it up, in which an app's state is neither what it was nor what it shall be."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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
_TOLD = 50
"""Sentences of a kind that are told of an app: a folder of a hundred thousand files that can't be read says it once too often."""
_AT_ONCE = 1000
"""Names of a folder that are held at once while it is emptied."""
_PR_SET_PDEATHSIG = 1
"""prctl(2)."""
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


class Unchanged(Trouble):
    """What kept a restore from changing anything of an app's state: it may run."""


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


class Few:
    """The first of many sentences, and how many more there were."""

    def __init__(self) -> None:
        self._first: list[str] = []
        self._more = 0

    def add(self, text: str) -> None:
        """One more; the same is told once."""
        if len(self._first) >= _TOLD:
            self._more += 1
        elif text not in self._first:
            self._first.append(text)

    def told(self) -> list[str]:
        """As a person reads them."""
        return [*self._first, *([f"... and {self._more} more"] if self._more else [])]

    def __bool__(self) -> bool:
        return bool(self._first)


class Copied:
    """What became of a volume. Its entries go to the listing as they come: an app may have a million files, this program little memory."""

    def __init__(self, listing: IO[bytes]) -> None:
        self.notes, self.failures = Few(), Few()
        self.files = self.databases = self.bytes = 0
        self.copied = 0
        """Bytes that were written; the rest is linked to an earlier backup."""
        self._listing, self._digest = listing, hashlib.sha256()

    def add(self, entry: Entry) -> None:
        """Note what was copied."""
        line = json.dumps(_plain(entry)).encode() + b"\n"
        self._digest.update(line)
        self._listing.write(line)
        self.files += entry.kind in ("file", "database")
        self.databases += entry.kind == "database"
        self.bytes += entry.size

    def told(self) -> dict[str, Any]:
        """As the manifest says it."""
        counted = {"files": self.files, "databases": self.databases, "bytes": self.bytes}
        return {"listing": self._digest.hexdigest(), **counted, "notes": self.notes.told(), "failures": self.failures.told()}


class Known:
    """What an earlier backup has, by path: in a file that is gone with this, not in memory."""

    def __init__(self, folder: Path, entries: Iterable[Entry]) -> None:
        folder.mkdir()
        self._folder, self._opened = folder, sqlite3.connect(folder / "known", isolation_level=None)
        for pragma in ("journal_mode=off", "synchronous=off", "locking_mode=exclusive"):
            self._opened.execute(f"pragma {pragma}")
        self._opened.execute("create table known (path blob primary key, entry text) without rowid")
        self._opened.execute("begin")
        lines = ((os.fsencode(entry.path), json.dumps(_plain(entry))) for entry in entries)
        self._opened.executemany("insert or replace into known values (?, ?)", lines)
        self._opened.execute("commit")

    def get(self, path: str) -> Entry | None:
        """The entry of that path, where it has one."""
        found = self._opened.execute("select entry from known where path = ?", (os.fsencode(path),)).fetchone()
        return _parsed(json.loads(found[0])) if found else None

    def close(self) -> None:
        """Remove it."""
        self._opened.close()
        remove(self._folder)


def now() -> str:
    """The moment as backups are named, UTC; names sort as time does, and any file system takes them."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%S.%f")[:-3] + "Z"


# --- making ----------------------------------------------------------------------------------------------------------


def back_up(store: Path, app: App, keep: Mapping[str, int], *, stopped: bool = False) -> dict[str, Any]:
    """One backup of an app, whole or not there; then those that `keep` has no place for are removed. What was done, as a row."""
    began, home = time.monotonic(), store / app.name
    home.mkdir(mode=0o700, exist_ok=True)
    _clear(home)
    if (step := (_journal(home) or {}).get("step")) in _HALF:
        how = f"portable restore {'--abort ' if step in _BACK else ''}{app.name}"
        raise Trouble(f"a restore of {app.name} was begun and is not finished: run `{how}` again")
    at = now()
    while (home / at).exists():
        at = now()
    making = home / f"{MAKING}{at}"
    making.mkdir(mode=0o700)
    before = next((manifest for name in reversed(names(home)) if (manifest := read(home / name))), None)
    taken: dict[str, dict[str, Any]] = {}
    copied, notes, failures = 0, [], []
    for name, folder in app.volumes.items():
        if name in app.stopped and not stopped:
            notes.append(
                f"{name} is left out: while {app.name} runs no copy of it would be sound; `portable backup --stop {app.name}` takes it"
            )
            continue
        done = _copied(folder, making / name, home / before["at"] if before else None)
        copied += done.copied
        taken[name] = done.told()
        notes += [f"{name}: {text}" for text in done.notes.told()]
        failures += [f"{name}: {text}" for text in done.failures.told()]
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
        remove(making)
    if taken and not failures:
        rotate(home, keep)
    return {
        "app": app.name,
        "at": at if taken else "",
        "result": "failed" if failures else "done" if taken else "left out",
        **_counted(manifest),
        "copied": copied,
        "seconds": round(time.monotonic() - began, 1),
        "notes": [*failures, *notes],
    }


def _copied(source: Path, target: Path, earlier: Path | None) -> Copied:
    """A volume and its listing; what an earlier backup has of it is known where its listing is still what was written."""
    manifest = read(earlier) if earlier else None
    known = None
    if earlier and manifest and target.name in manifest["volumes"] and _is_listed(earlier, manifest, target.name):
        known = Known(target.with_name(f"{MAKING}{target.name}"), _entries(earlier, target.name))
    try:
        with target.with_name(f"{target.name}{LISTING}").open("xb") as listing:
            copied = Copied(listing)
            copy(source, target, copied, known, earlier / target.name if earlier else None)
            return copied
    finally:
        if known is not None:
            known.close()


def copy(source: Path, target: Path, copied: Copied, known: Known | None, earlier: Path | None) -> None:
    """A folder as it is, its databases through SQLite; what did not change since `known` is linked to its copy in `earlier`.

    Links are copied as links. Other file systems below, sockets and pipes are left out, and said to be. A folder is told before what is
    in it, and all that is in it before its neighbour.
    """
    device = source.stat().st_dev

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # its app removed it meanwhile
            copied.failures.add(_why(error))

    for at, folders, files, descriptor in os.fwalk(source, follow_symlinks=False, onerror=failed):
        here = Path(at).relative_to(source)
        if here == Path():
            folders[:] = [name for name in folders if not _is_ours(name)]
        there = target / here
        there.mkdir(parents=True, exist_ok=True)
        copied.add(_entry(here, "folder", os.fstat(descriptor)))
        for name in sorted(folders):
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISLNK(found.st_mode):
                    files.append(name)
                elif found.st_dev != device:
                    copied.notes.add(f"{here / name} is another file system and is left out")
                else:
                    continue
            folders.remove(name)
        databases = {name for name in files if _is_database(name, descriptor)}
        beside: set[str] = set()
        files.sort(key=lambda name: (name not in databases, name))
        for name in files:
            if name in beside:
                continue
            old = known.get(str(here / name)) if known else None
            try:
                entry = _copy_one(
                    source / here / name, name, descriptor, here / name, there / name, old, earlier, copied, name in databases
                )
            except FileNotFoundError:
                continue  # its app removed it meanwhile
            except (OSError, sqlite3.Error, Trouble) as error:
                copied.failures.add(f"{here / name}: {_why(error)}")
                with contextlib.suppress(FileNotFoundError):
                    (there / name).unlink()
                continue
            if entry is not None:
                copied.add(entry)
                beside |= {f"{name}{suffix}" for suffix in _BESIDE if entry.kind == "database"}


def _copy_one(
    source: Path, name: str, folder: int, path: Path, target: Path, old: Entry | None, earlier: Path | None, copied: Copied, database: bool
) -> Entry | None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        to = os.readlink(name, dir_fd=folder)
        target.symlink_to(to)
        return _entry(path, "link", found, target=to)
    if not stat.S_ISREG(found.st_mode):
        copied.notes.add(f"{path} is no file (a socket, a pipe or a device) and is left out")
        return None
    if database:
        try:
            copy_database(source, target, folder)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_NOTADB:
                raise
            if old is not None and old.kind == "database":
                raise  # it was one the last time
            copied.notes.add(f"{path} begins like a database and is none that SQLite reads: copied as a file")
        else:
            digest, size = _digest(target)
            sound = soundness(target)
            if sound != "ok":
                (copied.notes if sound.startswith("unknown") else copied.failures).add(f"{path}: {sound}")
            # What was just proven gives way to the copy of before only where that is still the same.
            if not (earlier and _is_still(earlier / path, digest) and _linked(old, digest, earlier, path, target)):
                copied.copied += size
            return _entry(path, "database", found, size=size, sha256=digest, sound=sound)
    if old is not None and old.kind == "file" and old.stamp == _stamp(found) and _linked(old, old.sha256, earlier, path, target):
        return _entry(path, "file", found, size=old.size, sha256=old.sha256, stamp=old.stamp)
    for _ in range(_TRIES):
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as opened:
            found = os.fstat(opened.fileno())
            with _new(target, how=os.O_TRUNC) as made:
                digest, size = _written(opened.fileno(), made)
            if _stamp(os.fstat(opened.fileno())) == _stamp(found):
                break
    else:
        copied.notes.add(f"{path} changed while it was copied, {_TRIES} times")
    copied.copied += size
    os.utime(target, ns=(found.st_mtime_ns, found.st_mtime_ns))
    # Written in the same tick of the clock once more, it would look the same: what is that young is copied again next time.
    settled = time.time_ns() - found.st_ctime_ns > _TICK
    return _entry(path, "file", found, size=size, sha256=digest, stamp=_stamp(found) if settled else ())


def copy_database(source: Path, target: Path, folder: int) -> None:
    """One moment of a database in one file, by SQLite's online backup (https://www.sqlite.org/backup.html), while its app goes on.

    As root SQLite gives what it must make beside the database to the database's owner (`robustFchown` in its os_unix.c). SQLite knows paths
    only, and follows links: what it has open by one must lie in `folder`, which is held open, before anything of it is stored.
    """
    until = time.monotonic() + _LOCKED_SECONDS

    def waited(status: int, _left: int = 0, _total: int = 0) -> None:
        if status not in (sqlite3.SQLITE_OK, sqlite3.SQLITE_DONE) and time.monotonic() > until:
            raise Trouble(f"its app kept it locked for {_LOCKED_SECONDS:.0f} s: copy it while the app is stopped (`--stop`)")

    def taken(path: Path, mode: str, within: int | None = None) -> None:
        target.unlink(missing_ok=True)
        if within is not None:
            _lying(path.name, within)
        before = _open_files()
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=5)) as original:
            if within is not None:
                _read_begun(original, waited)
                _refuse_foreign([found for number, found in _open_files().items() if number not in before], _lying(path.name, within))
            with contextlib.closing(sqlite3.connect(target)) as made:
                # All pages in one step: in steps a busy writer would make it begin anew each time.
                original.backup(made, pages=-1, progress=waited, sleep=0.05)

    try:
        taken(source, "ro", folder)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
        with tempfile.TemporaryDirectory(prefix=MAKING, dir=target.parent) as aside:
            taken(_set_aside(source.name, folder, Path(aside)), "rw")


def _read_begun(opened: sqlite3.Connection, waited: Callable[[int], None]) -> None:
    """Begin to read: until that ends SQLite opens no other file of the database, and who else uses it can't remove its log."""
    opened.isolation_level = None
    opened.execute("begin")
    while True:
        try:
            opened.execute("pragma schema_version").fetchone()
        except sqlite3.OperationalError as error:
            if (code := getattr(error, "sqlite_errorcode", 0)) & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            waited(code)
            time.sleep(0.05)
        else:
            return


def _open_files() -> dict[int, os.stat_result]:
    """What this process has open, by descriptor."""
    found = {}
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        with contextlib.suppress(OSError):  # the folder itself, which was open only to be read
            found[number] = os.fstat(number)
    return found


def _lying(name: str, folder: int) -> list[os.stat_result]:
    """A database and what lies beside it, in a folder that is held open. Trouble where one is a link, which SQLite would follow."""
    found = []
    for suffix in ("", *_BESIDE):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.stat(f"{name}{suffix}", dir_fd=folder, follow_symlinks=False))
            if not stat.S_ISREG(found[-1].st_mode):
                raise Trouble(f"{name}{suffix} is a link or no file at all, and is not followed")
    return found


def _refuse_foreign(opened: Iterable[os.stat_result], own: Sequence[os.stat_result]) -> None:
    """Trouble where what SQLite opened is not that. It stays open, so that no number of a file can be another one's meanwhile."""
    known = [any(os.path.samestat(found, one) for one in own) for found in opened]
    if not known or not all(known):
        raise Trouble("it, its log or its folder was changed for another one while it was copied")


def _set_aside(name: str, there: int, folder: Path) -> Path:
    """A database that nobody has open, with what lies beside it, in a folder of this program's own, where SQLite may mend and write.

    Never where it lies: a journal can name other files, which SQLite, mending as root, would remove (https://www.sqlite.org/fileformat.html,
    3, the super-journal). One that does is Trouble.
    """
    for suffix in ("", "-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            opened = os.open(f"{name}{suffix}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=there)
            try:
                with _new(folder / f"database{suffix}") as made:
                    _written(opened, made)
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
    """What a backup's manifest says, but for its files; None where there is none, or of a format that this program does not know."""
    try:
        found: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    if found.get("format") == 1:
        for volume in found["volumes"].values():
            files = [e for e in volume.pop("entries") if e["kind"] in ("file", "database")]
            databases, size = sum(e["kind"] == "database" for e in files), sum(e.get("size", 0) for e in files)
            volume.update(files=len(files), databases=databases, bytes=size)
    return found if found.get("format") in (1, FORMAT) else None


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
            remove(home / f"{GONE}{name}")


def _clear(home: Path) -> None:
    """Remove what a killed run of this program left half-made."""
    for path in home.iterdir():
        if path.name.startswith((MAKING, GONE)):
            remove(path)


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
    """Prove a backup that shall be put back, and that it has room, while the app still runs: nothing of its state changes, nor beside it.

    One of which nothing was put in place yet gives way to another; one that was killed half-way goes on.
    """
    home = store / app.name
    journal = _journal(home)
    if journal and journal["step"] in _BACK:
        raise Trouble(f"a restore of {app.name} is being given up: run `portable restore --abort {app.name}` again")
    if journal and journal["step"] in _FORWARD:
        if at and chosen(store, app.name, at) != journal["at"]:
            raise Trouble(
                f"a restore of {app.name} to {journal['at']} is not finished: run `portable restore {app.name}` without --at first, "
                f"or give it up with `portable restore --abort {app.name}`"
            )
        return _row(app.name, journal["at"], [], "staged")
    name = chosen(store, app.name, at)
    manifest = _manifest(home / name)
    if unknown := sorted(set(manifest["volumes"]) - set(app.volumes)):
        raise Trouble(f"the backup has {', '.join(unknown)}, which {app.name} has not in this place")
    _refuse_mounts(app.volumes[volume] for volume in manifest["volumes"])
    _refuse_without_room({app.volumes[volume]: facts["bytes"] for volume, facts in manifest["volumes"].items()})
    try:
        for volume in manifest["volumes"]:
            prove(home / name / volume, _entries(home / name, volume))
    except (OSError, Trouble) as error:
        raise Trouble(f"the backup of {name} can't be put back, and nothing was changed: {_why(error)}") from None
    _noted(home, {"at": name, "step": "staged"})
    notes = [
        f"{volume} is not in the backup of {name}: it stays as it is" for volume in sorted(set(app.volumes) - set(manifest["volumes"]))
    ]
    return _row(app.name, name, notes, "staged")


def swap(store: Path, app: App) -> dict[str, Any]:
    """Put the state of a stopped app aside, never away, and a proven backup in its place; run again it goes on.

    The backup is copied beside the state only now, when nobody is there who could change a folder for a link under this program's hands;
    still no link is followed. Until all of it lies there nothing of the state has changed, and what goes wrong leaves it so.
    """
    home = store / app.name
    journal = _required(home)
    if journal["step"] in _BACK:
        raise Trouble(f"the restore of {app.name} is being given up: run `portable restore --abort {app.name}` again")
    try:
        manifest = _manifest(home / journal["at"])
        folders = {volume: app.volumes[volume] for volume in manifest["volumes"]}
        if journal["step"] not in _FORWARD:
            journal = _beside(home, journal["at"], folders)
    except (OSError, Trouble) as error:
        if (_journal(home) or {}).get("step") in _HALF:
            raise
        with contextlib.suppress(OSError):  # what stays of it is removed by the next one
            _unstaged(app)
            (home / JOURNAL).unlink()
        raise Unchanged(f"the backup of {journal['at']} can't be put back, and nothing was changed: {_why(error)}") from None
    if journal["step"] == "aside":
        for at in folders.values():
            with opened(at) as folder, opened(journal["aside"], folder, made=True) as aside:
                for name in _names(folder):
                    if not _is_ours(name):
                        _renamed(name, folder, aside, at)
            _synced(at)
        journal = _noted(home, {**journal, "step": "in"})
    there = False
    for volume, at in folders.items():
        with opened(at) as folder:
            _emptied(STAGED, folder, journal["aside"], at)
            _owned(folder, next(e for e in _entries(home / journal["at"], volume) if e.path == "."), Few())
            there = not _rmdir(journal["aside"], folder) or there
        _synced(at)
    notes = [*journal.get("notes", []), *_ended(home)]
    return {**_row(app.name, journal["at"], notes, "done"), **_counted(manifest), "before": journal["aside"] if there else ""}


def _beside(home: Path, name: str, folders: Mapping[str, Path]) -> dict[str, Any]:
    """Copy a backup beside the state of its app; the journal, which says from now on that the two change places."""
    notes = Few()
    _refuse_mounts(folders.values())
    for volume, at in folders.items():
        with opened(at) as folder:
            _removed(STAGED, folder)
            with opened(STAGED, folder, made=True) as staged:
                put(home / name / volume, staged, _entries(home / name, volume), notes)
            _synced(at)
    were = {volume: _facts(at.stat()) for volume, at in folders.items()}
    return _noted(home, {"at": name, "step": "aside", "aside": f"{BEFORE}{now()}", "were": were, "notes": notes.told()})


def _ended(home: Path) -> list[str]:
    """Remove the journal of what is done, and on its disk; where nobody knows whether that it is gone is there too, a note."""
    (home / JOURNAL).unlink()
    try:
        _synced(home)
    except OSError as error:
        return [f"it is done, but after a loss of power it may count as begun: the store's disk has trouble ({_why(error)})"]
    return []


def abort(store: Path, app: App, *, stopped: bool) -> dict[str, Any]:
    """Give up a restore that was begun: the state is again what it was. What the restore had put in its place is put aside, never away.

    Half-way, that takes an app which is stopped: one that is not told to be is told to be `half`. Run again it goes on.
    """
    home = store / app.name
    journal = _journal(home)
    if journal is None:
        return _row(app.name, "", [], "not begun")
    if journal["step"] in _HALF and not stopped:
        return _row(app.name, journal["at"], [], "half")
    there = ""
    if journal["step"] in _HALF:
        if journal["step"] in _FORWARD:
            step = "out" if journal["step"] == "in" else "back"
            journal = _noted(home, {**journal, "step": step, "out": f"{GIVEN_UP}{now()}"})
        folders = {volume: app.volumes[volume] for volume in journal["were"]}
        if journal["step"] == "out":
            for at in folders.values():
                with opened(at) as folder:
                    for name in _names(folder):
                        if not _is_ours(name):
                            _away(name, folder, journal["out"], at)
                _synced(at)
            journal = _noted(home, {**journal, "step": "back"})
        for volume, at in folders.items():
            with opened(at) as folder:
                _emptied(journal["aside"], folder, journal["out"], at)
                if journal["out"] in _names(folder):
                    there = journal["out"]
                _owned(folder, _parsed({"path": ".", "kind": "folder", **journal["were"][volume]}), Few())
            _synced(at)
    _unstaged(app)
    notes = [f"what had been put in its place lies in {there} of its folder; remove it when nothing is missed"] if there else []
    return _row(app.name, journal["at"], [*notes, *_ended(home)], "given up")


def _is_ours(name: str) -> bool:
    """Whether it is what restores leave in an app's folder: no state of the app."""
    return name == STAGED or name.startswith((BEFORE, GIVEN_UP))


def _emptied(source: str, folder: int, aside: str, at: Path) -> None:
    """Put all that lies in a folder of this one in its own place, what is there already aside, and remove it; nothing where it is gone."""
    if source not in _names(folder):
        return
    with opened(source, folder) as there:
        for name in _names(there):
            _away(name, folder, aside, at)
            _renamed(name, there, folder, at)
    os.rmdir(source, dir_fd=folder)


def _unstaged(app: App) -> None:
    """Remove what was copied beside the state and is not to take its place."""
    for at in app.volumes.values():
        with opened(at) as folder:
            _removed(STAGED, folder)


def _noted(home: Path, journal: dict[str, Any]) -> dict[str, Any]:
    """The journal, once it says so on the disk."""
    _write(home / JOURNAL, journal)
    return journal


def _away(name: str, folder: int, aside: str, at: Path) -> None:
    """What lies where something is put goes to that folder beside it, under a name that is free there."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    with opened(aside, folder, made=True) as there:
        taken, free, number = set(_names(there)), name, 1
        while free in taken:
            free, number = f"{name}.{number}", number + 1
        _renamed(name, folder, there, at, free)


def _renamed(name: str, here: int, there: int, at: Path, to: str = "") -> None:
    try:
        os.rename(name, to or name, src_dir_fd=here, dst_dir_fd=there)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        remedy = "unmount it, and run the same command again, or `portable restore --abort`"
        raise Trouble(f"{at / name} can't be moved: something is mounted there; {remedy}") from None


def _refuse_mounts(folders: Iterable[Path]) -> None:
    """Trouble where something is mounted right in one of these: it could not be put aside."""
    told = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    points = [Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split(" ")[4])) for line in told.splitlines()]
    if mounted := sorted(str(point) for folder in folders for point in points if point.parent == folder.resolve()):
        raise Trouble(f"{', '.join(mounted)} can't be put aside: something is mounted there; unmount it first")


def _refuse_without_room(wanted: Mapping[Path, int]) -> None:
    """Trouble where what is put back does not fit beside what is there, told while the app still runs."""
    for device in {folder.stat().st_dev for folder in wanted}:
        folders = [folder for folder in wanted if folder.stat().st_dev == device]
        room, size = os.statvfs(folders[0]), sum(wanted[folder] for folder in folders)
        if (left := room.f_bavail * room.f_frsize) < size:
            raise Trouble(f"{folders[0]}: it takes {size / 1e6:.0f} MB beside what is there, and {left / 1e6:.0f} MB are left")


def prove(source: Path, entries: Iterable[Entry]) -> None:
    """Trouble where a file of the backup is not what was backed up, or a database in it is corrupted."""
    for entry in entries:
        if entry.kind in ("file", "database") and _digest(source / entry.path)[0] != entry.sha256:
            raise Trouble(f"{entry.path} is not what was backed up: its bytes changed in the store")
        if entry.kind == "database" and entry.sound == "ok" and (sound := soundness(source / entry.path)) != "ok":
            raise Trouble(f"{entry.path}: {sound}")


def put(source: Path, target: int, entries: Iterable[Entry], notes: Few) -> None:
    """Write a backup's volume to an open folder with nothing in it, as its listing says; notes on what can't be as it was.

    All is made anew by this program, in folders that it holds open: nothing that somebody puts in a folder's place is followed. Trouble
    where a file of the backup is not what was backed up.
    """
    above: list[tuple[Entry, int]] = []
    try:
        for entry in entries:
            parent, _, name = entry.path.rpartition("/") if entry.path != "." else ("", "", "")
            while above and above[-1][0].path != (parent or "."):
                _left(above, notes)
            if not above:
                if entry.path != ".":
                    raise Trouble(f"{entry.path} is listed before the folder that it is in")
                above.append((entry, os.dup(target)))
                continue
            folder = above[-1][1]
            if entry.kind == "folder":
                os.mkdir(name, 0o700, dir_fd=folder)
                above.append((entry, os.open(name, _FOLDER, dir_fd=folder)))
            elif entry.kind == "link":
                os.symlink(entry.target, name, dir_fd=folder)
                _owned_link(name, folder, entry, notes)
            else:
                with (source / entry.path).open("rb") as stored, _new(name, folder) as made:
                    digest, _ = _written(stored.fileno(), made)
                    _owned(made, entry, notes)
                if digest != entry.sha256:
                    raise Trouble(f"{entry.path} is not what was backed up: its bytes changed in the store")
        while above:
            _left(above, notes)
    finally:
        for _, folder in above:
            os.close(folder)


def _left(above: list[tuple[Entry, int]], notes: Few) -> None:
    """A folder in which all is written gets its owner, mode and time; the volume's own are for who put it there."""
    entry, folder = above.pop()
    try:
        if entry.path != ".":
            _owned(folder, entry, notes)
    finally:
        os.close(folder)


def check(store: Path, app: App, at: str = "") -> dict[str, Any]:
    """A restore that is tried: into a folder of the store, compared with the manifest from the disk, and removed."""
    name = chosen(store, app.name, at)
    backup, scratch = store / app.name / name, store / app.name / SCRATCH
    manifest = _manifest(backup)
    remove(scratch)
    began, notes, wrong = time.monotonic(), Few(), Few()
    try:
        scratch.mkdir(mode=0o700)
        for volume in manifest["volumes"]:
            (scratch / volume).mkdir(mode=0o700)
            with opened(scratch / volume) as folder:
                put(backup / volume, folder, _entries(backup, volume), notes)
            for text in differing(scratch / volume, _entries(backup, volume)):
                wrong.add(f"{volume}: {text}")
    except (OSError, Trouble) as error:
        wrong.add(_why(error))
    finally:
        remove(scratch)
    row = {"app": app.name, "at": name, "result": "failed" if wrong else "done", **_counted(manifest)}
    return {**row, "seconds": round(time.monotonic() - began, 1), "notes": [*wrong.told(), *notes.told()]}


def differing(folder: Path, entries: Iterable[Entry]) -> Iterator[str]:
    """Where a folder is not what a manifest says, read anew; its own mode and owner are its place's."""
    wanted = 0
    for entry in entries:
        path = entry.path
        if path == ".":
            continue
        wanted += 1
        try:
            found = (folder / path).lstat()
        except OSError:
            wanted -= 1
            yield f"{path} differs: it is missing"
            continue
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
        elif entry.kind == "database" and entry.sound == "ok" and (sound := soundness(folder / path)) != "ok":
            yield f"{path}: {sound}"
    there = sum(len(folders) + len(files) for _, folders, files in os.walk(folder))
    if there != wanted:
        yield f"it differs: {there} files and folders are there, and {wanted} are listed"


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
    return {what: sum(volume[what] for volume in manifest["volumes"].values()) for what in ("files", "databases", "bytes")}


def _facts(found: os.stat_result) -> dict[str, Any]:
    return {"mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid, "mtime": found.st_mtime_ns}


def _entry(path: Path, kind: str, found: os.stat_result, **more: Any) -> Entry:
    return Entry(path=str(path), kind=kind, **_facts(found), **more)


def _plain(entry: Entry) -> dict[str, Any]:
    return {key: value for key, value in asdict(entry).items() if value not in ("", ())}


def _parsed(entry: dict[str, Any]) -> Entry:
    return Entry(**{**entry, "stamp": tuple(entry.get("stamp", ()))})


def _entries(backup: Path, volume: str) -> Iterator[Entry]:
    """What a backup has of a volume, in the order in which it was copied."""
    listing = backup / f"{volume}{LISTING}"
    if listing.exists():
        with listing.open("rb") as lines:
            for line in lines:
                yield _parsed(json.loads(line))
    else:  # the first format
        for entry in json.loads((backup / MANIFEST).read_bytes())["volumes"].get(volume, {}).get("entries", ()):
            yield _parsed(entry)


def _is_listed(backup: Path, manifest: Mapping[str, Any], volume: str) -> bool:
    """Whether a volume's listing is what was written."""
    try:
        return bool(manifest["format"] == 1 or _digest(backup / f"{volume}{LISTING}")[0] == manifest["volumes"][volume]["listing"])
    except OSError:
        return False


def _manifest(folder: Path) -> dict[str, Any]:
    found = read(folder)
    if found is None:
        raise Trouble(f"{folder.name}: its manifest can't be read, or is of another version of portable")
    for volume in found["volumes"]:
        if not _is_listed(folder, found, volume):
            raise Trouble(f"{folder.name}: the listing of {volume} is not what was written: its bytes changed in the store")
        for entry in _entries(folder, volume):
            if entry.path.startswith("/") or ".." in entry.path.split("/"):
                raise Trouble(f"{folder.name}: its manifest names a path outside: {entry.path}")
    return found


def _journal(home: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((home / JOURNAL).read_bytes())
    except FileNotFoundError:
        return None
    if "began" in found:  # as an earlier version of this program wrote it
        found.setdefault("aside", f"{BEFORE}{found['began']}")
    return found


def _required(home: Path) -> dict[str, Any]:
    journal = _journal(home)
    if journal is None:
        raise Unchanged(f"no restore of {home.name} was begun")
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


def _written(source: int, target: int) -> tuple[str, int]:
    """Copy an open file from its start to another; the digest and size of what was written."""
    digest, size = hashlib.sha256(), 0
    os.lseek(source, 0, os.SEEK_SET)
    while chunk := os.read(source, _CHUNK):
        digest.update(chunk)
        size += len(chunk)
        left = memoryview(chunk)
        while left:
            left = left[os.write(target, left) :]
    return digest.hexdigest(), size


@contextlib.contextmanager
def _new(path: Path | str, folder: int | None = None, how: int = os.O_EXCL) -> Iterator[int]:
    """A file of this program's own, open for writing; nobody else's is, and no link is followed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | how, 0o600, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return digest, opened.tell()


def _owned(descriptor: int, entry: Entry, notes: Few) -> None:
    """Owner, mode and time as they were, of an open file or folder; where this user may not give it away, that is noted."""
    try:
        os.chown(descriptor, entry.uid, entry.gid)
    except PermissionError:
        notes.add(_not_given(entry))
    # Who is not in a file's group and lacks FSETID has its setgid bit taken away in silence (chmod(2)).
    group = os.getegid()
    with contextlib.suppress(PermissionError):
        os.setegid(entry.gid)
    os.chmod(descriptor, entry.mode)
    os.setegid(group)
    os.utime(descriptor, ns=(entry.mtime, entry.mtime))


def _owned_link(name: str, folder: int, entry: Entry, notes: Few) -> None:
    try:
        os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
    except PermissionError:
        notes.add(_not_given(entry))
    os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=folder, follow_symlinks=False)


def _not_given(entry: Entry) -> str:
    return f"belongs to {os.geteuid()} now, not to {entry.uid}:{entry.gid}"


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


@contextlib.contextmanager
def opened(path: Path | str, folder: int | None = None, *, made: bool = False) -> Iterator[int]:
    """A folder, held open so that nobody can put another one in its place; a link is none. With `made` it is made where it isn't there."""
    if made:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700, dir_fd=folder)
    descriptor = os.open(path, _FOLDER, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _names(folder: int) -> list[str]:
    return sorted(os.listdir(folder))


def _rmdir(name: str, folder: int) -> bool:
    """Whether a folder is gone, which it is only where nothing is in it."""
    try:
        os.rmdir(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def remove(path: Path) -> None:
    """Remove what this program made in its store."""
    with contextlib.suppress(FileNotFoundError), opened(path.parent) as folder:
        _removed(path.name, folder)


def _removed(name: str, folder: int) -> None:
    """Remove a folder and all in it, whatever its modes; a link in its place is removed, not followed."""
    try:
        # Root needs no right, and must not give any to what somebody may change for a link meanwhile.
        if os.geteuid() != 0 and stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.chmod(name, 0o700, dir_fd=folder)
        with opened(name, folder) as inside:
            while True:
                with os.scandir(inside) as found:
                    some = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in itertools.islice(found, _AT_ONCE)]
                for entry, is_folder in some:
                    if is_folder:
                        _removed(entry, inside)
                    else:
                        os.unlink(entry, dir_fd=inside)
                if not some:
                    break
        os.rmdir(name, dir_fd=folder)
    except FileNotFoundError:
        with contextlib.suppress(FileNotFoundError):  # a link that leads nowhere
            os.unlink(name, dir_fd=folder)
    except NotADirectoryError:
        os.unlink(name, dir_fd=folder)


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        words = {errno.ENOSPC: "no space is left", errno.EDQUOT: "the quota is used up", errno.ELOOP: "it is a link, and is not followed"}
        said = words.get(error.errno or 0, error.strerror)
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
def locked(home: Path) -> Iterator[None]:
    """One at a time works on an app's backups; the lock goes with its process, however that ends."""
    home.mkdir(mode=0o700, exist_ok=True)
    with (home / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
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
    """0 where all was done; 1 where something failed, or nothing could be taken of an app that was named."""
    parser = argparse.ArgumentParser(prog="backup", description=__doc__)
    parser.add_argument("command", choices=("backup", "list", "check", "stage", "swap", "abort"))
    parser.add_argument("apps", nargs="*", metavar="APP")
    parser.add_argument("--at", default="", help="the backup of that time, or the newest of those that begin so")
    parser.add_argument("--stopped", action="store_true", help="the apps are stopped: everything of them may be copied")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each row, for programs")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("backup.json"))
    parser.add_argument("--child-of", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    store, keep, apps = read_config(asked.config)
    os.umask(0o077)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may be no text at all
    if asked.child_of:
        _end_with(asked.child_of)

    def tell(row: Mapping[str, Any]) -> None:
        if asked.json or "pulse" not in row:
            with contextlib.suppress(BrokenPipeError):
                sys.stdout.write((json.dumps(row) if asked.json else _sentence(row)) + "\n")
                sys.stdout.flush()

    well = True
    with beating(tell) if not asked.child_of else contextlib.nullcontext():
        for name in asked.apps or sorted(apps):
            if not asked.apps and asked.command == "check" and not names(store / name):
                continue
            alone = asked.command == "list" or len(asked.apps) == 1
            for row in _rows(asked, store, keep, apps.get(name), name) if alone else [_apart(asked, name)]:
                if asked.apps and row["result"] == "left out" and not asked.child_of:
                    row["result"] = "failed"  # who names an app is not served by a note
                well = well and row["result"] != "failed"
                tell(row)
    return 0 if well else 1


def _rows(asked: argparse.Namespace, store: Path, keep: Mapping[str, int], app: App | None, name: str) -> Iterator[dict[str, Any]]:
    if app is None:
        yield _row(name, "", [f"nothing of {name} is backed up here"], "failed")
        return
    if asked.command == "list":
        yield from listed(store, name)
        return
    home = store / name
    try:
        with locked(home):
            try:
                yield {
                    "backup": lambda: back_up(store, app, keep, stopped=asked.stopped),
                    "check": lambda: check(store, app, asked.at),
                    "stage": lambda: stage(store, app, asked.at),
                    "swap": lambda: swap(store, app),
                    "abort": lambda: abort(store, app, stopped=asked.stopped),
                }[asked.command]()
            except (Trouble, OSError) as error:
                yield {**_row(name, "", [_why(error)], "failed"), **({"unchanged": True} if isinstance(error, Unchanged) else {})}
    except Exception as error:  # noqa: BLE001  # one app's trouble keeps no other from being backed up
        yield _row(name, "", [_why(error) if isinstance(error, Trouble | OSError) else f"{type(error).__name__}: {error}"], "failed")


def _apart(asked: argparse.Namespace, name: str) -> dict[str, Any]:
    """One app of several, in a process of its own: what ends that one, as a lack of memory, leaves the others to be done."""
    options = [*(["--at", asked.at] if asked.at else []), *(["--stopped"] if asked.stopped else [])]
    own = ["--json", "--config", str(asked.config), "--child-of", str(os.getpid())]
    done = subprocess.run([sys.executable, __file__, asked.command, name, *options, *own], stdout=subprocess.PIPE, check=False)
    try:
        row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        why = "it was killed, as what needs more memory than there is" if done.returncode == -9 else f"it broke off ({done.returncode})"
        return _row(name, "", [why], "failed")
    return row


def _end_with(parent: int) -> None:
    """Be killed when that process ends: who is told that nothing works on an app any more must be able to rely on it."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        raise SystemExit(1)


def _sentence(row: Mapping[str, Any]) -> str:
    told = f", {row['files']} files, {row['databases']} databases, {row['bytes']} bytes" if "files" in row else ""
    return "\n    ".join([f"{row['app']}: {row['result']} {row.get('at', '')}".rstrip() + told, *row.get("notes", ())])


if __name__ == "__main__":
    raise SystemExit(main())
