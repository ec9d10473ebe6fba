"""`portable upkeep --apply | --back` and the file of images, as a person meets them where no engine is."""

import re
from pathlib import Path

import pytest

from tests.cli import digest, run, write

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
        r"mine\.images\.yaml:5:\d+: noted \(function\) images: what the update of 2026-11-21T03:00:00Z took for demo is not used",
        told,
    )
    assert run("explain", "-p", "mine", "--all", cwd=tmp_path).stdout.count("images.yaml") == 0


def test_an_update_that_is_not_finished_is_told(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "profiles/mine.images.yaml": TAKEN.replace("    at:", "    step: taking\n    at:")})
    told = run("explain", "-p", "mine", "--all", cwd=tmp_path).stdout
    assert "the update of demo of 2026-11-21T03:00:00Z is not finished" in told
    assert "`portable upkeep --task images --apply demo` completes it" in told


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--apply", "demo", "--task", "scrub"), 2, "--apply and --back are about images, not about scrub"),
        (("--apply", "demo", "--back", "demo"), 2, "name what to take (--apply) or what to take back (--back)"),
        (("--stop",), 2, "name what to take (--apply) or what to take back (--back)"),
        (("--back", "demo", "--without-backup"), 2, "--stop and --without-backup are about taking images"),
        (("--apply", "demo", "--install"), 2, "a timer takes no newer images"),
        (("--apply", "demo", "--with-state"), 2, "--with-state is about going back"),
        (("--apply", ",", "--task", "images"), 2, "name an app, a group, or `all`"),
        (("--apply", "dmo", "--task", "images"), 2, "there is no app or group dmo in mine (known: demo; `all` for every group)"),
        (("--back", "demo"), 4, "no update of demo is noted that could be taken back"),
        (("--back", "demo", "--with-state", "--dry-run"), 4, "no update of demo is noted that could be taken back"),
        (("--back", "demo", "--dry-run"), 4, "no update of demo is noted that could be taken back"),
        (("--apply", "demo", "--dry-run"), 1, "no engine answers"),
        (("--apply", "demo"), 1, "no engine answers"),
        (("--apply", "gerbera", "-p", "local"), 0, ""),
    ],
)
def test_what_is_wrong_is_told_and_nothing_changes(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    write(tmp_path, FILES)
    before = digest(tmp_path / "profiles")
    done = run("upkeep", *(("-p", "mine") if "-p" not in arguments else ()), *arguments, cwd=tmp_path, env=NOWHERE)
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr
    assert digest(tmp_path / "profiles") == before


def test_for_a_shipped_profile_without_a_stack_it_is_said_where_to_go(tmp_path: Path) -> None:
    done = run("upkeep", "--task", "images", "--apply", "all", cwd=tmp_path, env=NOWHERE)
    assert done.returncode == 4
    assert "local is a shipped profile, and no `portable.yaml` is here or above" in done.stderr


def test_what_going_back_would_do_needs_no_engine(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "profiles/mine.images.yaml": TAKEN})
    done = run("upkeep", "-p", "mine", "--back", "demo", "--dry-run", cwd=tmp_path, env=NOWHERE)
    assert done.returncode == 0, done.stderr
    assert f"demo: write what demo ran before to {tmp_path}/profiles/mine.images.yaml" in done.stdout
    assert (tmp_path / "profiles" / "mine.images.yaml").read_text() == TAKEN
