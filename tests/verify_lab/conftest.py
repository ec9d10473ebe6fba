"""One stack of real apps for all tests of this folder."""

from collections.abc import Iterator

import pytest

from portable.engines.docker.engine import Engine
from tests.compose_lab.conftest import engine as engine
from tests.lab.local import Local, stack_up


@pytest.fixture(scope="package")
def local(engine: Engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Local]:
    """The stack, up."""
    with stack_up(engine, tmp_path_factory.mktemp("verify"), lambda: request.session.testsfailed) as stack:
        yield stack
