"""The program that backs up and restores, on plain folders: killed, under load, and on what is corrupted."""

import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lab.keeper import KEEP, app, command, last, program, rows, sound_until, tree, writing

ROUNDS = int(os.environ.get("PORTABLE_BACKUPS", "20"))
KILLS = int(os.environ.get("PORTABLE_BACKUP_KILLS", "5"))
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


@pytest.mark.parametrize("seed", range(5))
def test_what_is_restored_is_what_was_backed_up(tmp_path: Path, seed: int) -> None:
    player = app(tmp_path, "config", "metadata")
    filled(tmp_path / "config", seed)
    filled(tmp_path / "metadata", seed + 100)
    before = {name: tree(tmp_path / name) for name in ("config", "metadata")}
    made = program.back_up(tmp_path / "store", player, KEEP)
    assert (made["result"], made["databases"], made["notes"]) == ("done", 4, [])
    assert program.check(tmp_path / "store", player)["result"] == "done"
    for name in before:
        (tmp_path / name / "file new").write_text("made after the backup")
        (tmp_path / name / "wal.db").write_bytes(b"overwritten")
    changed = {name: tree(tmp_path / name) for name in before}
    assert program.stage(tmp_path / "store", player)["result"] == "staged"
    assert {name: tree(tmp_path / name) for name in before} == changed  # until it is stopped the app keeps all
    done = program.swap(tmp_path / "store", player)
    for name, was in before.items():
        _same(tree(tmp_path / name), was)
        assert tree(tmp_path / name / done["before"]) == changed[name]  # nothing was thrown away


def _same(found: dict[str, tuple[object, ...]], wanted: dict[str, tuple[object, ...]]) -> None:
    """Equal, databases by their rows: SQLite's copy has other bytes in its header."""
    assert found.keys() == wanted.keys()
    for name, what in wanted.items():
        if name.endswith(".db"):
            assert found[name][2:5] == what[2:5], name
        else:
            assert found[name] == what, name


def test_a_database_that_is_written_all_the_time(tmp_path: Path, record_property: Any) -> None:
    """Each backup is restored: sound, without a gap, and with every commit that was made before it began."""
    player, store, behind = app(tmp_path, "config"), tmp_path / "store", 0
    with writing(tmp_path / "config" / "app.db") as told:
        for n in range(ROUNDS):
            committed = last(told)
            row = program.back_up(store, player, {"daily": 1, "weekly": 0, "monthly": 0})
            assert row["result"] == "done", row
            restored = tmp_path / f"restored {n}"
            notes = program.Few()
            restored.mkdir()
            with program.opened(restored) as folder:
                entries = program._entries(store / "player" / row["at"], "config")
                program.put(store / "player" / row["at"] / "config", folder, entries, notes)
            assert notes.told() == []
            assert sound_until(restored / "app.db") >= committed
            assert sorted(path.name for path in restored.iterdir()) == ["app.db"]
            behind += committed
        written = last(told)
    assert written > behind / ROUNDS > 0
    record_property("backups", f"{ROUNDS} backups while {written} rows were committed, restored: 0 corrupt, 0 commits lost")


@pytest.mark.parametrize("mode", ["delete", "persist", "wal"])
def test_every_journal_mode(tmp_path: Path, mode: str) -> None:
    player = app(tmp_path, "config")
    with writing(tmp_path / "config" / "app.db", mode) as told:
        for _ in range(3):
            committed = last(told)
            row = program.back_up(tmp_path / "store", player, KEEP)
            assert row["result"] == "done", row
            assert sound_until(tmp_path / "store" / "player" / row["at"] / "config" / "app.db") >= committed


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_database_whose_app_was_killed(tmp_path: Path, mode: str) -> None:
    """What it left half-way is mended by SQLite, as the app itself would when it starts."""
    player = app(tmp_path, "config")
    for _ in range(3):
        with writing(tmp_path / "config" / "app.db", mode) as told:
            time.sleep(0.05)
        committed = last(told)
        row = program.back_up(tmp_path / "store", player, KEEP)
        assert row["result"] == "done", row
        assert sound_until(tmp_path / "store" / "player" / row["at"] / "config" / "app.db") >= committed


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


def test_a_backup_that_is_killed_leaves_nothing_or_a_whole_one(tmp_path: Path) -> None:
    player, store, chance = app(tmp_path, "config"), tmp_path / "store", random.Random(SEED)
    filled(tmp_path / "config", SEED)
    run = command(tmp_path, player, "backup")
    longest, hits = timed(run), 0
    for _ in range(KILLS):
        hits += killed(run, chance.uniform(0.02, longest))
        for name in program.names(store / "player"):
            assert program.check(store, player, name)["result"] == "done"
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert rows(done.stdout)[0]["result"] == "done"
    assert [path.name for path in (store / "player").iterdir() if path.name.startswith(".")] == [program.LOCK]
    assert hits > KILLS / 3, f"seed {SEED}: only {hits} of {KILLS} kills hit it at work"


