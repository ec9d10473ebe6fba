"""Services that take long to start: says what each one does, how long that may take, and that leaving is safe."""

import time
from collections.abc import Iterable

from portable.engines.docker.engine import EngineReader
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import ObservedContainer
from portable.live.compose.desired import Desired
from portable.live.compose.headline import plain
from portable.model.progress import Deduplicated, Event

_LONG_SECONDS = 120.0
"""A start that takes longer is explained."""
_AGAIN_SECONDS = 15.0
"""How often the last line of its log is read then."""
_MIGRATION_SECONDS = 3600
"""A start period from which the catalog expects that a version migrates state for hours."""
_LONGEST_LINE = 200
_LEAVE = "; Ctrl-C ends only the waiting: the app goes on, and the same command continues"


class SlowStarts:
    """Follows containers whose health is still `starting`."""

    def __init__(self, engine: EngineReader, desired: Desired, progress: Deduplicated) -> None:
        self._engine, self._desired, self._progress = engine, desired, progress
        self._again: dict[str, float] = {}

    def look(self, starting: Iterable[tuple[ObservedContainer, float]]) -> None:
        """Report those that have been starting for long; with each container, the seconds since its start."""
        for seen, seconds in starting:
            if seconds < _LONG_SECONDS or time.monotonic() < self._again.get(seen.id, 0.0):
                continue
            self._again[seen.id] = time.monotonic() + _AGAIN_SECONDS
            last = self._last_line(seen)
            text = f"still starting after {_duration(seconds)}{f'; its log ends with: {last}' if last else ''}"
            slow = "; a new version may migrate its state for hours, and must not be stopped" if self._may_migrate(seen.service) else ""
            note = Event(what="note", subject=seen.service, text=f"{text}{slow}{_LEAVE}")
            if not self._progress.first(note, key=f"{seen.id} {seen.started_at}"):
                self._progress.always(Event(what="beat", subject=seen.service, text=text))

    def _last_line(self, seen: ObservedContainer) -> str:
        try:
            lines = [plain(line) for line in self._engine.logs(seen.id, tail=5)]
        except DockerError:
            return ""
        return next((line[:_LONGEST_LINE] for line in reversed(lines) if any(c.isalnum() for c in line)), "")

    def _may_migrate(self, service: str) -> bool:
        check = (self._desired.body.get("services", {}).get(service) or {}).get("healthcheck") or {}
        period = str(check.get("start_period") or "").removesuffix("s")
        return period.isdigit() and int(period) >= _MIGRATION_SECONDS


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
