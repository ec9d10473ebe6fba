"""What `heal --watch` reports while it heals: services that stay down, and the runs of apps on a schedule.

It looks in a thread of its own, so that a dead channel or a slow look never delays a repair.
"""

import contextvars
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from portable.live.driver import StackReader
from portable.live.results import LogLine
from portable.model.base import Struct
from portable.model.errors import PortableError
from portable.model.plan import Plan
from portable.model.progress import Event, Progress, silent
from portable.upkeep.faults import Standing, of_error, of_services
from portable.upkeep.notifying import Notifier

EVERY = 60.0
"""Seconds between two looks."""
STEADY = 60.0
"""Seconds that a new state must last before it is reported: the healer repairs most faults sooner."""
_ENGINE = "engine"
_LINES = 2000
"""Lines of an app's log in which the end of its last run is searched."""
_ENDED = re.compile(r"schedule: (?:ended successfully|failed with (\d+))\Z")
"""The last words of a run, as the Compose back end's schedule.sh writes them."""


class ScheduledRun(Struct, frozen=True, kw_only=True):
    """The end of the last run of an app on a schedule."""

    app: str
    moment: str
    """The engine's time of the line, RFC 3339."""
    exit_code: int


class Steady:
    """Passes on only states that have lasted for a while."""

    def __init__(self, seconds: float = STEADY, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._since: dict[str, tuple[bool, float]] = {}

    def __call__(self, observations: Iterable[Standing]) -> list[Standing]:
        """The observations whose state is old enough. Only the opposite state starts again: a service in a restart loop is often unseen."""
        now, lasting = self._clock(), []
        for seen in observations:
            before = self._since.get(seen.key)
            began = before[1] if before and before[0] == seen.is_fault else now
            self._since[seen.key] = seen.is_fault, began
            if now - began >= self._seconds:
                lasting.append(seen)
        return lasting


def last_run(app: str, lines: Iterable[LogLine]) -> ScheduledRun | None:
    """The end of the app's last run; None if no run ended in these lines."""
    found = None
    for line in lines:
        if ended := _ENDED.search(line.text.rstrip()):
            found = ScheduledRun(app=app, moment=line.moment, exit_code=int(ended[1] or 0))
    return found


def last_runs(reader: StackReader, plan: Plan) -> Iterator[ScheduledRun]:
    """The last run of each app on a schedule, if its log has one."""
    for app in plan.apps:
        if app.schedule is not None and (run := last_run(app.name, reader.logs(apps=(app.name,), tail=_LINES))) is not None:
            yield run


def of_run(run: ScheduledRun) -> Standing:
    """The result of a scheduled run."""
    text = f"the run that ended at {run.moment[:19]}Z " + (f"failed with exit code {run.exit_code}" if run.exit_code else "succeeded")
    remedy = f"read `portable logs {run.app}`, correct the cause, then run `portable upkeep`" if run.exit_code else ""
    return Standing(command="upkeep", subject=f"schedule of {run.app}", is_fault=bool(run.exit_code), text=text, remedy=remedy)


class Watcher:
    """Looks at a stack repeatedly, and reports what changed."""

    def __init__(
        self,
        opened: Callable[[], tuple[StackReader, Plan, Notifier]],
        *,
        every: float = EVERY,
        steady: Steady | None = None,
        progress: Progress = silent,
    ) -> None:
        """`opened` reads the files of the profile and connects; it is called for each look."""
        self._opened, self._every, self._progress = opened, every, progress
        self._steady = steady or Steady()
        self._told = ""

    def start(self) -> None:
        """Begin to look, until this process ends. It may end at any moment: a look that is cut short is repeated."""
        context = contextvars.copy_context()  # the profile in use, which texts add to commands
        threading.Thread(target=context.run, args=(self._run,), daemon=True, name="portable-watch").start()

    def _run(self) -> None:
        while True:
            self.turn()
            time.sleep(self._every)

    def turn(self) -> None:
        """Look once. An error of the files is reported as progress; one of the engine is a fault like others."""
        try:
            reader, plan, notifier = self._opened()
        except PortableError as error:
            self._tell(f"the profile cannot be read, so nothing is reported: {error.text}")
            return
        with reader:
            try:
                seen, runs = self._look(reader, plan, notifier.file.read().runs)
            except PortableError as error:
                away = msgspec.structs.replace(of_error("heal", error), subject=_ENGINE)
                notifier.report(self._steady([away]))
                return
        notifier.report([*self._steady(seen), *map(of_run, runs)], runs={run.app: run.moment for run in runs})
        if any(run.app == "backup" and run.exit_code == 0 for run in runs):
            notifier.ping("backup")
        notifier.ping("heal")

    def _look(self, reader: StackReader, plan: Plan, counted: Mapping[str, str]) -> tuple[tuple[Standing, ...], tuple[ScheduledRun, ...]]:
        """The state of the services, and the scheduled runs that were not counted yet."""
        well = Standing(command="heal", subject=_ENGINE, is_fault=False, text="it answers")
        services = of_services(reader.status(inside=True))
        return (well, *services), tuple(run for run in last_runs(reader, plan) if run.moment > counted.get(run.app, ""))

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._progress(Event(what="waiting", subject="notify", text=text))
