"""Moves in a child process that is killed at a point or a time, and what must hold afterwards."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from portable.migrate import hooks as points
from portable.migrate.comparing import differences
from portable.migrate.hooks import MoveHooks
from portable.migrate.manifest import Manifest, make_manifest
from portable.migrate.places import WORK

SKIP = frozenset({WORK.encode()})


class RecordedHooks(MoveHooks):
    """Hooks that write each call to a file at once, so that it survives a kill."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def _add(self, call: str) -> None:
        with self._log.open("a") as log:
            log.write(f"{call}\n")

    def stop_source(self) -> None:
        self._add("stop_source")

    def checkpoint(self, source: Path) -> None:
        self._add("checkpoint")

    def start_target(self, target: Path) -> None:
        self._add("start_target")

    def stop_target(self) -> None:
        self._add("stop_target")

    def start_source(self) -> None:
        self._add("start_source")


def calls(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def forked(action: Callable[[], object], *, at: int | None = None, after: float | None = None) -> tuple[int, list[str]]:
    """Run an action in a child; kill it with SIGKILL at the point of that number, or after seconds. Returns the status and the points.

    The status is 0, the number of the signal, or 256 for an error, whose text is printed.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        count = 0

        def reach(_point: str) -> None:
            nonlocal count
            os.write(write, f"{_point}\n".encode())
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

        points.reach = reach
        try:
            action()
        except BaseException:  # noqa: BLE001 - the child ends here, whatever happened
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    os.close(write)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(read) as lines:
        reached = lines.read().splitlines()
    _, status = os.waitpid(child, 0)
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 256 * bool(status)), reached


def equal(source: Manifest, folder: Path, file: Path) -> list[tuple[str, str]]:
    """The differences of a folder from a manifest, the move's own work folder left out."""
    return [(d.path, d.field) for d in differences(source, make_manifest(folder, file, skip=SKIP))]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
