"""Prints progress events of running operations on standard error, one line each; details go to a log, which is shown after a failure."""

import contextlib
import os
import sys
import time
from pathlib import Path

from portable.cli.hints import typed
from portable.model.errors import PortableError
from portable.model.progress import Event

_BEAT_SECONDS = 60.0
"""Where lines stay, a sign of life is printed at most this often for each subject. A terminal shows each one in the same line."""
_TAIL = 25
"""Lines of the log that are shown after a failure."""
_CLEAR = "\r\x1b[K"


class Printer:
    """Prints the events of one command."""

    def __init__(self) -> None:
        self._beats: dict[str, float] = {}
        self._is_open = False
        """The last line on the terminal is a sign of life, to be overwritten."""
        self._details = 0
        self.log: Path | None = None
        """The file of the details; None before the first one, and where it cannot be written."""

    def __call__(self, event: Event) -> None:
        """Print one event, or write it to the log."""
        match event.what:
            case "line":
                self._write(f"{event.subject}: {event.text}")
            case "beat":
                self._beat(event)
            case _:
                self._print(event.sentence())

    def tail(self) -> list[str]:
        """The last lines of the log."""
        if self.log is None:
            return []
        with contextlib.suppress(OSError):
            return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
        return []

    def _print(self, text: str) -> None:
        sys.stderr.write(f"{_CLEAR if self._is_open else ''}{typed(text)}\n")
        self._is_open = False
        sys.stderr.flush()

    def _beat(self, event: Event) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"{_CLEAR}{event.sentence()[: _width() - 1]}")
            self._is_open = True
            sys.stderr.flush()
            return
        now = time.monotonic()
        if now - self._beats.setdefault(event.subject, now) >= _BEAT_SECONDS:
            self._beats[event.subject] = now
            self._print(event.sentence())

    def _write(self, text: str) -> None:
        """Add a line to the log, which begins anew with each command. Without a writable folder the details are dropped."""
        self._details += 1
        if self._details == 1:
            with contextlib.suppress(OSError, PortableError):
                self.log = _log_file()
        if self.log is not None:
            with contextlib.suppress(OSError), self.log.open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")


def _log_file() -> Path:
    from portable.local.paths import state_home

    path = state_home() / "details.log"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600))
    return path


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return 80


_printer = Printer()


def printed(event: Event) -> None:
    """Print one event of this command as a line; its details go to the log."""
    _printer(event)


def forget_progress() -> None:
    """Begin with a new command."""
    global _printer  # noqa: PLW0603 - one for each command, as its events come from everywhere
    _printer = Printer()


def details() -> "tuple[list[str], Path] | None":
    """The last lines of the details of this command, and their file; None if there are none."""
    return (_printer.tail(), _printer.log) if _printer.log is not None else None