def test_a_restore_that_is_killed_goes_on(tmp_path: Path, record_property: Any) -> None:
    """At seeded moments, in staging and in the swap; then both run again: the state is the backup's, what was there lies beside it."""
    chance, hits = random.Random(SEED), 0
    for n in range(KILLS):
        folder = tmp_path / str(n)
        folder.mkdir()
        player = app(folder, "config", "metadata")
        for volume in ("config", "metadata"):
            filled(folder / volume, n, files=25)
        wanted = {volume: tree(folder / volume) for volume in ("config", "metadata")}
        program.back_up(folder / "store", player, KEEP)
        for volume in wanted:
            (folder / volume / "later").write_text("after the backup")
            for number in range(200):
                (folder / volume / f"more {number}").touch()
        was = {volume: tree(folder / volume) for volume in wanted}
        stage, swap = (command(folder, player, name, "player") for name in ("stage", "swap"))
        hits += killed(stage, chance.uniform(0.05, 0.25))
        assert {volume: tree(folder / volume) for volume in wanted} == was
        subprocess.run(stage, check=True, stdout=subprocess.DEVNULL)
        journal = folder / "store" / "player" / program.JOURNAL
        half = killed(swap, chance.uniform(0.05, 0.15))
        if journal.exists():  # else it was killed after its work was done
            if json.loads(journal.read_text())["step"] in ("aside", "in"):
                with pytest.raises(program.Trouble, match="not finished"):
                    program.back_up(folder / "store", player, KEEP)
            assert subprocess.run(stage, check=True, capture_output=True, text=True).stdout.count("staged") == 1
            subprocess.run(swap, check=True, stdout=subprocess.DEVNULL)
        hits += half
        for volume, what in wanted.items():
            _same(tree(folder / volume), what)
            (aside,) = (folder / volume).glob(".before-restore-*")
            assert tree(aside) == was[volume]
    assert hits > KILLS / 3, f"seed {SEED}: only {hits} kills hit it at work"
    record_property("restores", f"{hits} of {2 * KILLS} kills at work, seed {SEED}: every restore completed when it was run again")


def test_an_unchanged_file_is_linked_and_a_changed_one_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_TICK", 0)
    player, store = app(tmp_path, "config"), tmp_path / "store"
    for name in ("same", "other", "meta"):
        (tmp_path / "config" / name).write_text(name)
    first = program.back_up(store, player, KEEP)
    was = (tmp_path / "config" / "other").stat()
    (tmp_path / "config" / "other").write_text("rehto")  # of the same size, and with the time of before
    os.utime(tmp_path / "config" / "other", ns=(was.st_atime_ns, was.st_mtime_ns))
    (tmp_path / "config" / "meta").chmod(0o640)
    second = program.back_up(store, player, KEEP)
    one, two = (store / "player" / row["at"] / "config" for row in (first, second))
    assert (one / "same").samefile(two / "same")
    assert ((one / "other").read_text(), (two / "other").read_text()) == ("other", "rehto")
    assert second["copied"] == len("rehto") + len("meta")
    modes = {e.path: e.mode for e in program._entries(two.parent, "config")}
    assert modes["meta"] == 0o640


