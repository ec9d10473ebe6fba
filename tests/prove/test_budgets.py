"""The budgets of design.md, measured as `make bench` does."""

from collections.abc import Callable

import pytest

from tests import bench

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]
Record = Callable[[str, object], None]


def test_every_command_keeps_its_budget(record_property: Record) -> None:
    rows = bench.rows(runs=7)
    record_property("budgets", ", ".join(f"{what} {ours:.2f} s of {budget:.2f}" for what, ours, _, _, budget in rows if budget is not None))
    record_property("ratios", ", ".join(f"{what} {ratio:.2f}" for what, _, _, ratio, _ in rows if ratio is not None))
    assert [what for what, ours, _, _, budget in rows if budget is not None and ours > budget] == []
