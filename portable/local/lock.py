"""The lock of a project: one command at a time changes it from this machine."""

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
    """Held by whoever changes a project. Compose inherits its descriptor, so that after a killed `up` it stays held until Compose ends."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor


@contextlib.contextmanager
def locked(name: str, doing: str, *, progress: Progress = silent, wait: float = _LOCK_WAIT, held: Lock | None = None) -> Iterator[Lock]:
    """Hold the lock of a project (or one whose name begins with `_`); while another has it, say who, and give up after `wait` seconds.

    With `held` the caller has it already, and keeps it: a command that is made of others lets nobody in between them.
    """
    if held is not None:
        yield held
        return
    folder, called = project_folder(name), name.lstrip("_")
    path = folder / "lock"
    with translated(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + wait
        told = ""
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = _holder(descriptor)
                if time.monotonic() >= until:
                    raise PortableError(
                        f"{holder} is at work on {called}", where=str(path), remedy="wait until it ends, or end it"
                    ) from None
                if holder != told:
                    progress(Event(what="waiting", subject="", text=f"waiting: {holder} is at work on {called}"))
                    told = holder
                time.sleep(0.1)
        with contextlib.suppress(OSError):  # only for who waits: `down` must do on a full disk
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {time.strftime('%H:%M:%S')} {doing}\n".encode(), 0)
        yield Lock(descriptor)
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    said = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
    match = re.fullmatch(r"(\d+) (\S+) (.*)", said)
    if not match:
        return "another command"
    alive = Path(f"/proc/{match[1]}").exists() if Path("/proc/self").exists() else True
    who = f"`portable {match[3]}` (process {match[1]}, since {match[2]})"
    return who if alive else f"Docker Compose, left at work by a {who} that was killed,"