def test_what_was_written_just_now_is_copied_again(tmp_path: Path) -> None:
    """A second write in the same tick of the clock would look like the first."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "young").write_text("young")
    one, two = (store / "player" / program.back_up(store, player, KEEP)["at"] / "config" / "young" for _ in range(2))
    assert not one.samefile(two)


def test_links_are_not_followed_and_what_is_no_file_is_told(tmp_path: Path) -> None:
    player = app(tmp_path, "config")
    cloud = tmp_path / "cloud"
    cloud.mkdir()
    (cloud / "film.mkv").write_bytes(b"x" * 1000)
    (tmp_path / "config" / "cloud").symlink_to(cloud)
    (tmp_path / "config" / "film.mkv").symlink_to(cloud / "film.mkv")
    os.mkfifo(tmp_path / "config" / "pipe")
    row = program.back_up(tmp_path / "store", player, KEEP)
    assert (row["files"], row["bytes"]) == (0, 0)
    assert row["notes"] == ["config: pipe is no file (a socket, a pipe or a device) and is left out"]
    stored = tmp_path / "store" / "player" / row["at"] / "config"
    assert (stored / "cloud").is_symlink()
    assert (stored / "film.mkv").is_symlink()


def test_a_corrupted_database_is_told_and_takes_no_place_of_a_sound_one(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    filled(tmp_path / "config", 1, files=3)
    sound = program.back_up(store, player, {"daily": 1})
    with (tmp_path / "config" / "delete.db").open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xa5" * 4096)
    for _ in range(3):
        row = program.back_up(store, player, {"daily": 1})
        assert row["result"] == "failed"
        assert "config: delete.db: corrupted: " in row["notes"][0]
    assert program.chosen(store, "player") == sound["at"]
    assert [r["result"] for r in program.listed(store, "player")] == ["sound", "unsound", "unsound", "unsound"]
    assert program.check(store, player)["at"] == sound["at"]


@pytest.mark.parametrize("harm", ["bytes", "missing", "listing", "path"])
def test_a_backup_that_is_harmed_is_not_put_back(tmp_path: Path, harm: str) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    filled(tmp_path / "config", 2, files=3)
    (tmp_path / "config" / "settings.xml").write_text("<port>8989</port>")
    at = program.back_up(store, player, KEEP)["at"]
    stored = store / "player" / at / "config" / "settings.xml"
    match harm:
        case "bytes":
            stored.write_text("<port>9999</port>")
        case "missing":
            stored.unlink()
        case _:
            listing, manifest = store / "player" / at / "config.files.jsonl", store / "player" / at / "manifest.json"
            was = program._digest(listing)[0]
            listing.write_text(listing.read_text().replace('"settings.xml"', '"../../escaped"'))
            if harm == "path":  # by somebody who knows how it is proven
                manifest.write_text(manifest.read_text().replace(was, program._digest(listing)[0]))
    before = tree(tmp_path / "config")
    with pytest.raises(program.Trouble):
        program.stage(store, player)
    assert tree(tmp_path / "config") == before
    assert not list((tmp_path / "config").glob(".*restore*"))
    if harm in ("bytes", "missing"):
        assert program.check(store, player)["result"] == "failed"
    assert program.back_up(store, player, KEEP)["result"] == "done"


def test_what_is_consistent_only_when_stopped_is_left_out_until_then(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config", "search", stopped=["search"]), tmp_path / "store"
    (tmp_path / "config" / "a").write_text("a")
    (tmp_path / "search" / "segments_1").write_text("index")
    row = program.back_up(store, player, KEEP)
    assert (row["result"], row["files"]) == ("done", 1)
    assert "search is left out" in row["notes"][0]
    stopped = program.back_up(store, player, KEEP, stopped=True)
    assert (stopped["files"], stopped["notes"]) == (2, [])


def test_another_backup_may_be_chosen_until_something_was_changed(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    found = []
    for text in ("one", "two"):
        (tmp_path / "config" / "file").write_text(text)
        found.append(program.back_up(store, player, KEEP)["at"])
    assert program.stage(store, player)["at"] == found[1]
    assert program.stage(store, player, found[0])["at"] == found[0]
    program.swap(store, player)
    assert (tmp_path / "config" / "file").read_text() == "one"
    with pytest.raises(program.Trouble, match="no restore"):
        program.swap(store, player)


def test_two_of_a_store_wait_for_each_other(tmp_path: Path) -> None:
    player = app(tmp_path, "config")
    filled(tmp_path / "config", 3)
    run = command(tmp_path, player, "backup")
    together = [subprocess.Popen(run, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [rows(process.communicate()[0])[0] for process in together]
    assert {row["result"] for row in said} == {"done"}
    assert program.names(tmp_path / "store" / "player") == sorted(row["at"] for row in said)


def test_the_store_is_nobody_elses(tmp_path: Path) -> None:
    player = app(tmp_path, "config")
    (tmp_path / "config" / "key").write_text("secret")
    (tmp_path / "config" / "key").chmod(0o666)
    subprocess.run(command(tmp_path, player, "backup"), check=True, stdout=subprocess.DEVNULL)
    for path in (tmp_path / "store" / "player").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_an_unknown_app_is_told(tmp_path: Path) -> None:
    done = subprocess.run(command(tmp_path, app(tmp_path, "config"), "stage", "sonar"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert rows(done.stdout)[0]["notes"] == ["nothing of sonar is backed up here"]


def named(moment: datetime) -> str:
    """As a backup of that moment is called."""
    return moment.strftime("%Y-%m-%dT%H%M%S.000Z")


@given(
    hours=st.lists(st.integers(0, 24 * 400), unique=True, min_size=1, max_size=60),
    most=st.integers(0, 5),
    daily=st.integers(0, 9),
    weekly=st.integers(0, 6),
    monthly=st.integers(0, 8),
)
@settings(max_examples=200, deadline=None)
def test_rotation_keeps_what_it_says(hours: list[int], most: int, daily: int, weekly: int, monthly: int) -> None:
    """The newest of all stays; each period has its newest; rotating again or more often changes nothing of what is kept."""
    found = sorted(named(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)) for hour in hours)
    keep = {"last": most, "daily": daily, "weekly": weekly, "monthly": monthly}
    stay = program.kept(found, keep)
    assert set(found[-max(1, most) :]) <= stay
    assert len(stay) <= max(1, most) + daily + weekly + monthly
    for day in sorted({name[:10] for name in found}, reverse=True)[:daily]:
        assert max(name for name in found if name[:10] == day) in stay
    for month in sorted({name[:7] for name in found}, reverse=True)[:monthly]:
        assert max(name for name in found if name[:7] == month) in stay
    assert program.kept(sorted(stay), keep) == stay
    little_by_little: list[str] = []
    for name in found:
        little_by_little = sorted(program.kept([*little_by_little, name], keep))
    assert set(little_by_little) == stay


def test_what_can_not_be_read_is_not_rotated_away(tmp_path: Path) -> None:
    """It may be of a newer portable, or its disk may answer again."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    old = program.back_up(store, player, {"last": 1})["at"]
    manifest = store / "player" / old / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 3'))
    program.back_up(store, player, {"last": 1})
    program.back_up(store, player, {"last": 1})
    assert [row["result"] for row in program.listed(store, "player")] == ["unreadable", "sound"]


