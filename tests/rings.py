"""Pytest plug-in: the rings of the suite, each with a ceiling that it enforces (docs/adr/0011-ceilings-of-the-rings.md).

A ring that takes longer than its ceiling fails the run, so that slowness is noticed when it comes and not when CI breaks.
Who reads the output of a run that was ended from outside sees in it when each ring began, and so where the time went.

A ring that computes has a ceiling in seconds of processor time, of this process and of those that it started and waited for: what
others do on the machine does not count, and neither do the workers of pytest-xdist share one clock. A ring with an engine mostly waits, and
what it makes others compute is the engine's own: processor time says nothing there, so its ceiling is by the clock.
"""

import resource
import threading
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent
PROCESSOR = {"unit": 240.0, "render": 160.0, "cli": 180.0, "moves": 180.0}
"""Seconds of processor time by folder of tests/, over all workers."""
CLOCK = {
    "browser": 3.0,
    "messages": 3.0,
    "bootstrap": 8.0,
    "api_server": 12.0,
    "compose_lab": 30.0,
    "cluster_lab": 12.0,
    "verify_lab": 20.0,
    "zimaboard": 28.0,
    "prove": 80.0,
}
"""Minutes by folder of tests/ (ADR 11)."""
ORDER = (*PROCESSOR, *CLOCK)
STREAMS = {
    "zimaboard": "the closed network",
    "cluster_lab": "the closed network",
    "verify_lab": "the folder of the cloud",
    "compose_lab/local": "the folder of the cloud",
    "compose_lab/test_leak.py": "the folder of the cloud",  # it sees the leaks that local makes on purpose
    "compose_lab": "the engine",
    "api_server": "one API server after the other",
    "bootstrap": "bare machines",
    "browser": "the browser",
    "messages": "the mail server",
}
"""What tests share that cannot run beside one another, by folder or file of tests/; with pytest-xdist one worker runs each stream.

The first one that matches decides. Streams begin in this order, the longest first. All other tests form a stream for each file.
"""
RUN = 82.0
"""Minutes after which a run of the rings ends itself and says what took them: CI ends it at 90 and says nothing."""
TEST = 400
"""Seconds that one test of a ring may take, what it is the first to set up included: one that hangs must not eat the run."""
SLOWEST = 15
"""So many tests are named where a run or a ring took too long."""


