"""`backup`, `restore` and `upkeep` on real apps: under load, killed half-way, tried, and on an engine that is another machine's."""

import json
import os
import random
import re
import sqlite3
import time
from typing import Any

import pytest

from tests.lab.forward import tcp_engine
from tests.lab.keeper import last, sound_until, writing_inside
from tests.lab.local import Local, end_group
from tests.lab.qbittorrent import QBittorrent, torrent_of
from tests.verify_lab.test_faults import broken

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]
ROUNDS = int(os.environ.get("PORTABLE_LAB_BACKUPS", "3"))
KILLS = int(os.environ.get("PORTABLE_RESTORE_KILLS", "2"))
SEED = int(os.environ.get("PORTABLE_SEED", "20261121"))
WELL = ("runs", "shares", "answers", "identity", "privacy", "databases")


def rows(local: Local, *arguments: str, code: int | None = 0) -> list[dict[str, object]]:
    """What the command tells programs."""
    ran = local.portable(*arguments, "--format", "json", code=code)
    found: list[dict[str, object]] = json.loads(ran.out)["backup"]
    return found


def test_a_database_that_an_app_writes_all_the_time(local: Local, record_property: Any) -> None:
    """Written inside SABnzbd's own container, copied by the keeper, put back: sound, with every commit from before the backup began."""
    folder = local.folder / "config" / "sabnzbd"
    with writing_inside(local.container("sabnzbd"), folder, "/config") as told:
        for _ in range(ROUNDS):
            committed = last(told)
            (row,) = rows(local, "backup", "sabnzbd")
            assert row["result"] == "done", row
            stored = local.folder / "backups" / "sabnzbd" / str(row["at"]) / "config" / "load.db"
            assert sound_until(stored) >= committed > 0
        assert (folder / "load.db").stat().st_uid == 1000
        assert {path.stat().st_uid for path in folder.glob("load.db*")} == {1000}  # nothing of the keeper's own user
        assert last(told) > committed
    (done,) = rows(local, "restore", "sabnzbd")
    assert (done["result"], done["at"]) == ("done", row["at"])
    assert sound_until(folder / "load.db") >= committed
    assert (folder / str(done["before"]) / "load.db").exists()
    assert broken(local, *WELL) == {}
    record_property("lab_backups", f"{ROUNDS} backups on the stack while {last(told)} rows were committed")
    for path in folder.glob("load.db*"):
        path.unlink()


def test_a_restore_that_is_killed_goes_on(local: Local, record_property: Any) -> None:
    """The torrents of qBittorrent, as it knows them itself; meanwhile `up` would start it on half of its state, and is refused."""
    folder, chance, half = local.folder / "config" / "qbittorrent", random.Random(SEED), 0
    client = QBittorrent(f"http://127.0.0.1:{local.ports['qbittorrent']}", local.secret("qbittorrent-password"))
    torrent, info_hash = torrent_of("kept.bin", b"kept" * 5000)
    client.add(torrent, "/mnt/media/downloads/complete")
    time.sleep(1)
    local.portable("restart", "qbittorrent")  # it writes what it knows when it ends
    (made,) = rows(local, "backup", "qbittorrent")
    for _ in range(KILLS):
        for number in range(300):
            (folder / f"later {number}").touch()
        os.chown(folder / "later 0", 1000, 1000)
        started = local.start("restore", "qbittorrent", "--at", str(made["at"]))
        journal = local.folder / "backups" / "qbittorrent" / ".restore.json"
        until = time.monotonic() + 60
        while not (journal.exists() and json.loads(journal.read_text())["step"] in ("staged", "aside", "in")):
            assert started.poll() is None or journal.exists(), "it ended before it was killed"
            assert time.monotonic() < until
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 2))
        end_group(started)
        if (local.state / "portable" / local.project / "restoring.json").exists() and "qbittorrent" in json.loads(
            (local.state / "portable" / local.project / "restoring.json").read_text()
        ):
            half += 1
            assert "is not finished" in local.portable("up", "qbittorrent", code=4).err
        (done,) = rows(local, "restore", "qbittorrent", "--at", str(made["at"]))
        assert done["result"] == "done"
        assert not list(folder.glob("later *"))
        again = QBittorrent(client.url, local.secret("qbittorrent-password"))
        assert again.torrent(info_hash) is not None, "the torrent is known again"
    local.portable("up")
    assert broken(local, *WELL) == {}
    record_property(
        "restore_kills", f"{KILLS} restores killed ({half} after the app went down), seed {SEED}: each completed when run again"
    )


