"""What `heal --watch` reports: states that last, and the ends of scheduled runs."""

import contextvars
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portable.live.results import LogLine, ServiceStatus
from portable.model.errors import EngineError, PortableError, UsageError
from portable.model.plan import Notify, Plan, Schedule
from portable.model.progress import Event
from portable.model.secret_refs import SecretRef
from portable.model.shell import script
from portable.secrets.sources import EnvironmentSource
from portable.upkeep.faults import Standing
from portable.upkeep.notifying import Notifier
from portable.upkeep.watching import Steady, Watcher, last_run, of_run
from tests import factories


def observed(*, is_fault: bool) -> Standing:
    return Standing(command="heal", subject="sonarr", is_fault=is_fault)


def test_a_state_is_passed_on_after_it_lasted() -> None:
    clock = iter((0.0, 59.0, 60.0, 61.0, 120.0, 121.0))
    steady = Steady(60, lambda: next(clock))
    assert [len(steady([observed(is_fault=is_fault)])) for is_fault in (True, True, True, False, False, False)] == [0, 0, 1, 0, 0, 1]


def test_a_service_in_a_restart_loop_is_a_fault_although_it_is_often_starting() -> None:
    clock = iter((0.0, 30.0, 60.0))
    steady = Steady(60, lambda: next(clock))
    assert [len(steady(seen)) for seen in ([observed(is_fault=True)], [], [observed(is_fault=True)])] == [0, 0, 1]


def lines(*texts: str) -> list[LogLine]:
    return [LogLine(service="backup", text=text, moment=f"2026-11-30T03:15:{at:02}.5Z") for at, text in enumerate(texts)]


def test_the_end_of_the_last_run_is_found_in_the_log() -> None:
    ran = last_run(
        "backup", lines("schedule: x: starts", "schedule: ended successfully", "schedule: y: starts", "no", "schedule: failed with 1")
    )
    assert ran is not None
    assert (ran.exit_code, ran.moment) == (1, "2026-11-30T03:15:04.5Z")
    assert of_run(ran).is_fault
    assert "`portable logs backup`" in of_run(ran).remedy
    running = last_run("backup", lines("schedule: ended successfully", "schedule: y: starts", "sonarr: schedule: failed with 1 or so"))
    assert running is not None
    assert running.exit_code == 0
    assert last_run("backup", lines("schedule: x: starts")) is None


def test_the_words_are_those_of_the_script() -> None:
    import portable.backends.compose.jobs as jobs

    text = script(jobs.__name__, "schedule.sh")
    assert 'echo "schedule: ended successfully"' in text
    assert 'echo "schedule: failed with $?"' in text


class StackStandIn:
    """A reader with the services and log lines that a test gives it."""

    def __init__(self) -> None:
        self.state, self.log = "running", lines("schedule: ended successfully")
        self.error: PortableError | None = None

    def __enter__(self) -> "StackStandIn":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def status(self, *, inside: bool = False) -> tuple[ServiceStatus, ...]:
        assert inside
        if self.error:
            raise self.error
        return (ServiceStatus(app="sonarr", service="sonarr", state=self.state, health="-", since=""),)

    def logs(self, *, apps: tuple[str, ...], tail: int) -> Iterator[LogLine]:
        assert tail > 100
        return iter(self.log)


@pytest.fixture
def plan() -> Plan:
    ref = SecretRef(name="notify-url", optional=True)
    job = factories.app("backup", schedule=Schedule(hours=(3,)), ports=())
    return Plan(
        stack="media", profile="nas", tools=factories.container("tools"), apps=(job,), notify=Notify(url=ref, pings={"backup": ref})
    )


