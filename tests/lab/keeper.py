"""The program that backs up and restores, as tests use it: as a command, and beside an app that writes all the time."""

import atexit
import contextlib
import functools
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from portable.programs.backup.entries import SavedApp
from portable.programs.bundle import bundle

KEEP = {"last": 1000}
_WRITER = """
import sqlite3, sys
path, mode, told = sys.argv[1:]
opened = sqlite3.connect(path, isolation_level=None, timeout=60)
opened.execute(f"pragma journal_mode={mode}")
opened.execute("create table if not exists rows (n integer primary key, text text)")
opened.execute("create index if not exists texts on rows (text)")
n = opened.execute("select coalesce(max(n), 0) from rows").fetchone()[0]
told = open(told, "w")
while True:
    opened.execute("begin immediate")
    opened.executemany("insert into rows values (?, ?)", [(n + i, f"{(n + i) * 7919 % 10007:05} " * 8) for i in range(1, 11)])
    opened.execute("delete from rows where n <= ?", (n - 5000,))
    opened.execute("commit")
    n += 10
    told.seek(0)
    told.write(f"{n:020}")
    told.flush()
"""
"""Commits ten rows at a time, numbered without a gap, and says the last number after each commit; the oldest go, so that it stays small."""


@functools.cache
def script() -> Path:
    """The program as its container gets it: one file."""
    folder = Path(tempfile.mkdtemp(prefix="portable-backup-program-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "backup.py").write_text(bundle("backup"), encoding="utf-8")
    return folder / "backup.py"


def app(folder: Path, *volumes: str, name: str = "player", stopped: Sequence[str] = ()) -> SavedApp:
    """An app with volumes below a folder, and the store's folder beside it."""
    (folder / "store").mkdir(exist_ok=True)
    for volume in volumes:
        (folder / volume).mkdir(exist_ok=True)
    return SavedApp(name=name, image="image:1", volumes={v: folder / v for v in volumes}, stopped=tuple(stopped))


def command(folder: Path, of: SavedApp, *arguments: str) -> list[str]:
    """The program as a process of its own, told of that app."""
    volumes = {v: {"at": str(at), "copied": "stopped" if v in of.stopped else "running"} for v, at in of.volumes.items()}
    config = folder / "backup.json"
    given = {"store": str(folder / "store"), "keep": KEEP, "apps": {of.name: {"image": of.image, "volumes": volumes}}}
    config.write_text(json.dumps(given))
    return [sys.executable, str(script()), *arguments, "--json", "--config", str(config)]


def rows(output: str) -> list[dict[str, Any]]:
    """What the command told, without its signs of life."""
    return [row for line in output.splitlines() if "pulse" not in (row := json.loads(line))]


@contextlib.contextmanager
def writing(database: Path, mode: str = "wal") -> Iterator[Path]:
    """A process that commits as fast as it can; the file that says which number was committed last."""
    told = database.parent.parent / f"{database.name}.told"
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(database), mode, str(told)])
    try:
        while last(told) == 0:
            assert process.poll() is None
            time.sleep(0.01)
        yield told
        assert process.poll() is None, "the writer died: a backup kept it from writing"
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def writing_inside(container: str, folder: Path, inside: str) -> Iterator[Path]:
    """The same in a container that has Python, as the stack's user, in that folder of it (`folder` on this machine)."""
    told = folder / "load.told"
    script = ["-c", _WRITER, f"{inside}/load.db", "wal", f"{inside}/{told.name}"]
    process = subprocess.Popen(["docker", "exec", "--user", "1000:1000", container, "python3", *script], stderr=subprocess.DEVNULL)
    try:
        while last(told) == 0:
            assert process.poll() is None
            time.sleep(0.05)
        yield told
        assert process.poll() is None, "the writer died: a backup kept it from writing"
    finally:
        kill = "for p in /proc/[0-9]*; do grep -qa load.told $p/cmdline && [ $p != /proc/$$ ] && kill -9 ${p#/proc/}; done; true"
        subprocess.run(["docker", "exec", container, "sh", "-c", kill], check=False)
        process.kill()
        process.wait()


def last(told: Path) -> int:
    """The number that was committed last."""
    try:
        return int(told.read_text() or 0)
    except FileNotFoundError:
        return 0


def sound_until(database: Path) -> int:
    """The last row of a sound database without a gap; fails where it is corrupted or a row is missing."""
    with contextlib.closing(sqlite3.connect(database)) as opened:
        assert opened.execute("pragma integrity_check").fetchall() == [("ok",)]
        count, lowest, highest = opened.execute("select count(*), coalesce(min(n), 1), coalesce(max(n), 0) from rows").fetchone()
    assert count == highest - lowest + 1, f"{highest - lowest + 1 - count} rows are missing"
    assert lowest == 1 or count >= 5000
    return int(highest)


def tree(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that matters of a folder, but for what a restore put aside, and what lies beside databases."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.startswith((".before-restore-", ".portable-restore")) or name.endswith(("-wal", "-shm", "-journal")):
            continue
        s = path.lstat()
        kind = "link" if path.is_symlink() else "folder" if path.is_dir() else "file"
        content: object = str(path.readlink()) if kind == "link" else path.read_bytes() if kind == "file" else b""
        time_of = s.st_mtime_ns if kind == "file" else 0
        found[name] = (kind, content, 0 if kind == "link" else s.st_mode & 0o7777, s.st_uid, s.st_gid, time_of)
    return found
