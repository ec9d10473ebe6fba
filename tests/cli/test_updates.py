"""`portable update`, `portable rollback` and the file of images, as a person meets them where no engine is."""

import json
import re
from pathlib import Path

import pytest

from tests.cli import digest, run, write
from tests.cli.test_documents import refused

OLD, NEW = (f"sha256:{digit * 64}" for digit in "12")
AT = "registry.test/demo:1"
PROFILE = "portable: 1\nname: mine\nextends: local\nback-end: compose\napps: [demo]\nclouds: []\n"
APP = f"""\
portable: 1
name: demo
title: Demo
about: an app
zone: front
containers:
  main:
    image: {{repository: registry.test/demo, tag: "1", digest: {OLD}}}
    identity: user
    resources: {{memory: {{request: 64Mi, limit: 128Mi}}}}
"""
TAKEN = f"""\
portable: 1
images:
  demo:
    at: 2026-11-21T03:00:00Z
    containers: {{main: {{instead-of: "{AT}@{OLD}", digest: {NEW}, before: {OLD}}}}}
"""
FILES: dict[str, str | bytes] = {"portable.yaml": "portable: 1\n", "profiles/mine.yaml": PROFILE, "catalog/demo/app.yaml": APP}
NOWHERE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


def image(folder: Path, *more: str) -> str:
    """What `render` says that the app runs."""
    done = run("render", "-p", "mine", *more, cwd=folder)
    assert done.returncode == 0, done.stderr
    return str(re.findall(r"image: \"?(registry\.test/[^\s\"]+)", done.stdout)[0])


def test_render_takes_what_was_taken_and_a_persons_own_word_wins(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert image(tmp_path) == f"{AT}@{OLD}"
    write(tmp_path, {"profiles/mine.images.yaml": TAKEN})
    assert image(tmp_path) == f"{AT}@{NEW}"
    assert "mine.images" not in run("profiles", "list", cwd=tmp_path).stdout
    tag = 'override.demo.containers.main.image={tag: "2", digest: null}'
    assert image(tmp_path, "--set", tag) == "registry.test/demo:2"
    told = run("explain", "-p", "mine", "--all", "--set", tag, cwd=tmp_path).stdout
    assert re.search(
        r"mine\.images\.yaml:5:\d+: noted \(function\) images: .*demo.*2026-11-21T03:00:00Z.*\[image\.update-unused\]",
        told,
    )
    assert run("explain", "-p", "mine", "--all", cwd=tmp_path).stdout.count("images.yaml") == 0


def test_an_update_that_is_not_finished_is_told(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "profiles/mine.images.yaml": TAKEN.replace("    at:", "    step: taking\n    at:")})
    told = run("explain", "-p", "mine", "--all", cwd=tmp_path).stdout
    assert re.search(r"demo of 2026-11-21T03:00:00Z .*\[image\.update-unfinished\]\n.*`portable update -p mine demo`", told)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("update", "dmo"), 2, ("dmo in profile mine", "demo;", "[usage.unknown-app]")),
        (("update", "demo", "--timeout", "0"), 2, ("--timeout",)),
        (("update", "demo", "--dry-run"), 1, ("[engine.absent]",)),
        (("update", "demo", "--format", "json"), 1, ('"code": "engine.absent"',)),
        (("update",), 1, ("[engine.absent]",)),
        (("update", "gerbera", "-p", "local"), 0, ()),
        (("rollback", "dmo"), 2, ("dmo in profile mine", "demo;", "[usage.unknown-app]")),
        (("rollback", "demo"), 4, ("mine.images.yaml: no update of demo ", "[update.no-record]")),
        (("rollback",), 4, ("mine.images.yaml: no update ", "[update.no-record]")),
        (("rollback", "demo", "--with-state", "--dry-run"), 4, ("no update of demo ", "[update.no-record]")),
        (("rollback", "demo", "--dry-run"), 4, ("no update of demo ", "[update.no-record]")),
    ],
)
def test_what_is_wrong_is_told_and_nothing_changes(tmp_path: Path, arguments: tuple[str, ...], code: int, words: tuple[str, ...]) -> None:
    write(tmp_path, FILES)
    before = digest(tmp_path / "profiles")
    done = run(*arguments, *(("-p", "mine") if "-p" not in arguments else ()), cwd=tmp_path, env=NOWHERE)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert [part for part in words if part not in done.stderr] == [], done.stderr
    assert digest(tmp_path / "profiles") == before


@pytest.mark.parametrize(
    ("options", "commands"),
    [
        (("--apply", "demo", "--task", "images"), ["update -p mine demo"]),
        (("--apply", "all"), ["update -p mine"]),
        (("--apply", "demo,other", "--stop", "--without-backup"), ["update -p mine demo other --stop --without-backup"]),
        (("--back", "demo", "--with-state"), ["rollback -p mine demo --with-state"]),
        (("--back", "demo", "--timeout", "9", "--format", "json"), ["rollback -p mine demo --timeout 9 --format json"]),
        (("--apply", "demo", "--dry-run", "--set", "stack.uid=5"), ["update -p mine demo --dry-run --set stack.uid=5"]),
        (("--dry-run",), ["update -p mine --dry-run"]),
        (("--stop",), ["update -p mine --stop"]),
        (("--with-state",), ["rollback -p mine --with-state"]),
        (("--apply", "demo", "--back", "demo"), ["update -p mine demo", "rollback -p mine demo"]),
        (("--apply", "demo", "--install"), ["update -p mine demo"]),
    ],
)
def test_the_old_spelling_answers_with_the_new_one(tmp_path: Path, options: tuple[str, ...], commands: list[str]) -> None:
    write(tmp_path, FILES)
    done = run("upkeep", "-p", "mine", *options, cwd=tmp_path, env=NOWHERE)
    assert (done.returncode, done.stdout) == (2, "")
    assert ('"code": "usage.moved"' if "json" in options else "[usage.moved]") in done.stderr
    assert list(dict.fromkeys(re.findall(r"`portable ([^`]*)`", done.stderr))) == commands
    assert [refused(f"portable {command}") for command in commands] == [None] * len(commands)


def test_upkeep_neither_shows_nor_completes_the_old_options(tmp_path: Path) -> None:
    told = run("upkeep", "--help", cwd=tmp_path).stdout
    assert "--task" in told
    assert not [option for option in ("--apply", "--back", "--with-state", "--stop", "--dry-run", "--timeout") if option in told]


def test_for_a_shipped_profile_without_a_stack_it_is_said_where_to_go(tmp_path: Path) -> None:
    done = run("update", cwd=tmp_path, env=NOWHERE)
    assert done.returncode == 4
    assert "local is a shipped profile" in done.stderr
    assert "[update.no-stack]" in done.stderr


@pytest.mark.parametrize("output", ["text", "json"])
def test_what_going_back_would_do_needs_no_engine(tmp_path: Path, output: str) -> None:
    write(tmp_path, {**FILES, "profiles/mine.images.yaml": TAKEN})
    done = run("rollback", "-p", "mine", "demo", "--dry-run", "--format", output, cwd=tmp_path, env=NOWHERE)
    assert done.returncode == 0, done.stderr
    if output == "json":
        told = json.loads(done.stdout)
        assert (told["schema"], [row["app"] for row in told["updates"]]) == ("portable/updates/1", ["demo"])
    else:
        assert f"demo: write the previous images of demo to {tmp_path}/profiles/mine.images.yaml" in done.stdout
    assert (tmp_path / "profiles" / "mine.images.yaml").read_text() == TAKEN
