"""The lock of a project: only one command at a time changes the project from this machine."""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from portable.local.files import translated
from portable.local.folders import project_folder
from portable.model.errors import PortableError
from portable.model.progress import Event, Progress, silent

_LOCK_WAIT = 180.0


class Lock:
    """Held by the command that changes a project.

    Compose inherits the descriptor: after a killed `up`, the lock stays held until Compose ends.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor


@contextlib.contextmanager
def locked(name: str, doing: str, *, progress: Progress = silent, wait: float = _LOCK_WAIT, held: Lock | None = None) -> Iterator[Lock]:
    """Hold the lock of a project (or another lock, whose name begins with `_`).

    While another command holds it, report that command; after `wait` seconds raise PortableError. With `held`, the caller keeps the lock
    that it already holds, so that no other command runs between the parts of a composite command.
    """
    if held is not None:
        yield held
        return
    folder, title = project_folder(name), name.lstrip("_")
    path = folder / "lock"
    with translated(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + wait
        reported = ""
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = _holder(descriptor)
                if time.monotonic() >= until:
                    raise PortableError(
                        f"{title} is locked by {holder}", code="file.locked", where=str(path), remedy="wait for it to finish, or stop it"
                    ) from None
                if holder != reported:
                    progress(Event(what="waiting", subject="", text=f"waiting: {title} is locked by {holder}"))
                    reported = holder
                time.sleep(0.1)
        with contextlib.suppress(OSError):  # only for commands that wait: `down` must work on a full disk
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {time.strftime('%H:%M:%S')} {doing}\n".encode(), 0)
        yield Lock(descriptor)
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """The holder of the lock, for a message."""
    entry = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
    match = re.fullmatch(r"(\d+) (\S+) (.*)", entry)
    if not match:
        return "another command"
    alive = Path(f"/proc/{match[1]}").exists() if Path("/proc/self").exists() else True
    command = f"`portable {match[3]}` (process {match[1]}, since {match[2]})"
    return command if alive else f"Docker Compose, which still runs after {command} was killed"
