"""Each command names its stack, its profile and their files; a stack names the profile of commands without `-p`."""

import json
from pathlib import Path
from typing import cast

import pytest
import typer

from portable.cli.completion import complete_secret, is_given
from portable.cli.hints import forget, remember, typed
from portable.profiles.load import default_profile
from portable.profiles.names import DEFAULT_PROFILE, PROFILE_VARIABLE
from tests.cli import run, write

HOUSE = {"portable.yaml": "portable: 1\nname: house\nprofile: home\n", "profiles/home.yaml": "portable: 1\nname: home\nextends: local\n"}
VERBS = {
    "render": ("-o", "out"),
    "explain": (),
    "graph": ("-o", "place.svg"),
    "secrets list": (),
    "secrets check": (),
    "diff": (),
    "up": ("--dry-run",),
    "status": (),
    "verify": (),
    "doctor": (),
    "images list": (),
    "logs": (),
    "backup": ("--list",),
    "update": ("--dry-run",),
    "heal": ("--dry-run",),
    "upkeep": ("--task", "scrub"),
    "wire": ("--dry-run",),
    "notify test": (),
    "notify list": (),
    "notify forget": (),
    "profiles show": ("home",),
}
WITHOUT_PROFILE = {
    "catalog list": (),
    "catalog show": ("sonarr",),
    "catalog check": (),
    "catalog new": ("notes", "registry.example/notes:1.4.2", "8080"),
    "profiles list": (),
    "profiles new": ("other",),
}
NOWHERE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_begins_with_its_stack_and_profile_and_their_files_once(verb: str, tmp_path: Path) -> None:
    write(tmp_path, HOUSE)
    done = run(*verb.split(), *VERBS[verb], cwd=tmp_path, env=NOWHERE)
    first, *others = done.stderr.splitlines()
    assert first == f"portable: stack house ({tmp_path}/portable.yaml), profile home ({tmp_path}/profiles/home.yaml)"
    assert not [line for line in others if "stack house" in line]


@pytest.mark.parametrize("verb", WITHOUT_PROFILE)
def test_a_command_that_reads_only_the_stack_begins_with_it(verb: str, tmp_path: Path) -> None:
    write(tmp_path, HOUSE)
    done = run(*verb.split(), *WITHOUT_PROFILE[verb], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"portable: stack house ({tmp_path}/portable.yaml)\n")


def test_a_stack_with_mistakes_is_named_by_its_file(tmp_path: Path) -> None:
    write(tmp_path, {"portable.yaml": "portable: 1\nname: 7\n"})
    done = run("profiles", "list", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"portable: stack of {tmp_path}/portable.yaml\n")


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_up_says_which_published_ports_are_dead(words: tuple[str, ...], tmp_path: Path) -> None:
    write(tmp_path, {"portable.yaml": "portable: 1\napps: [qbittorrent, sonarr]\n"})
    dead = run("up", "--set", "exposure.default=lan", *words, cwd=tmp_path, env=NOWHERE).stderr
    (line,) = [line for line in dead.splitlines() if "[vpn.sealed-port]" in line]
    assert "qbittorrent" in line
    assert "networks: {local:" in line
    fixed = run("up", "--set", "exposure.lan=192.168.1.0/24", *words, cwd=tmp_path, env=NOWHERE).stderr
    assert "vpn.sealed-port" not in fixed


def test_a_move_names_both_profiles(tmp_path: Path) -> None:
    write(tmp_path, {**HOUSE, "profiles/away.yaml": "portable: 1\nname: away\nextends: local\n"})
    done = run("migrate", "--from", "home", "--to", "away", "--dry-run", cwd=tmp_path, env=NOWHERE)
    assert done.stderr.splitlines()[:2] == [
        f"portable: stack house ({tmp_path}/portable.yaml), profile {name} ({tmp_path}/profiles/{name}.yaml)" for name in ("home", "away")
    ]


def test_a_stack_without_a_file_and_a_shipped_profile_are_called_so(tmp_path: Path) -> None:
    done = run("secrets", "list", cwd=tmp_path)
    assert done.stderr == "portable: stack media (no portable.yaml here), profile local (shipped)\n"


def test_output_for_programs_has_no_such_line(tmp_path: Path) -> None:
    write(tmp_path, HOUSE)
    done = run("secrets", "list", "--format", "json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_option_comes_before_the_environment_and_the_environment_before_the_stack(tmp_path: Path) -> None:
    write(tmp_path, HOUSE)
    in_environment = {PROFILE_VARIABLE: "zimaboard"}
    for words, env, profile in (
        ((), {}, "home"),
        ((), in_environment, "zimaboard"),
        (("-p", "local"), in_environment, "local"),
        (("-p", "local"), {}, "local"),
    ):
        assert f"profile {profile} (" in run("secrets", "list", *words, cwd=tmp_path, env=env).stderr
    assert default_profile(tmp_path, {}) == "home"
    assert default_profile(tmp_path, in_environment) == "zimaboard"
    assert default_profile(Path("/"), {}) == DEFAULT_PROFILE


def test_a_remedy_names_the_profile_where_it_is_not_the_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROFILE_VARIABLE, raising=False)
    try:
        remember("home", "home")
        assert typed("`portable up`") == "`portable up`"
        remember("local", "home")
        assert typed("`portable up`") == "`portable up -p local`"
    finally:
        forget()


def test_a_profile_by_path_brings_its_own_stack_from_anywhere(tmp_path: Path) -> None:
    write(tmp_path / "house", HOUSE)
    write(tmp_path / "away", {"portable.yaml": "portable: 1\nname: other\n"})
    done = run("secrets", "list", "-p", str(tmp_path / "house/profiles/home.yaml"), cwd=tmp_path / "away")
    assert f"stack house ({tmp_path}/house/portable.yaml)" in done.stderr


@pytest.mark.parametrize("words", [(), ("-p", "local")])
def test_a_profile_of_the_stack_that_does_not_exist_is_a_mistake_in_its_line(words: tuple[str, ...], tmp_path: Path) -> None:
    write(tmp_path, {"portable.yaml": "portable: 1\nname: house\nprofile: zimabord\n"})
    done = run("secrets", "list", *words, "--format", "json", cwd=tmp_path)
    error = json.loads(done.stderr)
    assert (done.returncode, error["code"], error["where"]) == (2, "profile.unknown", f"{tmp_path}/portable.yaml:3:10")
    assert "'zimaboard'" in error["remedy"]


def test_the_stacks_profile_cannot_be_set_for_one_command(tmp_path: Path) -> None:
    done = run("secrets", "list", "--set", "stack.profile=home", "--format", "json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stderr)["code"]) == (2, "profile.set-key")


def test_completion_offers_the_names_of_the_stacks_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.main import get_command

    from portable.cli.app import application

    write(tmp_path, {**HOUSE, "profiles/home.yaml": "portable: 1\nname: home\nextends: zimaboard\n"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(PROFILE_VARIABLE, raising=False)
    command = get_command(application()).commands["secrets"].commands["list"]  # type: ignore[attr-defined]
    with command.make_context("list", []) as context:
        typed_context = cast(typer.Context, context)
        assert not is_given(typed_context)
        assert complete_secret(typed_context, "wire")
