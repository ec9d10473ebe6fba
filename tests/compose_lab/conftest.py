"""Fixtures of the Compose lab: a real engine, a private state folder, a project with a random name that is removed when the test ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.engine import LabError, bring_engine, busybox, clean, random_project


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine of this machine; a machine that can have none fails the tests with the reason."""
    try:
        found = bring_engine()
        busybox(found)
    except LabError as error:
        pytest.fail(str(error))
    yield found
    found.close()


@pytest.fixture
def project(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A project of this test alone; its state lies in a folder of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    name = random_project()
    try:
        yield name
    finally:
        engine.hide = lambda text: text
        clean(engine, name)
