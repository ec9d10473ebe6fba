"""Options of the whole suite."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from portable.formats.kept import keep_in

# How fast inputs are made says something of the machine's load, and nothing of the program: its speed has tests of its own.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# A shell without job control starts what runs in the background with SIGINT ignored, and every program that a test starts inherits it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Give the run folders of its own for state and secrets: those of this person belong to `make up` and to their own stacks."""
    own = tempfile.TemporaryDirectory(prefix="portable-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(own.cleanup)
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        os.environ[name] = str(Path(own.name) / name.lower())


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden`: what is rendered becomes what is expected; a person reads the diff."""
    parser.addoption("--update-golden", action="store_true", help="write what is rendered over tests/golden")


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    """A command that ran in this process keeps parsed files; the next test parses its own."""
    yield
    keep_in(None)
