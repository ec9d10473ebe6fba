"""One home for all tests of this folder that need one: the profile zimaboard, up on a Docker host with a VPN."""

from collections.abc import Iterator

import pytest

from tests.lab.engine import bring_engine
from tests.lab.home.home import Home, home_up


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Home]:
    """The home, its stack up."""
    with bring_engine() as engine:
        folder = tmp_path_factory.mktemp("home")
        with home_up(engine, folder, lambda: request.session.testsfailed) as made:
            made.stack.portable("up")
            yield made
