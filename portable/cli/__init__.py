"""The command line: parse arguments, call one function, show its result. No other package prints or exits."""

import contextlib
import gc
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Run one command and exit with its code: 0, 1, 2, 3, 4 or 130. Errors are printed on standard error."""
    # Imports and a render create little garbage: collecting it costs a tenth of a start and a third of a large render.
    gc.set_threshold(1_000_000, 50, 100)
    for number in (signal.SIGTERM, signal.SIGHUP):  # end child processes as Ctrl-C does; an ignored signal (`nohup`) stays ignored
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    from portable.cli.app import application
    from portable.cli.errors import report

    _leave(report(lambda: application(sys.argv[1:])(standalone_mode=False)))


def _leave(code: int) -> NoReturn:
    """End the process at once if it only read files: unloading a hundred modules takes 20 ms of 150.

    With threads, engine clients or a profiler, exit in Python's own way.
    """
    if threading.active_count() > 1 or sys.gettrace() or sys.getprofile() or "portable.live" in sys.modules:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the reader is gone; `report` has printed the error if it matters
            stream.flush()
    os._exit(code)


def _interrupt(_sign: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