def test_a_restore_that_is_killed_is_given_up(local: Local, record_property: Any) -> None:
    """SABnzbd has again what it had before, and runs."""
    folder, chance, half = local.folder / "config" / "sabnzbd", random.Random(SEED), 0
    (made,) = rows(local, "backup", "sabnzbd")
    for _ in range(KILLS):
        (folder / "later").write_text("after the backup")
        started = local.start("restore", "sabnzbd", "--at", str(made["at"]))
        journal = local.folder / "backups" / "sabnzbd" / ".restore.json"
        until = time.monotonic() + 60
        while not journal.exists() and started.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 1.5))
        end_group(started)
        ended = not journal.exists()
        half += not ended
        ran = local.portable("restore", "--abort", "sabnzbd", "--format", "json", code=None)
        if ran.code == 0 and json.loads(ran.out)["backup"][0]["result"] == "given up":
            assert (folder / "later").read_text() == "after the backup"
        else:
            assert not (folder / "later").exists(), str(ran)  # the keeper's program had ended it by itself meanwhile
        assert not journal.exists()
        assert local.portable("up", "sabnzbd").code == 0
    assert broken(local, *WELL) == {}
    record_property("restore_aborts", f"{KILLS} restores killed, {half} half-way: each given up, seed {SEED}")


def test_every_backup_is_tried_and_a_harmed_one_is_told(local: Local) -> None:
    made = {row["app"]: row["result"] for row in rows(local, "backup")}
    assert made == {"gerbera": "left out", "qbittorrent": "done", "sabnzbd": "done", "webdav": "done"}
    assert {row["result"] for row in rows(local, "backup", "--check")} == {"done"}
    (named,) = rows(local, "backup", "gerbera", code=1)
    hint = re.search(r"portable backup( -p \S+)? --stop gerbera", str(named["notes"]))
    assert (named["result"], hint is not None) == ("failed", True)
    listed = rows(local, "backup", "--list", "sabnzbd")
    newest = local.folder / "backups" / "sabnzbd" / str(listed[-1]["at"])
    (newest / "config" / "sabnzbd.ini").unlink()
    (newest / "config" / "sabnzbd.ini").write_text("changed in the store")
    assert {str(r["app"]) for r in rows(local, "backup", "--check", code=1) if r["result"] == "failed"} == {"sabnzbd"}
    before = local.identity()
    (refused,) = rows(local, "restore", "sabnzbd", code=1)
    assert refused["result"] == "failed"
    assert local.identity() == before, "the app was not even stopped"
    (done,) = rows(local, "restore", "sabnzbd", "--at", str(listed[-2]["at"]))
    assert done["result"] == "done"


def test_another_machines_engine_and_an_app_that_is_stopped_meanwhile(local: Local) -> None:
    """The same engine by TCP: nothing is read of this machine's own folders."""
    config = local.folder / "config" / "gerbera"
    before = local.identity()
    with tcp_engine() as (url, _forwarder):
        (made,) = rows(local, "backup", "--stop", "gerbera", "--set", f"engine={url}")
        assert (made["result"], made["databases"]) == ("done", 1)
        assert [row["at"] for row in rows(local, "backup", "--list", "gerbera", "--set", f"engine={url}")][-1] == made["at"]
    stored = local.folder / "backups" / "gerbera" / str(made["at"]) / "config"
    (database,) = list(stored.rglob("*.db"))
    assert sqlite3.connect(database).execute("pragma integrity_check").fetchall() == [("ok",)]
    assert (config / database.relative_to(stored)).exists()
    changed = {name for name, was in local.identity().items() if before[name] != was}
    assert changed <= {"gerbera", "init"}
    assert broken(local, "runs", "answers") == {}


def test_upkeep_does_now_what_runs_at_times(local: Local) -> None:
    ran = local.portable("upkeep", "--format", "json", code=None)
    found = {(row["task"], row["subject"]): row for row in json.loads(ran.out)["upkeep"]}
    assert found["backup", "backup"]["result"] == "done", str(ran)
    assert found["downloads", "old-downloads"]["result"] == "done"
    assert any("dead link" in line for line in found["links", "stream-links"]["lines"])
    assert {row["result"] for (task, _), row in found.items() if task == "scrub"} == {"not here"}
    assert found["capacity", "capacity"]["result"] in ("done", "failed")  # how full this machine is, is its own affair
    assert any(task == "images" for task, _ in found)
    assert local.helpers() == []
    assert local.portable("upkeep", "--task", "everything", code=2).err.count("task everything (") == 1
