"""All that a lab has on this machine, found by label, and taken away: its own at its end, and what a run left that was killed."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.lab.engine import LABEL, LabError
from tests.lab.home.box import OWNER, docker

FOLDER = "portable-lab-"
"""How the folder of a run by hand begins; one of a test is the test's own."""
_KINDS = (("container", ("ps", "-aq")), ("volume", ("volume", "ls", "-q")), ("network", ("network", "ls", "-q")))
_SECONDS = 30
"""A pool is busy for a moment after the last that used it."""


def marks(lab: str, folder: Path) -> tuple[str, ...]:
    """The labels of a lab's network: whose it is, and where it has what it needs on this machine."""
    return "--label", f"{LABEL}={lab}", "--label", f"{OWNER}={owner()}", "--label", f"{OWNER}.folder={folder}"


def owner() -> str:
    """The process that runs now, so that no other one is ever taken for it: its number, when it began, and in which namespace."""
    return told(os.getpid())


def told(pid: int) -> str:
    """The same of any process; empty where there is none of that number."""
    try:
        began = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{pid} {began} {Path('/proc/self/ns/pid').readlink()}"


def is_dead(who: str) -> bool:
    """Whether the process is gone that a label names; of one in another namespace that is not known from here."""
    pid, _, rest = who.partition(" ")
    return pid.isdecimal() and rest.endswith(f" {Path('/proc/self/ns/pid').readlink()}") and told(int(pid)) != who


def orphans() -> dict[str, Path | None]:
    """The labs whose process is gone, each with the folder that it had of its own."""
    form = f'{{{{index .Labels "{LABEL}"}}}}|{{{{index .Labels "{OWNER}"}}}}|{{{{index .Labels "{OWNER}.folder"}}}}'
    found: dict[str, Path | None] = {}
    for network in docker("network", "ls", "-q", "--filter", f"label={OWNER}").split():
        lab, *rest = docker("network", "inspect", "-f", form, network, code=None).strip().split("|", 2)
        if not lab:  # taken away since it was listed
            continue
        who, folder = rest
        if is_dead(who):
            own = Path(folder)
            found[lab] = own if own.parent == Path(tempfile.gettempdir()) and own.name.startswith(FOLDER) else None
    return found


def clean() -> list[str]:
    """Take away what labs left whose process is gone; their names."""
    found = orphans()
    for lab, folder in found.items():
        take_away(lab)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    return sorted(found)


def take_away(lab: str) -> None:
    """Everything of that lab, whatever of it there is; what fails keeps nothing else from it. Raises LabError with what is left then.

    The network goes last: as long as it is there, the lab is found.
    """
    _quietly("stop", "-t", "20", f"{lab}-host")  # unmounts its disks; all others have nothing to lose
    end = time.monotonic() + _SECONDS
    while left := _left(lab):
        for kind, ids in left.items():
            if kind == "network" and len(left) > 1:
                continue
            match kind:
                case "container":
                    _quietly("rm", "-f", "-v", *ids)
                case "volume":
                    for volume in ids:
                        if _let_go(_quietly("volume", "inspect", "-f", "{{.Mountpoint}}", volume).strip()):
                            _quietly("volume", "rm", volume)
                case _:
                    _quietly("network", "rm", *ids)
        if time.monotonic() > end:
            raise LabError(f"of the lab {lab} there is left: {', '.join(f'{kind} {one}' for kind, ids in left.items() for one in ids)}")
        time.sleep(0.2)


def _left(lab: str) -> dict[str, list[str]]:
    found = {kind: docker(*command, "--filter", f"label={LABEL}={lab}").split() for kind, command in _KINDS}
    return {kind: ids for kind, ids in found.items() if ids}


def _quietly(*arguments: str) -> str:
    """What the engine's client says, whether it ends well or not."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return docker(*arguments, code=None, seconds=120)
    return ""


def _let_go(folder: str) -> bool:
    """Let loop devices of disks in that folder go, which the kernel would keep; whether none is left."""
    for device in (found := _devices(folder)):
        _losetup("-d", device)
    return not found or not _devices(folder)


def _devices(folder: str) -> list[str]:
    """The loop devices of disks in that folder, told by device and inode: in their containers, disks of all labs have the same path."""
    disks = set()
    for disk in Path(folder).glob("disk?") if folder else ():
        about = disk.stat()
        disks.add((f"{os.major(about.st_dev)}:{os.minor(about.st_dev)}", str(about.st_ino)))
    words = _losetup("-n", "-O", "NAME,BACK-MAJ:MIN,BACK-INO") if disks else []  # raw output of 2.38 writes \\x20 for padding
    return [name for name, device, inode in zip(words[::3], words[1::3], words[2::3], strict=False) if (device, inode) in disks]


def _losetup(*arguments: str) -> list[str]:
    """What it prints, by words; a signal of the terminal's is not for it."""
    return subprocess.run(["losetup", *arguments], capture_output=True, text=True, check=False, start_new_session=True).stdout.split()
