"""Options of the whole suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden`: what is rendered becomes what is expected; a person reads the diff."""
    parser.addoption("--update-golden", action="store_true", help="write what is rendered over tests/golden")
