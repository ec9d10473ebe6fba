"""Restores: complete, killed, refused, and given up."""

import json
import os
import random
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from portable.programs.backup.errors import BackupError
from portable.programs.backup.files import digest_of
from portable.programs.backup.journal import BEFORE, GIVEN_UP, JOURNAL, STAGED
from portable.programs.backup.making import back_up
from portable.programs.backup.proving import check
from portable.programs.backup.restoring import abort, stage, swap
from tests.lab.keeper import KEEP, app, command, tree
from tests.unit.programs.backup import SEED, Killed, filled, half_way, killed, killed_before

KILLS = int(os.environ.get("PORTABLE_BACKUP_KILLS", "5"))


@pytest.mark.parametrize("seed", range(5))
def test_what_is_restored_is_what_was_backed_up(tmp_path: Path, seed: int) -> None:
    player = app(tmp_path, "config", "metadata")
    filled(tmp_path / "config", seed)
    filled(tmp_path / "metadata", seed + 100)
    before = {name: tree(tmp_path / name) for name in ("config", "metadata")}
    made = back_up(tmp_path / "store", player, KEEP)
    assert (made["result"], made["databases"], made["notes"]) == ("done", 4, [])
    assert check(tmp_path / "store", player)["result"] == "done"
    for name in before:
        (tmp_path / name / "file new").write_text("made after the backup")
        (tmp_path / name / "wal.db").write_bytes(b"overwritten")
    changed = {name: tree(tmp_path / name) for name in before}
    assert stage(tmp_path / "store", player)["result"] == "staged"
    assert {name: tree(tmp_path / name) for name in before} == changed  # until it is stopped the app keeps all
    done = swap(tmp_path / "store", player)
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
        back_up(folder / "store", player, KEEP)
        for volume in wanted:
            (folder / volume / "later").write_text("after the backup")
            for number in range(200):
                (folder / volume / f"more {number}").touch()
        was = {volume: tree(folder / volume) for volume in wanted}
        stage, swap = (command(folder, player, name, "player") for name in ("stage", "swap"))
        hits += killed(stage, chance.uniform(0.05, 0.25))
        assert {volume: tree(folder / volume) for volume in wanted} == was
        subprocess.run(stage, check=True, stdout=subprocess.DEVNULL)
        journal = folder / "store" / "player" / JOURNAL
        half = killed(swap, chance.uniform(0.05, 0.15))
        if journal.exists():  # else it was killed after its work was done
            if json.loads(journal.read_text())["step"] in ("aside", "in"):
                with pytest.raises(BackupError, match=r"`portable restore player`"):
                    back_up(folder / "store", player, KEEP)
            assert subprocess.run(stage, check=True, capture_output=True, text=True).stdout.count("staged") == 1
            subprocess.run(swap, check=True, stdout=subprocess.DEVNULL)
        hits += half
        for volume, what in wanted.items():
            _same(tree(folder / volume), what)
            (aside,) = (folder / volume).glob(".before-restore-*")
            assert tree(aside) == was[volume]
    assert hits > KILLS / 3, f"seed {SEED}: only {hits} kills hit it at work"
    record_property("restores", f"{hits} of {2 * KILLS} kills at work, seed {SEED}: every restore completed when it was run again")


@pytest.mark.parametrize("harm", ["bytes", "missing", "listing", "path"])
def test_a_backup_that_is_harmed_is_not_put_back(tmp_path: Path, harm: str) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    filled(tmp_path / "config", 2, files=3)
    (tmp_path / "config" / "settings.xml").write_text("<port>8989</port>")
    at = back_up(store, player, KEEP)["at"]
    stored = store / "player" / at / "config" / "settings.xml"
    match harm:
        case "bytes":
            stored.write_text("<port>9999</port>")
        case "missing":
            stored.unlink()
        case _:
            listing, manifest = store / "player" / at / "config.files.jsonl", store / "player" / at / "manifest.json"
            was = digest_of(listing)[0]
            listing.write_text(listing.read_text().replace('"settings.xml"', '"../../escaped"'))
            if harm == "path":  # by somebody who knows how it is proven
                manifest.write_text(manifest.read_text().replace(was, digest_of(listing)[0]))
    before = tree(tmp_path / "config")
    with pytest.raises(BackupError):
        stage(store, player)
    assert tree(tmp_path / "config") == before
    assert not list((tmp_path / "config").glob(".*restore*"))
    if harm in ("bytes", "missing"):
        assert check(store, player)["result"] == "failed"
    assert back_up(store, player, KEEP)["result"] == "done"


