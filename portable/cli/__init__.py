"""The command line: parse, one call, show. The only place that prints and exits."""

import gc
import signal
import sys
from types import FrameType

from portable.cli.errors import report


def main() -> None:
    """Run one command; every error ends as text on standard error and an exit code (0, 1, 2, 3, 4 or 130)."""
    gc.set_threshold(200_000, 50, 100)  # what a render makes it keeps: looking for garbage among it costs a third of a large one
    for sign in (signal.SIGTERM, signal.SIGHUP):  # what was started is ended as at Ctrl-C; one that is ignored (`nohup`) stays so
        if signal.getsignal(sign) is signal.SIG_DFL:
            signal.signal(sign, _interrupt)
    from portable.cli.app import app

    sys.exit(report(lambda: app(standalone_mode=False)))


def _interrupt(_sign: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
