"""The command line: parse, one call, show. The only place that prints and exits."""

import contextlib
import gc
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Run one command; every error ends as text on standard error and an exit code (0, 1, 2, 3, 4 or 130)."""
    # What imports and a render make is kept: looking for garbage among it costs a tenth of a start, a third of a large render.
    gc.set_threshold(200_000, 50, 100)
    for sign in (signal.SIGTERM, signal.SIGHUP):  # what was started is ended as at Ctrl-C; one that is ignored (`nohup`) stays so
        if signal.getsignal(sign) is signal.SIG_DFL:
            signal.signal(sign, _interrupt)
    from portable.cli.app import app
    from portable.cli.errors import report

    _leave(report(lambda: app(standalone_mode=False)))


def _leave(code: int) -> NoReturn:
    """End the process, without taking a hundred modules apart first where only files were read: that is 20 ms of 150.

    Whoever has more to end than its output (threads, clients of engines, a profiler) gets Python's own way.
    """
    if threading.active_count() > 1 or sys.gettrace() or sys.getprofile() or "portable.live" in sys.modules:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody takes it: `report` has said so where it matters
            stream.flush()
    os._exit(code)


def _interrupt(_sign: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