def test_a_volume_that_few_backups_have_is_kept_for_its_own_sake(tmp_path: Path) -> None:
    """The nightly ones, without what is copied only while its app is stopped, do not drive the last whole one out."""
    player, store = app(tmp_path, "config", "search", stopped=["search"]), tmp_path / "store"
    (tmp_path / "search" / "segments_1").write_text("index")
    whole = program.back_up(store, player, {"last": 2}, stopped=True)["at"]
    for _ in range(5):
        program.back_up(store, player, {"last": 2})
    assert program.names(store / "player")[0] == whole
    assert len(program.names(store / "player")) == 3
    assert "search is not in the backup" in program.stage(store, player)["notes"][0]
    program.swap(store, player)
    assert (tmp_path / "search" / "segments_1").read_text() == "index"


def test_sqlite_mends_nothing_where_the_app_wrote_it(tmp_path: Path) -> None:
    """A journal may name other files for SQLite to remove, and this program is root."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    filled(tmp_path / "config", 3, files=1)
    journal = tmp_path / "config" / "wal.db-journal"
    journal.write_bytes(b"x" * 600 + bytes.fromhex("d9d505f920a163d7"))
    before = tree(tmp_path / "config")
    row = program.back_up(store, player, KEEP)
    assert (row["result"], "names another one" in row["notes"][0]) == ("failed", True)
    assert tree(tmp_path / "config") == before
    journal.unlink()
    assert program.back_up(store, player, KEEP)["result"] == "done"
    assert tree(tmp_path / "config").keys() == before.keys() - {"wal.db-journal"}, "nothing was made beside it"


def test_a_database_that_is_none_any_more_is_a_failure(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    filled(tmp_path / "config", 4, files=1)
    program.back_up(store, player, KEEP)
    with (tmp_path / "config" / "delete.db").open("r+b") as opened:
        opened.seek(16)
        opened.write(b"\0" * 84)
    assert program.back_up(store, player, KEEP)["result"] == "failed"


def test_bytes_that_changed_in_the_store_are_given_to_no_later_backup(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    filled(tmp_path / "config", 5, files=1)
    first = program.back_up(store, player, KEEP)["at"]
    with (store / "player" / first / "config" / "delete.db").open("r+b") as opened:
        opened.seek(5000)
        opened.write(b"\xa5" * 100)
    assert program.check(store, player)["result"] == "failed"
    program.back_up(store, player, KEEP)
    assert program.check(store, player)["result"] == "done"


def test_a_link_in_the_place_of_what_is_staged_is_not_followed(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config", "other"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("mine")
    (tmp_path / "other" / "folder").mkdir(mode=0o2775)
    (tmp_path / "other" / "folder").chmod(0o2775)
    program.back_up(store, player, KEEP)
    (tmp_path / "config" / program.STAGED).symlink_to(tmp_path / "other")
    assert program.stage(store, player)["result"] == "staged"
    assert stat.S_IMODE((tmp_path / "other" / "folder").stat().st_mode) == 0o2775


@pytest.mark.skipif(os.geteuid() != 0, reason="gives folders to others, which only root can")
def test_a_folder_keeps_its_group_for_what_is_made_in_it(tmp_path: Path) -> None:
    """Without CAP_FSETID the kernel takes a setgid bit from who is not in the group; `setpriv` takes that away as the container does."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    shared = tmp_path / "config" / "shared"
    shared.mkdir()
    os.chown(shared, 1000, 1000)
    shared.chmod(0o2775)
    program.back_up(store, player, KEEP)
    less = ["setpriv", "--bounding-set", "-fsetid", "--inh-caps", "-fsetid", "--clear-groups"]
    done = subprocess.run([*less, *command(tmp_path, player, "check", "player")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
