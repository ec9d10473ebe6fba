"""The program as a command: several apps, exit codes and little memory."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portable.programs.backup.journal import JOURNAL
from tests.lab.keeper import KEEP, app, command, rows, script
from tests.unit.programs.backup import many

FILES = int(os.environ.get("PORTABLE_BACKUP_FILES", "300000"))
"""How many the full form takes, in a process that gets 200 MiB of addresses."""


def together(folder: Path, *apps: Any, more: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The nightly run: all apps, none named."""
    config = folder / "all.json"
    told = {
        a.name: {
            "image": "",
            "volumes": {v: {"at": str(at), "copied": "stopped" if v in a.stopped else "running"} for v, at in a.volumes.items()},
        }
        for a in apps
    }
    config.write_text(json.dumps({"store": str(folder / "store"), "keep": KEEP, "apps": told}))
    run = [sys.executable, str(script()), "backup", "--json", "--config", str(config)]
    return subprocess.run(run, capture_output=True, text=True, check=False, env={**os.environ, **(more or {})})


def test_an_unknown_app_is_told(tmp_path: Path) -> None:
    done = subprocess.run(command(tmp_path, app(tmp_path, "config"), "stage", "sonar"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert rows(done.stdout)[0]["notes"] == ["sonar is not backed up here"]


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_it_does_with_little_memory_what_the_keeper_has_to(tmp_path: Path, record_property: Any) -> None:
    player = app(tmp_path, "config")
    many(tmp_path / "config", FILES)

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))

    for name in ("backup", "backup", "check", "stage", "swap"):
        done = subprocess.run(command(tmp_path, player, name, "player"), capture_output=True, text=True, check=False, preexec_fn=little)
        assert done.returncode == 0, done.stdout + done.stderr
    record_property("backup_memory", f"{FILES} entries backed up twice, tried and put back within 200 MiB of addresses")


def test_an_app_that_is_killed_or_confused_keeps_no_other_from_being_backed_up(tmp_path: Path) -> None:
    apps = [app(tmp_path, name, name=name) for name in ("a", "doomed", "odd", "z")]
    (tmp_path / "store" / "odd").mkdir()
    (tmp_path / "store" / "odd" / JOURNAL).write_text("not json")
    (tmp_path / "sitecustomize.py").write_text("import os, sys\nif 'doomed' in sys.argv: os.kill(os.getpid(), 9)\n")
    done = together(tmp_path, *apps, more={"PYTHONPATH": str(tmp_path)})
    found = {row["app"]: row for row in rows(done.stdout)}
    assert {name: row["result"] for name, row in found.items()} == {"a": "done", "doomed": "failed", "odd": "failed", "z": "done"}
    assert "out of memory" in found["doomed"]["notes"][0]
    assert "JSONDecodeError" in found["odd"]["notes"][0]
    assert done.returncode == 1


def test_who_names_an_app_of_which_nothing_can_be_taken_is_told_so_by_the_exit_code(tmp_path: Path) -> None:
    search = app(tmp_path, "index", name="search", stopped=["index"])
    named = subprocess.run(command(tmp_path, search, "backup", "search"), capture_output=True, text=True, check=False)
    assert (named.returncode, rows(named.stdout)[0]["result"]) == (1, "failed")
    assert "`portable backup --stop search`" in rows(named.stdout)[0]["notes"][0]
    at_night = together(tmp_path, search, app(tmp_path, "config"))
    assert (at_night.returncode, [row["result"] for row in rows(at_night.stdout)]) == (0, ["done", "left out"])


def test_a_name_that_is_no_text_ends_no_run(tmp_path: Path) -> None:
    player = app(tmp_path, "config")
    os.mkfifo(tmp_path / "config" / os.fsdecode(b"pipe \xff"))
    run = [part for part in command(tmp_path, player, "backup") if part != "--json"]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stderr
    assert "pipe" in done.stdout
    assert "is left out" in done.stdout


def test_the_images_of_containers_are_stored_and_listed(tmp_path: Path) -> None:
    player, images = app(tmp_path, "config"), {"player": "player:2", "player-database": "postgres:17"}

    def run(*words: str) -> list[dict[str, Any]]:
        done = subprocess.run(command(tmp_path, player, *words), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return rows(done.stdout)

    run("backup", "player")
    run("backup", "player", "--images", json.dumps({"player": images, "other": {"other": "x:1"}}))
    assert [row["images"] for row in run("list", "player")] == [{}, images]
    for manifest in sorted((tmp_path / "store" / "player").glob("2*/manifest.json"))[:1]:
        older = {key: value for key, value in json.loads(manifest.read_text()).items() if key != "images"}
        manifest.write_text(json.dumps(older))
    assert [row["images"] for row in run("list", "player")] == [{}, images]
    run("stage", "player")
    (done,) = run("swap", "player")
    assert done["images"] == images


def test_images_that_are_no_json_and_unknown_options_are_refused(tmp_path: Path) -> None:
    for words in (("--images", "{"), ("--from-tomorrow",)):
        done = subprocess.run(command(tmp_path, app(tmp_path, "config"), "backup", "player", *words), capture_output=True, check=False)
        assert done.returncode == 2
