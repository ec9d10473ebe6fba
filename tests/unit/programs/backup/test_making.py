"""One backup: whole or not there, private, and without what only a stopped app allows."""

import os
import random
import stat
import subprocess
from pathlib import Path

from portable.programs.backup.making import back_up
from portable.programs.backup.proving import check
from portable.programs.backup.store import LOCK, names
from portable.programs.backup.tries import TRIED
from tests.lab.keeper import KEEP, app, command, rows
from tests.unit.programs.backup import SEED, filled, killed, timed

KILLS = int(os.environ.get("PORTABLE_BACKUP_KILLS", "5"))


def test_a_backup_that_is_killed_leaves_nothing_or_a_whole_one(tmp_path: Path) -> None:
    player, store, chance = app(tmp_path, "config"), tmp_path / "store", random.Random(SEED)
    filled(tmp_path / "config", SEED)
    run = command(tmp_path, player, "backup")
    longest, hits = timed(run), 0
    for _ in range(KILLS):
        hits += killed(run, chance.uniform(0.02, longest))
        for name in names(store / "player"):
            assert check(store, player, name)["result"] == "done"
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert rows(done.stdout)[0]["result"] == "done"
    assert {path.name for path in (store / "player").iterdir() if path.name.startswith(".")} == {LOCK, TRIED}
    assert hits > KILLS / 3, f"seed {SEED}: only {hits} of {KILLS} kills hit it at work"


def test_what_is_consistent_only_when_stopped_is_left_out_until_then(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config", "search", stopped=["search"]), tmp_path / "store"
    (tmp_path / "config" / "a").write_text("a")
    (tmp_path / "search" / "segments_1").write_text("index")
    row = back_up(store, player, KEEP)
    assert (row["result"], row["files"]) == ("done", 1)
    assert "search is left out" in row["notes"][0]
    stopped = back_up(store, player, KEEP, stopped=True)
    assert (stopped["files"], stopped["notes"]) == (2, [])


def test_the_store_is_nobody_elses(tmp_path: Path) -> None:
    player = app(tmp_path, "config")
    (tmp_path / "config" / "key").write_text("secret")
    (tmp_path / "config" / "key").chmod(0o666)
    subprocess.run(command(tmp_path, player, "backup"), check=True, stdout=subprocess.DEVNULL)
    for path in (tmp_path / "store" / "player").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
