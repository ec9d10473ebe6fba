"""The budgets of docs/explanation/architecture.md#speed with threefold slack, so that a loaded machine passes and a needless import fails.

`make bench` has the figures themselves.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli import environment
from tests.shipped import PROFILES

SLACK = 3
HELP, RENDER = 0.15, 0.2
RUNS = 7


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with bytecode of its own, as an installed program has it."""
    folder = tmp_path_factory.mktemp("compiled")
    return environment(folder, {"PYTHONPYCACHEPREFIX": str(folder)})


def median(env: dict[str, str], folder: Path, *args: str) -> float:
    """Seconds of processor time that the command needs: what others do on the machine does not count."""
    figures = []
    for _ in range(RUNS + 1):
        before = os.times()
        subprocess.run([sys.executable, "-m", "portable", *args], cwd=folder, env=env, stdout=subprocess.DEVNULL, check=True, timeout=60)
        after = os.times()
        figures.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return statistics.median(figures[1:])  # the first one compiles


def test_help(compiled: dict[str, str], tmp_path: Path) -> None:
    assert median(compiled, tmp_path, "--help") < HELP * SLACK


@pytest.mark.parametrize("profile", PROFILES)
def test_render(compiled: dict[str, str], tmp_path: Path, profile: str) -> None:
    assert median(compiled, tmp_path, "render", "--profile", profile) < RENDER * SLACK


@pytest.mark.parametrize(
    ("args", "unneeded"),
    [
        (("--help",), {"jinja2", "yaml", "jsonschema", "docker", "python_on_whales", "portable.planning", "portable.backends.prepare"}),
        (("render",), {"jsonschema", "docker", "python_on_whales", "kubernetes", "portable.live"}),
        (("catalog", "list"), {"jinja2", "jsonschema", "docker", "portable.planning"}),
        (("profiles", "list"), {"jinja2", "jsonschema", "docker", "portable.planning"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_imports_only_what_it_uses(args: tuple[str, ...], unneeded: set[str], tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "portable", *args]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=True, timeout=60)
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "portable.cli" in imported
    assert imported & unneeded == set()


def test_the_clock_of_processes_runs(compiled: dict[str, str], tmp_path: Path) -> None:
    begun = time.monotonic()
    used = median(compiled, tmp_path, "--version")
    assert 0.01 < used < time.monotonic() - begun
