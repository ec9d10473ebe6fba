"""The private folder of a project on this machine: the composed file and the lock. Nothing secret, nothing that can't be made anew."""

import contextlib
import errno
import fcntl
import os
import pwd
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from portable.live.progress import Event, Progress, silent
from portable.model.errors import PortableError, UsageError

FILE = "compose.yaml"
"""The document as it was handed to Compose last."""
_LOCK_WAIT = 180.0


def home_of(environment: Mapping[str, str]) -> Path:
    """The person's own folder. Raises UsageError where nothing tells it, as for a service without HOME or a container's user."""
    if environment.get("HOME", "").startswith("/"):
        return Path(environment["HOME"])
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        text = f"nothing tells where your files lie: HOME is not set, and user {os.getuid()} has no entry in /etc/passwd"
        raise UsageError(text, where="environment", remedy="export HOME=/a/folder/of/yours") from None


def state_home(environment: Mapping[str, str] | None = None) -> Path:
    """`$XDG_STATE_HOME/portable`, by default `~/.local/state/portable`."""
    environment = os.environ if environment is None else environment
    base = environment.get("XDG_STATE_HOME") or ""
    return (Path(base) if base.startswith("/") else home_of(environment) / ".local" / "state") / "portable"


def project_folder(project: str) -> Path:
    """The project's folder, made if it isn't there; nobody else may look into it."""
    folder = state_home() / project
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    return folder


def ran_before(project: str) -> bool:
    """Whether an earlier `up` from this machine left its document."""
    return (state_home() / project / FILE).exists()


def write_private(path: Path, text: str, *, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Put the text there at once or not at all; readable by the owner only, from its first byte on."""
    with translated(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp's own mode is 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                if owner is not None:
                    os.fchown(file.fileno(), *owner)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """What goes wrong with a file of ours, as an error for a person."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: ("no space left on this machine's disk", "free some space, then run the same command again"),
            errno.EDQUOT: ("your disk quota is used up", "free some space, then run the same command again"),
            errno.EACCES: ("it may not be written by you", "check its owner and mode"),
            errno.EPERM: ("it may not be written by you", "check its owner and mode"),
            errno.EROFS: ("it lies on a read-only filesystem", "set XDG_STATE_HOME to a folder that can be written"),
        }
        text, remedy = reasons.get(error.errno or 0, (error.strerror or str(error), "check the path"))
        raise PortableError(text, where=str(path), remedy=remedy) from None


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
