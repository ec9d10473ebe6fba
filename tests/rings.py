"""Pytest plug-in: the rings of the suite, each with a ceiling in minutes that it enforces (design, Tests).

A ring that takes longer than its ceiling fails the run, so that slowness is noticed when it comes and not when CI breaks.
"""

from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
CEILINGS = {
    "unit": 2.0,
    "render": 3.0,
    "cli": 2.0,
    "browser": 3.0,
    "bootstrap": 8.0,
    "compose_lab": 18.0,
    "verify_lab": 16.0,
    "zimaboard": 14.0,
    "prove": 80.0,
}
"""Minutes by folder of tests/ (ADR 11)."""


class Rings:
    """Adds up the time of every ring."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count set-up, call and tear-down alike."""
        self.seconds[ring_of(report.nodeid)] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how long every ring took, before pytest's own last line."""
        for ring, seconds in sorted(self.seconds.items()):
            terminalreporter.write_line(f"ring {ring}: {seconds:.1f} s of {CEILINGS[ring] * 60:.0f} s")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail where a ring is over its ceiling; full forms take longer."""
        full = "prove" in (session.config.option.markexpr or "")
        if not full and any(seconds > CEILINGS[ring] * 60 for ring, seconds in self.seconds.items()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def ring_of(nodeid: str) -> str:
    """The ring of a test: its folder below tests/."""
    return nodeid.split("/")[1]


def pytest_configure(config: pytest.Config) -> None:
    """Register the plug-in."""
    config.pluginmanager.register(Rings(), "rings")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Fast rings first; proofs only where they are asked for."""
    order = list(CEILINGS)
    items.sort(key=lambda item: order.index(ring_of(item.nodeid)))
    if "prove" not in (config.option.markexpr or ""):
        full = [item for item in items if item.get_closest_marker("prove")]
        if full:
            items[:] = [item for item in items if item not in full]
            config.hook.pytest_deselected(items=full)
