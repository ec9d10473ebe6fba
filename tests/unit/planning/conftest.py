"""A place of its own for every test."""

from pathlib import Path

import pytest

from tests.unit.planning import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
