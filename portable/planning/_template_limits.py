"""Bounds the work of a template: the files of a catalog may come from somebody else."""

import os
import resource
import signal
import threading
from types import FrameType

SECONDS = 2
"""Processor time of one template; those of the shipped catalog take milliseconds."""
MEMORY = 256 << 20
"""Bytes that the process may allocate meanwhile."""
MOST_BITS = 4096
"""Bits of the largest integer that multiplication and powers may make: no limit of memory stops those in time."""
_STATM = "/proc/self/statm"


class WorkError(Exception):
    """A template takes too much time."""


class bounded:  # noqa: N801  # used as a function
    """Raise WorkError or MemoryError in the body if it exceeds the limits.

    The limits apply to the whole process, so they last only for one template. Signals reach the main thread only; elsewhere, time is
    not bounded. A class, because this runs for each template, and generators would take twice as long.
    """

    def __enter__(self) -> None:
        """Set the limits."""
        self._memory = _bound_memory()
        self._is_timed = threading.current_thread() is threading.main_thread()
        if self._is_timed:
            self._handler = signal.signal(signal.SIGVTALRM, _stop)
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS, SECONDS)

    def __exit__(self, *_raised: object) -> None:
        """Take the limits away."""
        try:
            if self._is_timed:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
                signal.signal(signal.SIGVTALRM, self._handler)
        finally:
            if self._memory is not None:
                resource.setrlimit(resource.RLIMIT_AS, self._memory)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise WorkError


def _bound_memory() -> tuple[int, int] | None:
    """Set the limit; return the one before, or None if it stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = _size()
    limit = (size or 0) + MEMORY
    if size is None or (soft != resource.RLIM_INFINITY and soft < limit):
        return None
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    return soft, hard


def _size() -> int | None:
    """The bytes of address space of this process; None where the kernel is not Linux. Runs for each template, so it has no `Path`."""
    try:
        handle = os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return int(os.read(handle, 200).split()[0]) * resource.getpagesize()
    finally:
        os.close(handle)
