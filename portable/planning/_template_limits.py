"""Bounds the work of a template: the files of a catalog may come from somebody else."""

import contextlib
import os
import resource
import signal
import threading
from collections.abc import Iterator
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


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Raise WorkError or MemoryError in the body if it exceeds the limits.

    The limits apply to the whole process, so they last only for one template. Signals reach the main thread only; elsewhere, time is
    not bounded.
    """
    with _bounded_memory(), _bounded_time():
        yield


@contextlib.contextmanager
def _bounded_time() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise WorkError

    former = signal.signal(signal.SIGVTALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS, SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, former)


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = _size()
    if size is None:
        yield
        return
    limit = size + MEMORY
    if soft != resource.RLIM_INFINITY and soft < limit:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


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
