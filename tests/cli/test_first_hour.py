"""What a new user meets before there is an engine: problems once each, and the documented exit codes of a missing secret."""

import json
from pathlib import Path

import pytest

from tests.cli import run, write

NOWHERE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


def test_a_dead_engine_is_one_problem_of_up(tmp_path: Path) -> None:
    """`up` asks it more than once before its first change."""
    for words in (("up",), ("up", "--dry-run")):
        done = run(*words, "--format", "json", cwd=tmp_path, env=NOWHERE)
        error = json.loads(done.stderr.splitlines()[-1])
        assert done.returncode == 1
        assert [cause["code"] for cause in error["errors"]] == ["engine.absent"], words
    assert not (tmp_path / ".config").exists(), "no secret is stored by a command that fails"


@pytest.mark.parametrize(("words", "exit_code"), [(("diff",), 2), (("up",), 2), (("up", "--dry-run"), 2), (("secrets", "check"), 1)])
def test_a_missing_secret_has_the_documented_exit_code(words: tuple[str, ...], exit_code: int, tmp_path: Path) -> None:
    write(tmp_path, {"portable.yaml": "portable: 1\nname: mine\napps: [qbittorrent]\nprofile: zimaboard\n"})
    done = run(*words, cwd=tmp_path, env=NOWHERE)
    assert done.returncode == exit_code, done.stderr
    assert ("[secret.missing]" in done.stderr) == (exit_code == 2)


def test_an_app_of_the_catalog_that_the_profile_does_not_run_is_not_unknown(tmp_path: Path) -> None:
    done = run("explain", "sonarr", cwd=tmp_path)
    assert done.returncode == 2
    assert "profile local does not run sonarr" in done.stderr
    assert "`apps`" in done.stderr
    assert "unknown app 'sonar' in profile local" in run("explain", "sonar", cwd=tmp_path).stderr


@pytest.mark.parametrize("words", [("render",), ("secrets", "write", "-p", "samba")])
def test_an_empty_folder_is_not_the_working_folder(words: tuple[str, ...], tmp_path: Path) -> None:
    """Such as that of a variable that is not set: the files would lie among others."""
    done = run(*words, "-o", "", cwd=tmp_path)
    assert (done.returncode, "the path is empty" in done.stderr) == (2, True), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == []


def test_secrets_are_not_written_over_a_file(tmp_path: Path) -> None:
    write(tmp_path, {"out": "x"})
    done = run("secrets", "write", "-p", "samba", "-o", "out", cwd=tmp_path)
    assert (done.returncode, "out is not a folder" in done.stderr) == (2, True), done.stderr


def test_a_new_profile_names_the_next_command(tmp_path: Path) -> None:
    done = run("profiles", "new", "mine", "--extends", "zimaboard", cwd=tmp_path)
    assert "`portable explain -p mine`" in done.stdout
    assert run("explain", "-p", "mine", cwd=tmp_path).returncode == 0


def test_the_only_choice_is_not_one_of_several(tmp_path: Path) -> None:
    write(tmp_path, {"portable.yaml": "portable: 2\n"})
    assert "portable: expected `1`, found integer `2`" in run("render", cwd=tmp_path).stderr
