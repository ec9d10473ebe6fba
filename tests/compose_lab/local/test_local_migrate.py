"""Real apps move between two places of one machine: dry run, refusals, kills, the fence, rollback, confirmation."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from portable.engines.docker.engine import Engine
from portable.live.fences import LABEL
from tests.lab.engine import clean
from tests.lab.leak import LeakNet
from tests.lab.local import ROOT, Local, Ran, docker
from tests.lab.qbittorrent import QBittorrent, torrent_of

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(1500)]
Record = Callable[[str, object], None]
APPS = ("qbittorrent", "webdav")
DATA = b"what the torrent holds\n" * 5000
TEXT = """\
portable: 1
name: lab
about: Two apps in folders of a test
extends: local
clouds: []
apps: [qbittorrent, webdav]
storage:
  library: {{folder: {folder}/library}}
  state: {{folder: {folder}/config}}
exposure:
  apps:
    webdav: {{web: {{loopback: {{number: {webdav}}}}}}}
override:
  qbittorrent: &often {{containers: {{main: {{probe: {{period: 2s}}}}}}}}
  webdav: *often
  seal: *often
"""
WAIVED = "waive: [{field: egress, class: security, apps: [qbittorrent], reason: for this test}]\n"
KILLED_AT = (
    "stack planned", "stack precopied", "source fenced", "stack stopped", "placed webdav-files", "stack placed", "target opened",
    "stack started",
)  # fmt: skip
"""Points of the move at which its command is killed, one after the other, each resumed to the next one."""
KILLING = """\
import os, signal, sys
from portable.migrate import hooks
def reach(point):
    if point == os.environ["KILL_AT"]:
        os.kill(os.getpid(), signal.SIGKILL)
hooks.reach = reach
from portable.__main__ import main
sys.exit(main())
"""


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def error_of(ran: Ran) -> Any:
    """The error of a command with `--format json`: the last line, after the progress."""
    return json.loads(ran.err.splitlines()[-1])


@dataclass
class Places:
    """A stack with two profiles, `lab` and `new`: other folders for the state, one library, the same ports."""

    lab: Local

    @property
    def folder(self) -> Path:
        return self.lab.folder

    def profile(self, name: str, text: str) -> None:
        """Write a profile that extends `lab`."""
        (self.folder / "profiles" / f"{name}.yaml").write_text(f"portable: 1\nname: {name}\nabout: Another place\nextends: lab\n{text}")

    def run(self, *words: str, code: int = 0, kill_at: str = "") -> Ran:
        """Run a command; with `kill_at`, it ends itself by SIGKILL at that point."""
        command = [sys.executable, "-c", KILLING] if kill_at else [sys.executable, "-m", "portable"]
        done = subprocess.run(
            [*command, *words],
            cwd=self.folder,
            env=self.lab.environment(KILL_AT=kill_at),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        ran = Ran(words, done.returncode, done.stdout, done.stderr, 0.0)
        self.lab.ran.append(ran)
        assert ran.code == (-signal.SIGKILL if kill_at else code), str(ran)
        return ran

    def migrate(self, *words: str, to: str = "new", code: int = 0, kill_at: str = "") -> Ran:
        return self.run("migrate", "--from", "lab", "--to", to, *words, code=code, kill_at=kill_at)

    def running(self, profile: str) -> set[str]:
        """The apps that run in a place."""
        project = f"{self.lab.stack}-{profile}"
        form = '{{.Label "portable.app"}}'
        return set(docker("ps", "--filter", f"label=com.docker.compose.project={project}", "--format", form).split()) & set(APPS)

    def fences(self) -> list[str]:
        volumes = docker("volume", "ls", "-q", "--filter", f"label={LABEL}").split()
        return sorted(name for name in volumes if self.lab.stack in name)

    def qbittorrent(self) -> QBittorrent:
        """The app's own interface, in whichever place it runs."""
        return QBittorrent(f"http://127.0.0.1:{self.lab.ports['qbittorrent']}", self.lab.secret("qbittorrent-password"))

    def seeds(self) -> bool:
        """Whether qBittorrent has its torrent, checks it in full and goes on seeding."""
        app, (_, info_hash) = self.qbittorrent(), torrent_of("linux.iso", DATA)
        app.wait_complete(info_hash)
        app.call("torrents/recheck", hashes=info_hash)
        return bool(app.wait_complete(info_hash)["progress"] == 1)


