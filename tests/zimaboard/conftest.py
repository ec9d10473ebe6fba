"""One home for all tests of this folder that need one: the profile zimaboard, up on a Docker host with a VPN."""

from collections.abc import Iterator

import pytest

from portable.backends.compose.engine import Engine
from tests.lab.engine import bring_engine
from tests.lab.home.home import Home, home_up


@pytest.fixture(scope="package")
def here() -> Iterator[Engine]:
    """The machine's own engine, on which the lab is made."""
    with bring_engine() as engine:
        yield engine


@pytest.fixture(scope="package")
def home(here: Engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Home]:
    """The home, its stack up."""
    with home_up(here, tmp_path_factory.mktemp("home"), lambda: request.session.testsfailed) as made:
        made.stack.portable("up")
        yield made