class Rings:
    """Adds up the time of every ring. A worker hands its share over; who started it sums up."""

    def __init__(self, session_full: bool) -> None:
        self.full = session_full
        self.began = time.monotonic()
        self.ring = ""
        self.seen: set[str] = set()
        self.workers: Any = None
        """The terminal, in a process that has workers: these have none."""
        self.clock: dict[str, float] = defaultdict(float)
        """Seconds by test."""
        self.processor: dict[str, float] = defaultdict(float)
        """Seconds by test."""
        self.not_ours = set(threading.enumerate())
        self.left: list[str] = []
        """Threads that a ring left at work: what they do disturbs the rings behind it."""

    def used(self, ring: str) -> tuple[float, float]:
        """(seconds that count, seconds that it may take)."""
        by_test, most = (self.processor, PROCESSOR[ring]) if ring in PROCESSOR else (self.clock, CLOCK[ring] * 60)
        return sum(seconds for test, seconds in by_test.items() if ring_of(test) == ring), most

    def rings(self) -> list[str]:
        """Those that ran, in order."""
        ran = {ring_of(test) for test in self.clock}
        return [ring for ring in ORDER if ring in ran]

    def over(self) -> list[str]:
        """The rings past their ceilings; full forms take longer."""
        return [] if self.full else [ring for ring in self.rings() if (used := self.used(ring))[0] > used[1]]

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
        before = processor_seconds()
        done = yield
        self.processor[item.nodeid] += processor_seconds() - before
        if nextitem is None or ring_of(nextitem.nodeid) != self.ring:
            at_work = (thread.name for thread in threading.enumerate() if thread not in self.not_ours)
            self.left += [f"ring {self.ring} left a thread at work: {name}" for name in at_work]
        if not self.full and (time.monotonic() - self.began) / 60 > RUN:
            item.session.shouldfail = f"the run is past {RUN:.0f} minutes"
        return done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count set-up, call and tear-down alike."""
        ring = ring_of(report.nodeid)
        if self.workers is not None and ring not in self.seen:
            self.seen.add(ring)
            self.workers.ensure_newline()
            self.workers.write_sep("-", f"first result of ring {ring}, {(time.monotonic() - self.began) / 60:.1f} min after the start")
        self.clock[report.nodeid] += report.duration

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take over the share of a worker. One that died has none; xdist fails the run then."""
        share = getattr(node, "workeroutput", {}).get("rings", {"processor": {}, "left": []})
        for test, seconds in share["processor"].items():
            self.processor[test] += seconds
        self.left += share["left"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how long every ring took, before pytest's own last line; of those that took too long, by which tests."""
        over = self.over()
        for line in self.left:
            terminalreporter.write_line(line)
        for ring in self.rings():
            seconds, most = self.used(ring)
            kind, by_test = ("of processor time", self.processor) if ring in PROCESSOR else ("by the clock", self.clock)
            terminalreporter.write_line(f"ring {ring}: {seconds:.1f} s of {most:.0f} s {kind}")
            if ring in over:
                of_ring = [(took, test) for test, took in by_test.items() if ring_of(test) == ring]
                for took, test in sorted(of_ring, reverse=True)[:SLOWEST]:
                    terminalreporter.write_line(f"  {took:6.1f} s {test}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail where a ring is over its ceiling, or left something at work; a worker only hands its share over."""
        output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["rings"] = {"processor": dict(self.processor), "left": self.left}
        elif self.over() or self.left:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def processor_seconds() -> float:
    """Processor time of this process, and of those that it started and waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def ring_of(nodeid: str) -> str:
    """The ring of a test: its folder below tests/."""
    return nodeid.split("/")[1]


def stream_of(nodeid: str) -> str:
    """The tests that have to run one after another with this one: a name of STREAMS, or the file."""
    file = nodeid.partition("::")[0]
    return next((stream for folder, stream in STREAMS.items() if f"{file}/".startswith(f"tests/{folder}/")), file)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Let the process that has workers tell when a ring begins: who reads a run that was ended from outside sees where the time went."""
    if session.config.getoption("dist", "no") != "no" and not hasattr(session.config, "workerinput"):
        rings = session.config.pluginmanager.get_plugin("rings")
        assert isinstance(rings, Rings)
        rings.workers = session.config.pluginmanager.get_plugin("terminalreporter")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Give each stream to one worker, with `--dist loadscope`. Marks (`--dist loadgroup`) have no effect in xdist 3.8 with pytest 9.2."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

    class StreamScheduling(LoadScopeScheduling):  # type: ignore[misc]  # as above
        """Hands out whole streams."""

        def _split_scope(self, nodeid: str) -> str:
            return stream_of(nodeid)

    return StreamScheduling(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Register the plug-in."""
    config.pluginmanager.register(Rings("prove" in (config.option.markexpr or "")), "rings")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Fast rings first, or in parallel the long streams first; proofs only where they are asked for."""
    if hasattr(config, "workerinput"):
        order = list(dict.fromkeys(STREAMS.values()))
        items.sort(key=lambda item: order.index(stream) if (stream := stream_of(item.nodeid)) in order else len(order))
    else:
        items.sort(key=lambda item: ORDER.index(ring_of(item.nodeid)))
    if "prove" not in (config.option.markexpr or ""):
        full = [item for item in items if item.get_closest_marker("prove")]
        if full:
            items[:] = [item for item in items if item not in full]
            config.hook.pytest_deselected(items=full)
        for item in items:
            marked = item.get_closest_marker("timeout")
            item.add_marker(pytest.mark.timeout(min(TEST, *(marked.args if marked else (TEST,)))), append=False)
