"""Prints progress events of running operations on standard error, one line each."""

import sys

from portable.cli.hints import typed
from portable.model.progress import Event


def printed(event: Event) -> None:
    """Print one event as a line. Output of other programs is indented, and printed on terminals only."""
    if event.what == "line":
        if sys.stderr.isatty():
            sys.stderr.write(f"    {event.text}\n")
        return
    sys.stderr.write(f"{typed(event.sentence())}\n")
    sys.stderr.flush()
