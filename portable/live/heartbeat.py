"""Progress messages of work that is silent for minutes."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from portable.model.progress import Event, Progress

if TYPE_CHECKING:
    pass

_SIGN_OF_LIFE_SECONDS = 15.0


@contextlib.contextmanager
def at_work(progress: Progress, subject: str, text: str) -> Iterator[None]:
    """Report every 15 s that the work goes on, and for how long: minutes of silence look like a hang."""
    ended, began = threading.Event(), time.monotonic()

    def report() -> None:
        while not ended.wait(_SIGN_OF_LIFE_SECONDS):
            progress(Event(what="beat", subject=subject, text=f"{text} ({time.monotonic() - began:.0f} s)"))

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        ended.set()
        reporter.join()
