"""`heal`: does what `healing` decides, once or for as long as it is left to. It works against nobody: another command comes first."""

import time
from collections.abc import Callable
from typing import Protocol

from portable.backends.compose.engine import Engine, EngineReader
from portable.live import compose
from portable.live.compose import Outcome, plain, restart_in_order, status
from portable.live.desired import Stack
from portable.live.healing import Ailing, ailing
from portable.live.preflight import refuse_foreign
from portable.live.progress import Event, Once, Progress, silent
from portable.live.secrets import Source
from portable.live.state import locked
from portable.live.waiting import Watch
from portable.model.changes import Change
from portable.model.errors import PortableError

_LONGEST_REST = 300.0
"""Seconds between two tries at the same service that does not stay up."""
_WELL_SECONDS = 120.0
"""An app that stayed up so long starts anew with short rests."""


class Clock(Protocol):
    """Time, so that tests need none."""

    def monotonic(self) -> float:
        """Seconds."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...


def examine(engine: EngineReader, stack: Stack) -> Ailing:
    """What `heal` would do now. Needs no method that writes."""
    observed = engine.observe(stack.project)
    refuse_foreign(observed, stack.project)
    return ailing(plain(stack), observed)


def heal(
    engine: Engine,
    stack: Stack,
    source: Source,
    *,
    only: Callable[[Change], bool] = lambda _: True,
    wait: bool = True,
    deadline: float | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Start, restart or make anew what ails, each after its gateway; with `wait` until it is well.

    Raises PortableError where another command is at work on the project. `deadline` is in seconds, for the waiting.
    """
    engine.observe(stack.project)  # without an engine nothing is written, the lock neither
    with locked(stack.project, "heal", progress=progress, wait=0):
        observed = engine.observe(stack.project)
        refuse_foreign(observed, stack.project)
        desired = plain(stack)
        changes = tuple(change for change in ailing(desired, observed).changes if only(change))
        for change in changes:
            progress(Event(what="doing", subject=change.service, text=f"{change.kind}: {change.cause}"))
        names = [change.service for change in changes if change.kind in ("start", "restart")]
        until = None if deadline is None else time.monotonic() + deadline
        watch = Watch(engine, desired, set(names), Once(progress), until)
        if names:
            restart_in_order(engine, desired, observed, names, watch)
            if wait:
                watch.until_well()
    anew = tuple(sorted({change.app for change in changes if change.kind == "recreate"}))
    if anew:
        # Only Compose makes containers, and it needs their secrets: the same as `up` of these apps.
        compose.up(engine, stack, source, apps=anew, deadline=deadline, progress=progress)
    return Outcome(changes=changes, rows=status(engine, stack))


class Healer:
    """Heals for as long as it is left to. An app that does not stay up is tried again after longer and longer rests."""

    def __init__(
        self, opened: Callable[[], tuple[Stack, Source]], *, every: float, clock: Clock = time, progress: Progress = silent
    ) -> None:
        """`opened` reads the place's files: it is asked again before anything is healed, since they may say other images by then."""
        self._opened, self._every, self._clock = opened, every, clock
        self._stack, self._source = opened()
        self._progress = progress
        self._told: set[str] = set()
        """What was told in the last turn, and is not told again as long as it stays so."""
        self._tries: dict[str, tuple[int, float]] = {}
        """By service: how often it was healed in a row, and when last."""

    def run(self, engine: Engine, *, ended: Callable[[], bool] = lambda: False) -> None:
        """Look, heal, rest; what goes wrong is told once and tried again: an engine may be away for as long as it takes."""
        while not ended():
            self.turn(engine)
            self._clock.sleep(self._every)

    def turn(self, engine: Engine) -> tuple[Change, ...]:
        """One look, and what followed; nothing where the engine is away or another command is at work."""
        try:
            found = examine(engine, self._stack)
            if not any(self._is_due(change) for change in found.changes):
                self._tell(*found.waiting)
                return ()
            unreadable = self._read()
            self._tell(*found.waiting, *unreadable)
            # What is made anew is made as the files say: where they can't be read, an older program would meet what a newer one wrote.
            only = (lambda change: change.kind != "recreate" and self._is_due(change)) if unreadable else self._is_due
            outcome = heal(engine, self._stack, self._source, only=only, wait=False, progress=self._progress)
        except PortableError as error:
            self._tell(f"not healed yet: {error.text}")
            return ()
        now = self._clock.monotonic()
        for change in outcome.changes:
            self._tries[change.service] = (self._in_a_row(change.service) + 1, now)
        return outcome.changes

    def _read(self) -> tuple[str, ...]:
        """Read the files again; what keeps them from being read."""
        try:
            self._stack, self._source = self._opened()
        except PortableError as error:
            return (f"nothing is made anew, since the files of the place can't be read: {error.text}",)
        return ()

    def _tell(self, *sentences: str) -> None:
        for sentence in sentences:
            if sentence not in self._told:
                self._progress(Event(what="waiting", subject="", text=sentence))
        self._told = set(sentences)

    def _in_a_row(self, service: str) -> int:
        tries, last = self._tries.get(service, (0, 0.0))
        return tries if self._clock.monotonic() - last < _rest(tries, self._every) + _WELL_SECONDS else 0

    def _is_due(self, change: Change) -> bool:
        tries, last = self._tries.get(change.service, (0, 0.0))
        return not tries or self._clock.monotonic() - last >= _rest(tries, self._every)


def _rest(tries: int, every: float) -> float:
    """Seconds after that many tries in a row."""
    return min(_LONGEST_REST, every * 2.0 ** min(tries, 16)) if tries else 0.0
