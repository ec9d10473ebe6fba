"""The budgets of docs/explanation/architecture.md#speed, measured as `make bench` does."""

from collections.abc import Callable

import pytest

from tests import bench

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]
Record = Callable[[str, object], None]


def test_every_command_keeps_its_budget(record_property: Record) -> None:
    rows = bench.rows(runs=7)
    told = (f"{row.what} {row.on_lab:.2f} s of {row.budget:.2f} (here {row.seconds:.2f} s)" for row in rows)
    record_property("budgets", ", ".join(told))
    record_property("ratios", ", ".join(f"{row.what} {row.ratio:.2f}" for row in rows if row.ratio is not None))
    assert [row.what for row in rows if row.on_lab > row.budget] == []
