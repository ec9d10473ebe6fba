"""Fixtures of the moves of apps: two places without an engine."""

from pathlib import Path

import pytest

from portable.migrate import mover, pace
from tests.moves.two_places import TwoPlaces


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TwoPlaces:
    """A stack that runs at `old`. The ring of moves checks the version of rsync; these tests run where it is older, too.

    No sample is written to measure the disk, which others use meanwhile.
    """
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(mover, "_OLDEST", (3, 2))
    monkeypatch.setattr(pace, "_written", lambda _target: 100e6)
    return TwoPlaces(tmp_path / "places")