@pytest.fixture(scope="module")
def places(engine: Engine, leak: LeakNet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """The place `lab`, up."""
    del leak  # as long as it is there, nothing leaves this machine
    folder = tmp_path_factory.mktemp("moves")
    lab = Local(folder, text=TEXT, published=APPS)
    places = Places(lab)
    places.profile("new", f"storage: {{state: {{folder: {folder}/elsewhere/state}}}}\n")
    places.profile("open", f"storage: {{state: {{folder: {folder}/open}}}}\negress: {{direct: [qbittorrent]}}\n{WAIVED}")
    try:
        lab.portable("up")
        yield places
    except BaseException:
        print(f"logs: {lab.save_logs()}")
        raise
    finally:
        for name in ("lab", "new", "open"):
            subprocess.run([sys.executable, "-m", "portable", "down", "-p", name], cwd=folder, env=lab.environment(), check=False)
            clean(engine, f"{lab.stack}-{name}")


def test_dry_run_names_what_moves_and_changes_nothing(places: Places) -> None:
    before = sorted(str(path) for path in places.folder.iterdir())
    shown = json.loads(places.migrate("--dry-run", "--format", "json").out)
    how = {volume["volume"]: volume["how"] for volume in shown["volumes"]}
    assert how["library"] == "shared"
    assert how["qbittorrent-config"] == how["webdav-files"] == "move"
    assert {"qbittorrent", "webdav"} <= set(shown["apps"])
    assert all(volume["bytes"] > 0 and volume["free"] > volume["bytes"] for volume in shown["volumes"] if volume["how"] == "move")
    assert sorted(str(path) for path in places.folder.iterdir()) == before
    assert places.running("lab") == set(APPS)
    assert places.fences() == []
    assert "webdav-files" in places.migrate("--dry-run").out


def test_an_unknown_pair_is_refused(places: Places) -> None:
    refused = places.migrate("--dry-run", "--format", "json", to="samba", code=4)
    assert error_of(refused)["code"] == "migrate.pair"
    assert error_of(places.migrate("--dry-run", "--format", "json", to="lab", code=4))["code"] == "migrate.pair"


def test_the_source_has_a_torrent_and_a_note(places: Places) -> None:
    data = places.lab.library / "downloads" / "torrents" / "linux.iso"
    data.write_bytes(DATA)
    os.chown(data, 1000, 1000)
    places.qbittorrent().add(torrent_of("linux.iso", DATA)[0], "/mnt/media/downloads/torrents")
    (places.folder / "config" / "webdav" / "note").write_text("kept")
    os.chown(places.folder / "config" / "webdav" / "note", 1000, 1000)
    assert places.seeds()


@pytest.mark.parametrize("point", KILLED_AT)
def test_a_move_is_killed_at_each_step_and_resumed(point: str, places: Places) -> None:
    """One move: each kill is followed by a command that goes on to the next point."""
    number = KILLED_AT.index(point)
    places.migrate(*(["--resume"] if number else []), kill_at=point)
    if number >= KILLED_AT.index("source fenced"):
        refused = places.run("up", "-p", "lab", "--format", "json", code=4)
        assert error_of(refused)["code"] == "migrate.fenced"
        assert "--rollback" in error_of(refused)["remedy"]
    if number < KILLED_AT.index("target opened"):
        refused = places.run("up", "-p", "new", "--format", "json", code=4)
        assert error_of(refused)["code"] == "migrate.fenced"
    assert not places.running("lab") or not places.running("new")


def test_the_killed_move_ends_well(places: Places, record_property: Record) -> None:
    refused = places.migrate("--format", "json", code=4)
    assert error_of(refused)["code"] == "migrate.unfinished"
    report = json.loads(places.migrate("--resume", "--format", "json").out)
    assert report["broken"] == []
    assert places.running("new") == set(APPS)
    assert places.running("lab") == set()
    assert places.seeds()
    assert (places.folder / "elsewhere" / "state" / "webdav" / "note").read_text() == "kept"
    downtimes = {app["app"]: app["downtime_seconds"] for app in report["apps"] if app["app"] in APPS}
    assert all(seconds > 0 for seconds in downtimes.values())
    record_property("downtime_with_kills", downtimes)


def test_a_rollback_gives_the_source_back(places: Places) -> None:
    places.migrate("--rollback", kill_at="target stopped")
    places.migrate("--rollback")
    assert places.running("lab") == set(APPS)
    assert places.running("new") == set()
    assert places.fences() == []
    assert places.seeds()
    state = places.folder / "elsewhere" / "state" / "webdav"
    (aside,) = [path.name for path in state.iterdir()]
    assert aside.startswith(".given-up-move-")
    shutil.rmtree(places.folder / "elsewhere")


def test_an_app_never_leaves_its_gateway(places: Places) -> None:
    refused = error_of(places.migrate("qbittorrent", "--format", "json", to="open", code=4))
    assert "migrate.egress" in [error["code"] for error in refused["errors"]]
    assert places.running("lab") == set(APPS)
    assert not (places.folder / "open").exists()


def test_files_of_another_owner_and_a_used_target_are_refused_at_once(places: Places) -> None:
    note = places.folder / "config" / "webdav" / "note"
    os.chown(note, 0, 0)
    note.chmod(0o600)
    taken = places.folder / "elsewhere" / "state" / "webdav"
    taken.mkdir(parents=True)
    (taken / "own").write_text("somebody's")
    refused = error_of(places.migrate("webdav", "--dry-run", "--format", "json", code=4))
    assert {"migrate.target-not-empty", "migrate.owner"} <= {error["code"] for error in refused["errors"]}
    os.chown(note, 1000, 1000)
    shutil.rmtree(places.folder / "elsewhere")


def test_a_move_without_kills_is_confirmed(places: Places, record_property: Record) -> None:
    report = json.loads(places.migrate("--format", "json").out)
    record_property("downtime", {app["app"]: app["downtime_seconds"] for app in report["apps"]})
    assert Path(report["report"]).is_file()
    markdown = Path(report["report"]).with_suffix(".md").read_text()
    assert "webdav-files | copied and proven" in markdown
    old = places.folder / "config" / "webdav"
    rests = json.loads(places.migrate("--confirm", "--dry-run", "--format", "json").out)["rests"]
    assert str(old) in [rest["folder"] for rest in rests]
    assert error_of(places.migrate("--confirm", "--remove", "other", "--format", "json", code=2))["code"] == "migrate.unknown-volume"
    kept = names_in(places.folder / "config" / "qbittorrent")
    ended = json.loads(places.migrate("--confirm", "--remove", "webdav-files", "--format", "json").out)
    assert ended["removed"]
    assert names_in(old) == []
    assert names_in(places.folder / "config" / "qbittorrent") == kept
    assert error_of(places.run("up", "-p", "lab", "--format", "json", code=4))["code"] == "migrate.fenced"
    assert places.running("new") == set(APPS)
    assert places.seeds()
    assert not list((places.folder / "elsewhere" / "state" / "webdav").glob(".portable-move"))
    assert places.lab.secret("qbittorrent-password") not in "".join(f"{ran.out}{ran.err}" for ran in places.lab.ran)


def test_apps_move_back_to_a_place_that_they_left(places: Places) -> None:
    """The fence of the first move does not hold against the way back."""
    shutil.rmtree(places.folder / "config")
    places.run("migrate", "--from", "new", "--to", "lab")
    assert places.running("lab") == set(APPS)
    assert places.seeds()
    places.run("migrate", "--from", "new", "--to", "lab", "--confirm", "--release")
    assert places.fences() == []


def test_the_points_of_a_kill_exist() -> None:
    texts = "".join(path.read_text() for path in (ROOT / "portable" / "migrate").glob("stack_*.py"))
    steps = {"planned", "precopied", "stopped", "placed", "started"}
    assert {point.removeprefix("stack ") for point in KILLED_AT if point.startswith("stack ")} == steps
    assert all(f'"{point}"' in texts for point in ("source fenced", "target opened"))
