"""Fixtures of the ring with a real API server: one for the session, and a namespace of its own for each test."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from portable.secrets.sources import FileSource
from tests.api_server.server import Server, api_server
from tests.api_server.stacks import TOKEN, source
from tests.lab.engine import LabError


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API server; a machine that cannot have one fails the tests with the reason."""
    try:
        with api_server(tmp_path_factory.mktemp("api-server")) as started:
            yield started
    except LabError as error:
        pytest.fail(str(error))


@pytest.fixture
def namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a namespace that does not exist yet; the state of this machine lies in a folder of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def secret_file(tmp_path: Path) -> FileSource:
    """A source of secrets with the value of `token`."""
    return source(tmp_path, {"token": TOKEN})
