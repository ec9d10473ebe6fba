"""Copies of volumes: links to unchanged files, what is left out, and memory."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from portable.programs.backup import copying
from portable.programs.backup.making import back_up
from portable.programs.backup.proving import check
from portable.programs.backup.restoring import stage, swap
from portable.programs.backup.store import entries_of
from tests.lab.keeper import KEEP, app
from tests.unit.programs.backup import filled, many

ROOT = Path(__file__).parents[4]


def test_an_unchanged_file_is_linked_and_a_changed_one_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_TICK", 0)
    player, store = app(tmp_path, "config"), tmp_path / "store"
    for name in ("same", "other", "meta"):
        (tmp_path / "config" / name).write_text(name)
    first = back_up(store, player, KEEP)
    was = (tmp_path / "config" / "other").stat()
    (tmp_path / "config" / "other").write_text("rehto")  # of the same size, and with the time of before
    os.utime(tmp_path / "config" / "other", ns=(was.st_atime_ns, was.st_mtime_ns))
    (tmp_path / "config" / "meta").chmod(0o640)
    second = back_up(store, player, KEEP)
    one, two = (store / "player" / row["at"] / "config" for row in (first, second))
    assert (one / "same").samefile(two / "same")
    assert ((one / "other").read_text(), (two / "other").read_text()) == ("other", "rehto")
    assert second["copied"] == len("rehto") + len("meta")
    modes = {e.path: e.mode for e in entries_of(two.parent, "config")}
    assert modes["meta"] == 0o640


def test_what_was_written_just_now_is_copied_again(tmp_path: Path) -> None:
    """A second write in the same tick of the clock would look like the first."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "young").write_text("young")
    one, two = (store / "player" / back_up(store, player, KEEP)["at"] / "config" / "young" for _ in range(2))
    assert not one.samefile(two)


def test_links_are_not_followed_and_what_is_no_file_is_told(tmp_path: Path) -> None:
    player = app(tmp_path, "config")
    cloud = tmp_path / "cloud"
    cloud.mkdir()
    (cloud / "film.mkv").write_bytes(b"x" * 1000)
    (tmp_path / "config" / "cloud").symlink_to(cloud)
    (tmp_path / "config" / "film.mkv").symlink_to(cloud / "film.mkv")
    os.mkfifo(tmp_path / "config" / "pipe")
    row = back_up(tmp_path / "store", player, KEEP)
    assert (row["files"], row["bytes"]) == (0, 0)
    assert row["notes"] == ["config: pipe is a socket, a pipe or a device, and is left out"]
    stored = tmp_path / "store" / "player" / row["at"] / "config"
    assert (stored / "cloud").is_symlink()
    assert (stored / "film.mkv").is_symlink()


def test_bytes_that_changed_in_the_store_are_given_to_no_later_backup(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    filled(tmp_path / "config", 5, files=1)
    first = back_up(store, player, KEEP)["at"]
    with (store / "player" / first / "config" / "delete.db").open("r+b") as opened:
        opened.seek(5000)
        opened.write(b"\xa5" * 100)
    assert check(store, player)["result"] == "failed"
    back_up(store, player, KEEP)
    assert check(store, player)["result"] == "done"


def held(folder: Path, count: int) -> int:
    """The most bytes that Python holds while so many files are backed up twice, checked and put back."""
    player, store = app(folder, "config"), folder / "store"
    many(folder / "config", count)
    tracemalloc.start()
    for _ in range(2):  # the second one knows the first
        back_up(store, player, KEEP)
    check(store, player)
    stage(store, player)
    assert swap(store, player)["files"] == count // 2
    return tracemalloc.get_traced_memory()[1]


def test_what_it_holds_does_not_grow_with_the_files(tmp_path: Path) -> None:
    """An entry that is held takes more than 3,000 bytes: these took 10 MB.

    In a process of its own: Python's table of names, which grows by leaps, is as large as what ran before has made it.
    """
    program = f"from pathlib import Path; from {__name__} import held; print(held(Path({str(tmp_path)!r}), 3000))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    # A piece of a file, the names of the largest folder, and Python's own table of names.
    assert int(done.stdout) < 5e6
