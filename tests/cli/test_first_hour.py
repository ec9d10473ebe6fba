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
