"""`make test` beside a running `make up` and `make lab`: what a test does reaches neither of them."""

import ast
import os
from pathlib import Path

import pytest

from portable.engines.docker.address import resolve
from portable.local.folders import project_folder
from portable.local.paths import state_home
from tests.cli import environment, run
from tests.lab import local
from tests.lab.local import ROOT, Local

RINGS = ("compose_lab", "verify_lab", "browser", "messages", "lab", "cluster_lab", "zimaboard", "api_server", "moves")


def test_state_and_secrets_of_a_test_are_not_those_of_the_person() -> None:
    for folder in (state_home(), Path(os.environ["XDG_CONFIG_HOME"])):
        assert not folder.is_relative_to(Path.home()), folder
    assert project_folder("media-local").is_relative_to(Path(os.environ["XDG_STATE_HOME"]))


def test_a_command_of_a_test_without_an_engine_reaches_none(tmp_path: Path) -> None:
    assert resolve(None, environment(tmp_path), tmp_path).url == "unix:///nowhere/docker.sock"
    done = run("down", "-p", "local", cwd=tmp_path)
    assert (done.returncode, "[engine.absent]" in done.stderr) == (1, True), done.stderr


def test_helpers_of_another_stack_are_not_those_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`portable wire` of `make up` may run meanwhile: a test that ends its helper would break it."""
    stack = Local(tmp_path)
    helpers = {
        "mine by its network": f'{{"NetworkMode": "{stack.project}_default"}}',
        "mine by its folder": f'{{"Cmd": ["folder:{tmp_path}/library"]}}',
        "mine by the number of its network": '{"NetworkMode": "0a1b2c3d4e5f67"}',
        "of make up": '{"NetworkMode": "media-local_default", "Cmd": ["folder:/srv/portable/local/library"]}',
        "that ended meanwhile": "",
    }

    def docker(command: str, *arguments: str, **_: object) -> str:
        if command == "network":
            return "0a1b2c3d4e5f\n"
        return helpers[arguments[0].replace("_", " ")] if command == "inspect" else "\n".join(name.replace(" ", "_") for name in helpers)

    monkeypatch.setattr(local, "docker", docker)
    assert stack.helpers() == [name.replace(" ", "_") for name in helpers if name.startswith("mine")]


def calls(text: str) -> list[tuple[int, list[str]]]:
    """(line, words) of each call with words as its first arguments, also where they are a list."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            parts = node.args[0].elts if node.args and isinstance(node.args[0], ast.List | ast.Tuple) else node.args
            words = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            found.append((node.lineno, words[1:] if words[:1] == ["docker"] else words))
    return found


SWEEPING = ("prune", "system", "swarm")


def test_no_test_removes_what_it_does_not_name() -> None:
    """A prune, or the end of an engine, would take the stacks of others along."""
    found = []
    for file in sorted(file for ring in RINGS for file in (ROOT / "tests" / ring).rglob("*.py")):
        for line, words in calls(file.read_text(encoding="utf-8")):
            if any(word in SWEEPING for word in words[:2]) or words[:2] == ["engine", "--stop"]:
                found.append(f"{file.relative_to(ROOT)}:{line}: {' '.join(words[:3])}")
    assert found == []
