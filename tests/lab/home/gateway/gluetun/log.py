"""Lines of the log, in the form of the real one: `2026-11-29T20:00:00Z INFO [firewall] enabling...`."""

import threading
import time

_LOCK = threading.Lock()


class Failure(Exception):  # noqa: N818  # an outcome of the real program, told by its log
    """Why something did not work, as the real one says it."""


class Logger:
    """Writes for one component."""

    def __init__(self, component: str = "") -> None:
        self._component = f"[{component}] " if component else ""

    def info(self, text: str) -> None:
        self._write("INFO", text)

    def warn(self, text: str) -> None:
        self._write("WARN", text)

    def error(self, text: str) -> None:
        self._write("ERROR", text)

    def _write(self, level: str, text: str) -> None:
        with _LOCK:
            print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {level} {self._component}{text}", flush=True)
