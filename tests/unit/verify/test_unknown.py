"""The results that are `unknown` on a healthy stack of the profile `local`: none. The engine's ring proves the same on real apps."""

import contextlib
import http.server
import socketserver
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from portable.backends.common import containers, gateway_of
from portable.backends.prepare import prepare
from portable.live.view import CommandResult, HostFolder, PublishedAddress
from portable.model.folders import folder_of
from portable.model.plan import Folder, Plan
from portable.verify import contracts, sound, verify
from portable.verify.contract import about
from tests.lab.local import PROFILE, UNKNOWN, Local
from tests.unit.verify.fake import FakeStack

SEALED = """\
iptables iptables -P OUTPUT DROP
iptables iptables -A OUTPUT -o lo -j ACCEPT
iptables iptables -A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables iptables -A OUTPUT -d 172.20.0.0/16 -j ACCEPT
own eth0 172.20.0.2/16
"""
LOCKING = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\nc.execute('pragma locking_mode = exclusive')\n"
LOCK = (
    f"{LOCKING}c.execute('create table if not exists t (x)')\nc.execute('insert into t values (1)')\nprint('locked', flush=True)\ninput()"
)


@contextlib.contextmanager
def locked(path: Path, program: str = LOCK) -> Iterator[None]:
    """Another process that keeps a database locked, as Gerbera does."""
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        assert app.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            app.kill()


class Healthy(FakeStack):
    """The stack of the lab, as its apps answer in their first minutes."""

    def __init__(self, plan: Plan, ports: Mapping[str, int]) -> None:
        super().__init__(plan, answer=self.answered, here=True)
        numbers = {app.name: port.number for app in plan.apps for port in app.ports if port.name == "web"}
        for name, number in ports.items():
            owner = next((gateway_of(group) for group in plan.groups if name in group.apps), None) or name
            inside = PublishedAddress(address="127.0.0.1", number=number, protocol="tcp", inside=numbers[name])
            self.changes[owner] = {"published": (inside,)}

    @staticmethod
    def answered(_name: str, command: Sequence[str]) -> CommandResult | None:
        if "-S OUTPUT" in command[-1]:
            return CommandResult(code=0, text=SEALED)
        if list(command[:2]) == ["stat", "-c"] and command[2] == "%d:%i":
            return CommandResult(code=0, text="\n".join("64:256" for _ in command[3:]))
        return None

    def on_host(self, folders: Sequence[str]) -> Mapping[str, HostFolder] | None:
        return {folder: HostFolder(identity="64:256", mounted=True) for folder in folders}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Healthy]:
    local = Local(tmp_path / "lab")
    plan = prepare(PROFILE, folder=local.folder).planned.plan
    for volume in plan.volumes:
        folder = folder_of(volume)
        if isinstance(volume.place, Folder) and folder is not None and folder.startswith(str(tmp_path)):
            Path(folder).mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as servers:
        for number in local.ports.values():
            server = servers.enter_context(socketserver.TCPServer(("127.0.0.1", number), http.server.BaseHTTPRequestHandler))
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            servers.callback(server.shutdown)
        yield Healthy(plan, local.ports)


def test_no_result_is_unknown_on_a_healthy_local_stack(stack: Healthy, tmp_path: Path) -> None:
    """Gerbera keeps its database locked, SABnzbd's has a log and is closed, and qBittorrent has none."""
    config = tmp_path / "lab" / "config"
    with contextlib.closing(sqlite3.connect(config / "sabnzbd" / "history1.db", isolation_level=None)) as made:
        made.execute("pragma journal_mode = wal")
        made.execute("create table history (x)")
    with locked(config / "gerbera" / "gerbera.db"):
        found = list(verify(stack, contracts()))
    assert [row for row in found if row.verdict == "broken"] == []
    assert {(row.contract, row.subject, row.text) for row in found if row.verdict == "unknown"} == UNKNOWN == frozenset()
    assert {row.subject for row in found if row.contract == "runs"} == {about(c) for c in containers(stack.plan) if c.app or c.cloud}
    assert {row.subject for row in found if row.contract == "databases"} == {"gerbera", "qbittorrent", "sabnzbd"}


def rows(folder: Path) -> list[str]:
    return [verdict for verdict, _ in sound.looked(folder)]


def test_a_locked_database_is_unknown_only_while_its_app_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "app.db"
    with locked(path):
        before = {each: each.stat().st_mtime_ns for each in tmp_path.iterdir()}
        assert rows(tmp_path) == ["holds"]
        assert {each: each.stat().st_mtime_ns for each in tmp_path.iterdir()} == before, "the check leaves nothing"
        versions = iter([(1, 1, 1), (1, 1, 2)])
        monkeypatch.setattr(sound, "_version", lambda _path: next(versions))
        ((verdict, text),) = sound.looked(tmp_path)
    assert (verdict, "its app keeps it locked" in text, "`portable backup --stop`" in text) == ("unknown", True, True)


def test_a_locked_database_with_a_hole_is_not_called_corrupted_or_intact(tmp_path: Path) -> None:
    """What is in the file may be half of a change, so only a good result counts."""
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute("create table t (x)")
        made.executemany("insert into t values (?)", [("x" * 500,) for _ in range(200)])
    content = bytearray(path.read_bytes())
    content[8192:16384] = b"\xff" * 8192
    path.write_bytes(content)
    with locked(path, f"{LOCKING}c.execute('begin exclusive')\nprint('locked', flush=True)\ninput()"):
        assert rows(tmp_path) == ["unknown"]


def test_a_log_that_nobody_has_open_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    kill = "import os, sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\nc.execute('pragma journal_mode = wal')\n"
    subprocess.run([sys.executable, "-c", f"{kill}c.execute('create table t (x)')\nos._exit(0)", path], check=True)
    (tmp_path / "app.db-shm").unlink()
    before = sorted(tmp_path.iterdir())
    ((verdict, text),) = sound.looked(tmp_path)
    assert (verdict, "start its app" in text, sorted(tmp_path.iterdir())) == ("unknown", True, before)


@pytest.mark.parametrize(
    ("name", "words"),
    [("data/PG_VERSION", "PostgreSQL"), ("dump.rdb", "Redis"), ("node.lock", "Elasticsearch"), ("deep/bolt.db", "deep/bolt.db")],
)
def test_another_kind_of_database_is_unknown_with_its_name(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"something else")
    ((verdict, text),) = sound.looked(tmp_path)
    assert (verdict, words in text) == ("unknown", True)


def test_an_app_without_a_database_has_none_that_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "settings.ini").write_text("x")
    assert rows(tmp_path) == ["holds"]
    ((verdict, text),) = sound.looked(tmp_path / "missing")
    assert (verdict, "cannot be read" in text) == ("unknown", True)
