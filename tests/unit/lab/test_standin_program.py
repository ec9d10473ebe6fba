"""The program of a stand-in, piece by piece, without a container."""

import contextlib
import errno
import os
import socket
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lab.standin import outside
from tests.lab.standin.app import App
from tests.lab.standin.library import Library
from tests.lab.standin.state import BrokenError, Line, audit


def soon(what: Any, seconds: float = 5) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + seconds
    while not (true := bool(what())) and time.monotonic() < until:
        time.sleep(0.02)
    return true


# --- state ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """One with ten rows, written by two runs."""
    for _ in range(2):
        line = Line(tmp_path / "app.db")
        for _ in range(5):
            line.add()
        line.close()
    return tmp_path / "app.db"


def test_rows_go_on_where_they_ended(database: Path) -> None:
    assert audit(database) == 10
    assert [path.name for path in database.parent.iterdir()] == ["app.db"], "looking leaves no log behind"


def test_rows_are_read_while_they_are_written(database: Path) -> None:
    line = Line(database)
    line.add()
    assert database.with_name("app.db-wal").exists()
    assert audit(database) == line.number == 11
    line.close()


@pytest.mark.parametrize(
    "damage",
    ["delete from line where number = 4", "update line set at = '1' where number = 4", "update line set number = 12 where number = 10"],
)
def test_a_row_that_is_lost_or_changed_is_seen(database: Path, damage: str) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as opened:
        opened.execute(damage)
    with pytest.raises(BrokenError, match="does not follow"):
        audit(database)
    with pytest.raises(BrokenError):
        Line(database)


# --- library ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Of an app with one film finished, one that is being written, and a link into a cloud."""
    finished = tmp_path / "downloads/complete/radarr/film"
    finished.mkdir(parents=True)
    (finished / "film.mkv").write_text("film")
    (finished / "next.mkv.!qB").write_text("fi")
    (finished / "cloud").symlink_to("/mnt/clouds/shelf")
    (tmp_path / "downloads/complete/sonarr").mkdir()
    (tmp_path / "downloads/complete/sonarr/show.mkv").write_text("another app's")
    return Library("radarr", tmp_path, "media/movies", ["downloads/complete"])


def test_what_is_finished_is_linked_once(library: Library, tmp_path: Path) -> None:
    library.look()
    library.look()
    kept = tmp_path / "media/movies"
    assert [path.relative_to(kept).as_posix() for path in kept.rglob("*")] == ["film", "film/film.mkv"]
    assert (kept / "film/film.mkv").samefile(tmp_path / "downloads/complete/radarr/film/film.mkv")
    assert (library.imported, library.failed) == (1, {})


def test_an_import_that_fails_is_told_once_and_tried_again(
    library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "")

    with monkeypatch.context() as broken:
        broken.setattr(os, "link", refused)
        library.look()
        library.look()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("IMPORT FAILED")
    assert "Invalid cross-device link" in said[0]
    library.look()
    assert (library.imported, library.failed) == (1, {})


# --- the app ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def app(tmp_path: Path) -> App:
    """One without ports and library."""
    health = [{"path": "/ping", "status": 200}, {"path": "/login", "status": 303}]
    told = {"app": "demo", "container": "main", "state": [str(tmp_path)], "caches": [], "ports": [], "library": None, "health": health}
    return App(told, {})


def test_health_answers_as_its_probe_wants_it_while_the_database_is_written(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.tick()
    assert [app.answer(path)[0] for path in ("/ping", "/ping?full=1", "/login", "/", "/none")] == [200, 200, 303, 200, 404]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    assert [app.answer(path)[0] for path in ("/ping", "/")] == [500, 200]
    app.close()


def test_settings_hold_no_value_of_the_environment(tmp_path: Path, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "opens-everything")
    App({**app.report(), "state": [], "caches": [str(tmp_path)], "ports": [], "library": None, "health": []}, {})
    text = (tmp_path / "stand-in.conf").read_text()
    assert "API_KEY" in text
    assert "opens-everything" not in text
    app.close()


# --- outside ----------------------------------------------------------------------------------------------------------


def test_calls_are_counted_and_answers_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "COUNTS", tmp_path / "outside.json")
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echoing:
        echoing.bind(("127.0.0.1", 0))
        threading.Thread(target=lambda: [echoing.sendto(*echoing.recvfrom(100)) for _ in range(3)], daemon=True).start()
        with socket.create_server(("127.0.0.1", 0)) as closed:
            nobody = closed.getsockname()[1]
        targets = [
            f"tcp://127.0.0.1:{listening.getsockname()[1]}",
            f"udp://127.0.0.1:{echoing.getsockname()[1]}",
            f"tcp://127.0.0.1:{nobody}",
        ]
        # What goes on calling would be heard by every later test that watches this machine's network.
        ended = threading.Event()
        try:
            counts = outside.begin(targets, ended)
            assert soon(lambda: counts[targets[2]]["tried"] >= 10)
        finally:
            ended.set()
    heard, echoed, lost = (counts[target] for target in targets)
    assert (heard["answered"] >= 9, echoed["answered"], lost["answered"]) == (True, 3, 0)
    assert heard["tried_at"] < heard["answered_at"]
    assert (tmp_path / "outside.json").is_file()


def test_a_question_and_an_answer_of_dns() -> None:
    asked = outside.query("beacon.lab.")
    assert asked[2:12] == bytes.fromhex("01000001000000000000")
    assert asked[12:] == b"\x06beacon\x03lab\x00\x00\x01\x00\x01"
    answer = bytearray(asked)
    answer[2:8] = bytes.fromhex("818000010001")
    assert outside.resolved(bytes(answer))
    assert not outside.resolved(asked), "no record"
    answer[3] = 0x83
    assert not outside.resolved(bytes(answer)), "no such name"
