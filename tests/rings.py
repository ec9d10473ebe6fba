"""Pytest plug-in: the rings of the suite, each with a ceiling in minutes that it enforces (docs/adr/0011-ceilings-of-the-rings.md).

A ring that takes longer than its ceiling fails the run, so that slowness is noticed when it comes and not when CI breaks.
Who reads the output of a run that was ended from outside sees in it when each ring began, and so where the time went.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
CEILINGS = {
    "unit": 3.0,
    "render": 3.0,
    "cli": 2.0,
    "browser": 3.0,
    "bootstrap": 8.0,
    "compose_lab": 20.0,
    "verify_lab": 10.0,
    "zimaboard": 22.0,
    "prove": 80.0,
}
"""Minutes by folder of tests/ (ADR 11)."""
RUN = 75.0
"""Minutes after which a run of the rings ends itself and says what took them: CI ends it at 90 and says nothing."""
TEST = 400
"""Seconds that one test of a ring may take, what it is the first to set up included: one that hangs must not eat the run."""
SLOWEST = 15
"""So many tests are named where a run or a ring took too long."""


class Rings:
    """Adds up the time of every ring."""

    def __init__(self, session_full: bool) -> None:
        self.full = session_full
        self.began = time.monotonic()
        self.ring = ""
        self.seconds: dict[str, float] = defaultdict(float)
        self.tests: dict[str, float] = defaultdict(float)
        self.left: list[str] = []
        """Threads that a ring left at work: what they do disturbs the rings behind it."""

    def over(self) -> list[str]:
        """The rings past their ceilings; full forms take longer."""
        return [] if self.full else [ring for ring, seconds in self.seconds.items() if seconds > CEILINGS[ring] * 60]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
        """Say when a ring begins; end a run that is past its time."""
        minutes = (time.monotonic() - self.began) / 60
        if ring_of(item.nodeid) != self.ring:
            self.ring = ring_of(item.nodeid)
            reporter = item.config.pluginmanager.get_plugin("terminalreporter")
            if reporter:
                reporter.ensure_newline()
                reporter.write_sep("-", f"ring {self.ring}, {minutes:.1f} min after the start")
        done = yield
        if nextitem is None or ring_of(nextitem.nodeid) != self.ring:
            at_work = (thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
            self.left += [f"ring {self.ring} left a thread at work: {name}" for name in at_work]
        if not self.full and (time.monotonic() - self.began) / 60 > RUN:
            item.session.shouldfail = f"the run is past {RUN:.0f} minutes"
        return done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count set-up, call and tear-down alike."""
        self.seconds[ring_of(report.nodeid)] += report.duration
        self.tests[report.nodeid] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how long every ring took, before pytest's own last line; of those that took too long, by which tests."""
        over = self.over()
        for line in self.left:
            terminalreporter.write_line(line)
        for ring, seconds in sorted(self.seconds.items()):
            terminalreporter.write_line(f"ring {ring}: {seconds:.1f} s of {CEILINGS[ring] * 60:.0f} s")
            if ring in over:
                of_ring = [(took, test) for test, took in self.tests.items() if ring_of(test) == ring]
                for took, test in sorted(of_ring, reverse=True)[:SLOWEST]:
                    terminalreporter.write_line(f"  {took:6.1f} s {test}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail where a ring is over its ceiling, or left something at work."""
        if self.over() or self.left:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def ring_of(nodeid: str) -> str:
    """The ring of a test: its folder below tests/."""
    return nodeid.split("/")[1]


def pytest_configure(config: pytest.Config) -> None:
    """Register the plug-in."""
    config.pluginmanager.register(Rings("prove" in (config.option.markexpr or "")), "rings")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Fast rings first; proofs only where they are asked for."""
    order = list(CEILINGS)
    items.sort(key=lambda item: order.index(ring_of(item.nodeid)))
    if "prove" not in (config.option.markexpr or ""):
        full = [item for item in items if item.get_closest_marker("prove")]
        if full:
            items[:] = [item for item in items if item not in full]
            config.hook.pytest_deselected(items=full)
        for item in items:
            marked = item.get_closest_marker("timeout")
            item.add_marker(pytest.mark.timeout(min(TEST, *(marked.args if marked else (TEST,)))), append=False)
