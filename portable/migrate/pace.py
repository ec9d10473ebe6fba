"""Estimates how long a move takes: from the time of the walk that planned it, and a sample that is written to the target."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from portable.migrate.places import opened_target
from portable.migrate.planning import MovePlan
from portable.model.base import Struct

_SAMPLE = 8 << 20
"""Bytes that are written to measure a target: an SSD takes 20 ms, a slow disk or share a second."""
_ROOM = 16
"""A target with less free space than so many samples is not measured."""
_ENTRY_SECONDS = 0.0001
"""Time of one entry in a walk that only looks at it."""
_ROUNDS, _LOOKS = 2, 3
"""Walks that only compare times: of the mover while apps run, and of the mover and the last checks after their stop."""


class Pace(Struct, frozen=True, kw_only=True):
    """Estimated seconds of the move of one folder."""

    copy_seconds: float
    """While the apps run: one read, and the copy."""
    down_seconds: float
    """After their stop: both sides are read and compared."""


class Paces:
    """Estimates for several folders. Each file system of a target is measured once."""

    def __init__(self) -> None:
        self._rates: dict[int, float] = {}

    def of(self, target: Path, *, walked: float, plan: MovePlan, reads: bool) -> Pace | None:
        """The estimate for a folder whose plan took `walked` seconds; None if its target cannot be measured.

        With `reads`, that time is one whole read of the source. Otherwise the source counts as being as fast as the target.
        """
        rate = self._rate(target, plan.personality.free_bytes)
        if not rate:
            return None
        look = min(walked, plan.entries * _ENTRY_SECONDS) if reads else walked
        read = walked if reads else walked + plan.bytes / rate
        copy, proof = plan.bytes / rate, plan.bytes / rate + look
        return Pace(copy_seconds=read + copy + _ROUNDS * look, down_seconds=read + proof + _LOOKS * look)

    def _rate(self, target: Path, free: int) -> float:
        """Bytes in a second that the file system of an existing folder takes; 0 if that is unknown."""
        device = os.stat(target).st_dev  # noqa: PTH116 - beside st_dev nothing is asked
        if device not in self._rates:
            self._rates[device] = _written(target) if free > _ROOM * _SAMPLE else 0.0
        return self._rates[device]


def _written(target: Path) -> float:
    """Write a sample without a name, which no kill can leave behind, and measure it; 0 if the file system refuses that."""
    sample = os.urandom(1 << 20)  # what compresses well would be measured too fast
    with opened_target(target) as folder:
        try:
            file = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=folder)
        except OSError:  # NFS, SMB and FUSE have no such files
            return 0.0
        try:
            began = time.monotonic()
            for _ in range(_SAMPLE // len(sample)):
                os.write(file, sample)
            os.fsync(file)
            return _SAMPLE / max(time.monotonic() - began, 1e-6)
        except OSError:
            return 0.0
        finally:
            os.close(file)


def total(seconds: Iterable[float | None]) -> float | None:
    """The sum; None if a part of it is unknown."""
    known = list(seconds)
    return None if None in known else sum(one for one in known if one is not None)


def duration(seconds: float) -> str:
    """A time for a person, in seconds, minutes or hours."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
