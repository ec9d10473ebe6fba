"""Memory does not grow with the number of entries: neither of a walk, nor of a comparison, nor of the list of losses."""

import os
import tracemalloc
from pathlib import Path

import pytest

from portable.migrate import names
from portable.migrate.comparing import differences
from portable.migrate.demands import demands_of
from portable.migrate.losses import losses
from portable.migrate.manifest import make_manifest
from portable.migrate.personality import Personality
from tests.unit.migrate.test_losses import ALL

_MORE = 200_000
"""Bytes that the larger tree may take in addition: 3,400 names alone take more."""


def peak(tree: Path, entries: int) -> int:
    """The most memory in use while a tree of that size, in one folder and each file with two names, is read twice and compared."""
    tree.mkdir()
    for number in range(entries // 2):
        (tree / f"{number:060}").touch()
        os.link(tree / f"{number:060}", tree / f"{number:060} again")
    tracemalloc.start()
    try:
        source = make_manifest(tree, tree.parent / "one")
        target = make_manifest(tree, tree.parent / "two", known=source.known())
        assert list(differences(source, target)) == []
        traits = Personality(**{**ALL, "folds_case": True, "folds_forms": True})
        assert losses(source, demands_of(source.entries()), traits, longest=10, waive={}) == ()
        assert source.end.entries == entries + 1
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_RUN", 250)
    monkeypatch.setattr(names, "_CHUNK", 256)
    first = peak(tmp_path / "few", 600)
    assert peak(tmp_path / "many", 4_000) < first + _MORE