class Turns:
    """A watcher with a stand-in for the stack, and what it reports."""

    def __init__(self, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
        from portable.upkeep import channel

        self.stack, self.clock, self.told = StackStandIn(), 0.0, list[str]()
        self.titles, self.pings = list[str](), list[str]()
        monkeypatch.setenv("PORTABLE_SECRET_NOTIFY_URL", "ntfy://127.0.0.1:9/topic")
        monkeypatch.setattr(channel, "send", lambda _url, title, _body, **_: self.titles.append(title))
        monkeypatch.setattr(channel, "ping", self.pings.append)
        notifier = Notifier(plan, "media-nas", EnvironmentSource(), warn=lambda error: self.told.append(str(error)))
        self.opened: Any = lambda: (self.stack, plan, notifier)
        self.watcher = Watcher(lambda: self.opened(), steady=Steady(60, lambda: self.clock), progress=self._tell)

    def _tell(self, event: Event) -> None:
        self.told.append(event.sentence())

    def turn(self, seconds: float = 60) -> None:
        self.clock += seconds
        self.watcher.turn()


@pytest.fixture
def turns(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Turns:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Turns(plan, monkeypatch)


def test_a_failed_run_at_night_is_reported_once_and_so_is_the_next_good_one(turns: Turns) -> None:
    turns.turn()
    assert (turns.titles, len(turns.pings)) == ([], 1)
    turns.stack.log = lines("a", "b", "c", "schedule: failed with 1")
    turns.turn()
    turns.turn()
    assert turns.titles == ["media-nas: upkeep: schedule of backup: fault"]
    assert len(turns.pings) == 1
    turns.stack.log = lines("a", "b", "c", "d", "e", "schedule: ended successfully")
    turns.turn()
    turns.turn()
    assert turns.titles[1:] == ["media-nas: upkeep: schedule of backup: recovered"]
    assert len(turns.pings) == 2


def test_a_service_that_the_healer_repairs_at_once_is_not_reported(turns: Turns) -> None:
    turns.turn()
    turns.stack.state = "exited"
    turns.turn(10)
    turns.stack.state = "running"
    turns.turn(10)
    turns.turn(600)
    assert turns.titles == []
    turns.stack.state = "exited"
    turns.turn(10)
    turns.turn(60)
    assert turns.titles == ["media-nas: heal: sonarr: fault"]


def test_an_engine_that_is_away_is_a_fault_and_its_return_a_recovery(turns: Turns) -> None:
    turns.stack.error = EngineError("no answer", code="engine.absent")
    for _ in range(3):
        turns.turn()
    turns.stack.error = None
    for _ in range(3):
        turns.turn()
    assert turns.titles == ["media-nas: heal: engine: fault", "media-nas: heal: engine: recovered"]


def test_only_what_changes_is_put_into_words(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words hide secrets, and a source of secrets may be slow."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    turns, words = Turns(plan, monkeypatch), list[str]()
    notifier = Notifier(plan, "media-nas", EnvironmentSource(), warn=lambda _: None, worded=lambda text: words.append(text) or text)  # type: ignore[func-returns-value]
    notifier.report([Standing(command="verify", subject="a", is_fault=False, text="x")])
    assert words == []
    notifier.report([Standing(command="verify", subject="a", is_fault=is_fault, text="x", remedy="y") for is_fault in (True, False)])
    assert words == ["x", "y", "x", "y"]
    assert [title.rpartition(": ")[2] for title in turns.titles] == ["fault", "recovered"]


def test_files_that_cannot_be_read_are_told_once(turns: Turns) -> None:
    def broken() -> None:
        raise UsageError("no such profile", code="profile.unknown")

    turns.opened = broken
    turns.turn()
    turns.turn()
    assert len(turns.told) == 1


def test_the_thread_knows_the_profile_of_the_command(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")
    found: list[str] = []
    monkeypatch.setattr(turns.watcher, "_run", lambda: found.append(variable.get()))
    variable.set("nas")
    turns.watcher.start()
    import threading

    for thread in threading.enumerate():
        if thread.name == "portable-watch":
            thread.join(10)
    assert found == ["nas"]