def test_another_backup_may_be_chosen_until_something_was_changed(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    found = []
    for text in ("one", "two"):
        (tmp_path / "config" / "file").write_text(text)
        found.append(back_up(store, player, KEEP)["at"])
    assert stage(store, player)["at"] == found[1]
    assert stage(store, player, found[0])["at"] == found[0]
    swap(store, player)
    assert (tmp_path / "config" / "file").read_text() == "one"
    with pytest.raises(BackupError, match="no unfinished restore of player"):
        swap(store, player)


def test_while_the_app_runs_nothing_is_written_where_it_could_put_a_link(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("mine")
    back_up(store, player, KEEP)
    before = sorted(path.name for path in (tmp_path / "config").iterdir())
    assert stage(store, player)["result"] == "staged"
    assert sorted(path.name for path in (tmp_path / "config").iterdir()) == before


def test_a_link_in_the_place_of_what_is_staged_is_not_followed(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config", "other"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("mine")
    (tmp_path / "other" / "folder").mkdir(mode=0o2775)
    (tmp_path / "other" / "folder").chmod(0o2775)
    back_up(store, player, KEEP)
    (tmp_path / "config" / STAGED).symlink_to(tmp_path / "other")
    assert stage(store, player)["result"] == "staged"
    assert stat.S_IMODE((tmp_path / "other" / "folder").stat().st_mode) == 0o2775


def test_a_restore_is_given_up_from_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before each of its steps, and the giving up killed too before each of its own, then run again: the state is what it was."""
    number = tried = 0
    reached: set[str] = set()
    ended = False
    while not ended:
        for again in range(number % 3, 100, 3):
            folder = tmp_path / f"{number} {again}"
            folder.mkdir()
            player, store = app(folder, "config", "metadata"), folder / "store"
            for volume in ("config", "metadata"):
                (folder / volume / "same").write_text("as backed up")
                (folder / volume / "link").symlink_to("nowhere")
            back_up(store, player, KEEP)
            for volume in ("config", "metadata"):
                (folder / volume / "same").write_text("as it is")
                (folder / volume / "later").mkdir()
                (folder / volume).chmod(0o750)
            was = {volume: (tree(folder / volume), (folder / volume).stat().st_mode) for volume in ("config", "metadata")}
            stage(store, player)
            try:
                with killed_before(monkeypatch, number):
                    swap(store, player)
                ended = True
                break
            except Killed:
                pass
            reached.add(json.loads((store / "player" / JOURNAL).read_text())["step"])
            try:
                with killed_before(monkeypatch, again):
                    abort(store, player, stopped=True)
                ended_giving_up = True
            except Killed:
                ended_giving_up = False
                if json.loads((store / "player" / JOURNAL).read_text())["step"] in ("out", "back"):
                    with pytest.raises(BackupError, match="restore --abort"):
                        stage(store, player)
                    with pytest.raises(BackupError, match="restore --abort"):
                        swap(store, player)
                    with pytest.raises(BackupError, match="restore --abort"):
                        back_up(store, player, KEEP)
                assert abort(store, player, stopped=True)["result"] == "given up"
            for volume, (what, mode) in was.items():
                now = {name: facts for name, facts in tree(folder / volume).items() if not name.startswith(GIVEN_UP)}
                assert (now, (folder / volume).stat().st_mode) == (what, mode), (number, again)
                assert not [p for p in (folder / volume).iterdir() if p.name.startswith((STAGED, BEFORE))]
            tried += 1
            assert back_up(store, player, KEEP)["result"] == "done"
            assert abort(store, player, stopped=True)["result"] == "not begun"
            if ended_giving_up:
                break
        number += 1
    assert reached == {"staged", "aside", "in"}
    assert tried > 50


def test_half_way_it_is_given_up_only_of_an_app_that_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player, store = half_way(tmp_path, monkeypatch, "mine", before=2)
    half = tree(tmp_path / "config")
    assert abort(store, player, stopped=False)["result"] == "half"
    assert tree(tmp_path / "config") == half


def test_what_was_put_in_place_is_kept_when_it_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have started the app on it meanwhile."""
    player, store = half_way(tmp_path, monkeypatch, "old", before=5)
    (tmp_path / "config" / "one").write_text("written meanwhile")
    done = abort(store, player, stopped=True)
    (there,) = (tmp_path / "config").glob(f"{GIVEN_UP}*")
    assert (there / "one").read_text() == "written meanwhile"
    assert there.name in done["notes"][0]
    assert back_up(store, player, KEEP)["files"] == 2
