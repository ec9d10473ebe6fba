"""The apps of the profile zimaboard as stand-ins, up on this machine: sealed instead of behind a VPN, in folders of the test."""

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from portable.backends.prepare import prepare
from tests.lab import standins
from tests.lab.engine import bring_engine, clean
from tests.lab.local import Local, docker
from tests.lab.standin.state import audit

MORE: dict[str, Any] = {
    "without": ["capacity", "gluetun", "old-downloads"],
    "vpn": None,
    "networks": {"subnet": None},
    "addresses": None,
    "memory": None,
    "devices": {"tun": None, "gpu": None},
    "storage": {"library": {"folder": "{folder}/storage", "mounted": False}},
    "exposure": {"default": "none", "address": None, "apps": {"tubearchivist": None, "sonarr": {"web": {"loopback": "{sonarr}"}}}},
    "waive": [
        {"field": "egress.fence", "class": "security", "reason": "as in the profile local"},
        {"field": "containers.env.secret", "class": "security", "apps": ["tubearchivist"], "reason": "as in the profile zimaboard"},
        {"field": "ports.private", "class": "security", "apps": ["ipfs", "tubearchivist"], "reason": "stand-ins listen on loopback there"},
    ],
}
IMPORTS = int(os.environ.get("PORTABLE_IMPORTS", "100"))
OUTSIDE = ("tcp://127.0.0.1:7474", "tcp://127.0.0.1:1", "udp://127.0.0.1:1", "dns://sonarr")
"""What autobrr calls: itself, nobody, nobody, and the engine's resolver. Nothing of it leaves the namespace."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Local]:
    """The stack, up; its logs are kept where a test failed."""
    failed = request.session.testsfailed
    planned = prepare("zimaboard", folder=tmp_path_factory.mktemp("nowhere")).planned
    folder = tmp_path_factory.mktemp("zimaboard") / "stack"
    with bring_engine() as engine:
        taken = standins.bring(engine, planned, outside={"autobrr": OUTSIDE})
        text = standins.profile(planned, taken, "lab", MORE).replace('"{sonarr}"', "{sonarr}")
        made = Local(folder, text=text, published=("sonarr",))
        try:
            made.portable("up")
            yield made
        except BaseException:
            print(f"logs: {made.save_logs()}")
            raise
        finally:
            if request.session.testsfailed > failed:
                print(f"logs: {made.save_logs()}")
            made.portable("down", code=None)
            clean(engine, made.project)


def soon(what: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + seconds
    while not (true := what()) and time.monotonic() < until:
        time.sleep(0.2)
    return true


def told(stack: Local, service: str, port: int, path: str = "/standin") -> Any:
    """What a stand-in says of itself."""
    return json.loads(stack.inside(service, "curl", "-sf", f"http://127.0.0.1:{port}{path}"))


def test_every_contract_holds_with_stand_ins(stack: Local) -> None:
    """They behave as the plan says of the apps that they stand for; where one did not, the contract about it would be broken here."""
    said = stack.portable("verify", code=None)
    assert (said.code, [line for line in said.out.splitlines() if ": broken: " in line]) == (0, []), str(said)
    assert stack.portable("diff", code=None).code == 0, str(stack.ran[-1])


def test_each_runs_as_its_image_would(stack: Local) -> None:
    seen = {name: told(stack, name, port) for name, port in (("sonarr", 8989), ("jellyfin", 8096), ("tubearchivist", 8000))}
    assert {name: (*said["user"], said["umask"]) for name, said in seen.items()} == {
        "sonarr": (1000, 1000, "002"),
        "jellyfin": (1000, 1000, "022"),
        "tubearchivist": (0, 0, "022"),
    }
    marks = {path.name: path.stat().st_uid for path in (stack.folder / "storage/media").rglob("*.stand-in.txt")}
    importers = ("audiobookshelf", "lidarr", "mylar3", "radarr", "readarr", "sonarr", "tubearchivist")
    assert marks == {f"{name}.stand-in.txt": 1000 for name in importers}


def test_downloads_are_imported_by_link(stack: Local) -> None:
    storage = stack.folder / "storage"
    finished = storage / "downloads/complete/sonarr/A show"
    finished.mkdir(parents=True)
    for number in range(IMPORTS):
        (finished / f"{number}.mkv").write_bytes(b"film")
    (finished / "part.mkv.!qB").write_bytes(b"not whole")
    # The kernel lets nobody link what is not theirs (fs.protected_hardlinks, proc_sys_fs(5)), and that is told.
    assert soon(lambda: len(told(stack, "sonarr", 8989)["failed"]) == IMPORTS)
    assert "Operation not permitted" in stack.logs_of("sonarr")
    for path in (finished.parent, finished, *finished.iterdir()):
        os.chown(path, 1000, 1000)
    kept = storage / "media/tv/A show"
    assert soon(lambda: kept.is_dir() and len(list(kept.iterdir())) == IMPORTS)
    assert all((kept / f"{number}.mkv").samefile(finished / f"{number}.mkv") for number in range(IMPORTS))
    assert (kept.stat().st_uid, kept.stat().st_mode & 0o777) == (1000, 0o775)
    assert (told(stack, "sonarr", 8989)["imported"], told(stack, "radarr", 7878)["imported"]) == (IMPORTS, 0)
    assert told(stack, "sonarr", 8989)["failed"] == []


def test_a_database_is_whole_when_it_ends_and_goes_on(stack: Local) -> None:
    """Told to end, it does at once: a row a second is no reason to be killed."""
    database = stack.folder / "storage/appdata/sonarr/sonarr.db"
    before = told(stack, "sonarr", 8989)["rows"]["/config/sonarr.db"]
    begun = time.monotonic()
    docker("stop", stack.container("sonarr"))
    assert time.monotonic() - begun < 5
    assert not database.with_name("sonarr.db-wal").exists()
    assert (after := audit(database)) >= before
    docker("start", stack.container("sonarr"))
    assert soon(lambda: database.with_name("sonarr.db-wal").exists() and audit(database) > after)


def test_private_ports_answer_inside_alone(stack: Local) -> None:
    """What profiles waive `ports.private` for."""
    assert told(stack, "ipfs", 5001)["app"] == "ipfs"
    assert stack.inside("sonarr", "curl", "-s", "http://ipfs:8081/standin")
    assert stack.inside("sonarr", "curl", "-s", "http://ipfs:5001/standin", code=7) == ""
    assert stack.inside("sonarr", "curl", "-s", "http://tubearchivist:9200/", code=7) == ""


def test_traffic_is_tried_all_the_time_and_counted(stack: Local) -> None:
    """From the first instant: before it listens itself, its own port does not answer."""
    counts = told(stack, "autobrr", 7474, "/standin/outside")
    assert counts.keys() == {*OUTSIDE, "libc://sonarr"}
    assert all(count["tried"] > 20 for count in counts.values()), counts
    itself, nobody, unheard, name = (counts[target] for target in OUTSIDE)
    assert 0 < itself["answered"] < itself["tried"]
    assert (nobody["answered"], unheard["answered"]) == (0, 0)
    assert name["answered"] > 0
    assert counts["libc://sonarr"]["answered"] > 0
    # The file is written once a second: it may be a second behind.
    first, later = (written(stack) for _ in range(2))
    assert 0 < later - first <= 60


def written(stack: Local) -> int:
    """What its file says of its tries, after another while."""
    time.sleep(2.5)
    return int(json.loads(stack.inside("autobrr", "cat", "/tmp/outside.json"))[OUTSIDE[0]]["tried"])
