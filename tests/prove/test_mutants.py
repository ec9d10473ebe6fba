"""Mutates an area and holds what survives against the explanations."""

import os
from collections.abc import Callable

import pytest

from tests.prove.mutants import AREAS, explained, files_of, measure, shortcomings
from tests.prove.results import HOME

pytestmark = [pytest.mark.prove, pytest.mark.timeout(4800)]


@pytest.mark.parametrize("area", AREAS)
def test_mutants(area: str, record_property: Callable[[str, object], None]) -> None:
    measured = measure(AREAS[area], HOME / "mutants" / area)
    for file, total in measured.total.items():
        print(f"{file}: {measured.killed[file]} of {total} killed")
    record_property("mutants", measured.figure())
    all_drawn = float(os.environ.get("PORTABLE_MUTANTS_SHARE", "1")) == 1
    short = list(shortcomings(measured, explained(), files_of(AREAS[area]), all_drawn=all_drawn))
    assert not short, "\n".join(short)
