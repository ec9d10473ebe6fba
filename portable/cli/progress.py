"""Shows what live functions tell while they work: a line for each new thing, on standard error."""

import sys

from portable.cli.hints import typed
from portable.model.progress import Event


def printed(event: Event) -> None:
    """One event as a line; lines of foreign programs are indented and shown on terminals only."""
    if event.what == "line":
        if sys.stderr.isatty():
            sys.stderr.write(f"    {event.text}\n")
        return
    sys.stderr.write(f"{typed(event.sentence())}\n")
    sys.stderr.flush()
