"""Databases lie where locks hold, and are sound."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from portable.model.plan import Volume
from portable.verify.contract import Contract, Found, broken, folder_of, holds, mounts_of, running, unknown
from portable.verify.stack import Stack

UNSAFE = ("9p", "afs", "ceph", "cifs", "fuse", "glusterfs", "nfs", "nfs4", "smb2", "smb3")
"""File systems on which SQLite's locks may fail (https://www.sqlite.org/howtocorrupt.html, 2.1)."""
_HEADER = b"SQLite format 3\0"
_DEEPEST = 4
_LOCK_SECONDS = 0.5
"""An app that keeps its database locked, as Gerbera does, lets nobody look."""
_MOST = 50
"""Files of a volume that are looked at: an app has a few databases, and what else lies there may be a hundred thousand."""


def check(stack: Stack) -> Iterator[Found]:
    """Where each database lies, told by the kernel; and each SQLite file of this machine's own folders, by SQLite."""
    for placed in running(stack):
        for volume, path, _ in mounts_of(stack, placed.container):
            if volume.holds != "database" or placed.app is None:
                continue
            said = stack.inside(placed, ["cat", "/proc/self/mountinfo"])
            kind = file_system(said.text, path) if said.done else None
            if kind is None:
                yield unknown(placed.app.name, f"what {path} lies on can't be told{'' if said.done else f': {said.text}'}")
            elif kind.split(".")[0] in UNSAFE:
                text = f"{path} lies on {kind}, where locks may fail: a database is corrupted there sooner or later"
                yield broken(placed.app.name, text, "let its state lie on a disk of the host (`storage.state` of the profile)")
            else:
                yield holds(placed.app.name, f"{path} lies on {kind}")
            yield from _sound(stack, placed.app.name, volume)


def file_system(mountinfo: str, path: str) -> str | None:
    """The kind of file system at a path, by the kernel's table (proc(5)): of the longest mount point around it, the last one made."""
    best: tuple[int, str] | None = None
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        point = fields[4].replace("\\040", " ")
        inside = path == point or path.startswith(f"{point.rstrip('/')}/")
        if inside and (best is None or len(point) >= best[0]):
            best = (len(point), right.split()[0])
    return best[1] if best else None


def _sound(stack: Stack, app: str, volume: Volume) -> Iterator[Found]:
    folder = folder_of(volume)
    if not stack.here or folder is None:
        return
    for path in _databases(Path(folder)):
        name = path.relative_to(folder)
        try:
            # Read-only, and with SQLite's own locks: the app goes on writing meanwhile.
            with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_LOCK_SECONDS) as opened:
                said = [row[0] for row in opened.execute("pragma quick_check(3)")]
            opened.close()
        except sqlite3.OperationalError as error:
            yield unknown(app, f"{name} can't be looked at: {error}")
        except sqlite3.DatabaseError as error:
            yield broken(app, f"{name} is corrupted: {error}", "restore it from a backup; the app keeps some of its own")
        else:
            if said == ["ok"]:
                yield holds(app, f"{name} is sound")
            else:
                yield broken(app, f"{name} is corrupted: {'; '.join(said)}", "restore it from a backup; the app keeps some of its own")


def _databases(folder: Path) -> Iterator[Path]:
    found = 0
    for pattern in ("*/" * depth + "*" for depth in range(_DEEPEST)):
        for path in sorted(folder.glob(pattern)):
            if found < _MOST and path.suffix in (".db", ".sqlite", ".sqlite3") and _is_sqlite(path):
                found += 1
                yield path


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_HEADER)) == _HEADER
    except OSError:
        return False


CONTRACT = Contract(name="databases", promise="databases lie on storage that keeps them sound, and are sound", check=check)
