"""One stack for all tests of this folder: brought up once, taken down whatever happens; logs are kept where a test failed."""

from collections.abc import Iterator

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.engine import LabError
from tests.lab.leak import LeakNet, leak_net
from tests.lab.local import Local, stack_up, sweep
from tests.lab.qbittorrent import QBittorrent
from tests.lab.sabnzbd import SABnzbd


@pytest.fixture(scope="package")
def leak() -> Iterator[LeakNet]:
    """Where leaks end; there as long as the stack is, so that nothing that a test makes an app call can ever leave this machine."""
    try:
        with leak_net() as net:
            yield net
    except LabError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="package")
def local(engine: Engine, leak: LeakNet, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Local]:
    """The stack, up."""
    with stack_up(engine, tmp_path_factory.mktemp("local"), lambda: request.session.testsfailed) as stack:
        yield stack


@pytest.fixture(autouse=True)
def _helpers_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """Containers that a test put beside the stack end with it: `down` can't remove a network that somebody else is in."""
    stack = request.getfixturevalue("local").stack if "local" in request.fixturenames else ""
    yield
    if stack:
        sweep(stack)


@pytest.fixture
def qbittorrent(local: Local) -> QBittorrent:
    """Logged in with the password that was generated."""
    return QBittorrent(f"http://127.0.0.1:{local.ports['qbittorrent']}", local.secret("qbittorrent-password"))


@pytest.fixture
def sabnzbd(local: Local) -> SABnzbd:
    """With the API key that was generated."""
    return SABnzbd(f"http://127.0.0.1:{local.ports['sabnzbd']}", local.secret("sabnzbd-api-key"))
