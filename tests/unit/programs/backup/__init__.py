"""What the tests of the backup program share: folders as apps leave them, and kills."""

import contextlib
import importlib
import os
import pkgutil
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from portable.programs import backup as package
from portable.programs.backup.files import write_json
from portable.programs.backup.making import back_up
from portable.programs.backup.restoring import stage, swap
from tests.lab.keeper import KEEP, app

MODULES = tuple(importlib.import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__))
SEED = int(os.environ.get("PORTABLE_SEED", "20261121"))


def filled(folder: Path, seed: int, files: int = 40) -> None:
    """A folder as apps leave them: files of every mode and size, odd names, links that lead nowhere and out, databases in both modes."""
    chance = random.Random(seed)
    folders = [folder]
    for n in range(files):
        if chance.random() < 0.2:
            folders.append(chance.choice(folders) / f"folder {n}")
            folders[-1].mkdir()
        path = chance.choice(folders) / chance.choice((f"file {n}", f"línea\n{n}", os.fsdecode(b"\xff\xfe%d" % n), f"-rf {n}", f".{n}"))
        path.write_bytes(chance.randbytes(chance.choice((0, 1, 5000, 70_000))))
        path.chmod(chance.choice((0o600, 0o644, 0o755, 0o440)))
        os.utime(path, ns=(1, 1_600_000_000_123_456_789 + n))
    (folder / "nowhere").symlink_to("/mnt/clouds/zurg/film.mkv")
    (folder / "out").symlink_to("/etc")
    for mode in ("wal", "delete"):
        with closing(sqlite3.connect(folder / f"{mode}.db")) as opened:
            opened.execute(f"pragma journal_mode={mode}")
            opened.execute("create table rows (n integer primary key, text text)")
            opened.executemany("insert into rows values (?, ?)", [(n, "x" * 50) for n in range(1, 1001)])
            opened.commit()


def killed(arguments: Sequence[str], after: float) -> bool:
    """Run a command and kill it after that many seconds; whether it had not ended by then."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    return process.wait() != 0


def timed(arguments: Sequence[str]) -> float:
    """Seconds that it takes when it is left alone."""
    began = time.monotonic()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def many(folder: Path, count: int) -> None:
    """So many entries, a third of them in one folder."""
    for n in range(count):
        there = folder / ("one" if n % 3 == 0 else f"{n // 1000}/{n // 100}")
        if n % 100 < 3:
            there.mkdir(parents=True, exist_ok=True)
        name = there / f"a name as long as those of pictures are {n:08}"
        name.write_bytes(b"%d" % n) if n % 2 else name.symlink_to("nowhere")


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the program runs after it."""


@contextlib.contextmanager
def killed_before(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[Callable[[], int]]:
    """The program ends before its so-manieth rename, write of its journal, or removal; tells how many there were."""
    done = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*given: Any, **more: Any) -> Any:
            nonlocal done
            done += 1
            if done > step:
                raise Killed
            return call(*given, **more)

        return instead

    with monkeypatch.context() as patched:
        for name in ("rename", "rmdir", "symlink"):
            patched.setattr(os, name, counted(getattr(os, name)))
        replace(patched, "write_json", counted(write_json))
        yield lambda: done


def half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, *, before: int) -> tuple[Any, Path]:
    """An app with two files and the store of its backup, whose restore was killed before that step."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    for name in ("one", "two"):
        (tmp_path / "config" / name).write_text(content)
    back_up(store, player, KEEP)
    stage(store, player)
    with pytest.raises(Killed), killed_before(monkeypatch, before):
        swap(store, player)
    return player, store


def replace(monkeypatch: pytest.MonkeyPatch, name: str, instead: object) -> None:
    """Replace a function in every module that uses it: in the shipped file all of them share one."""
    for module in MODULES:
        if hasattr(module, name):
            monkeypatch.setattr(module, name, instead)
