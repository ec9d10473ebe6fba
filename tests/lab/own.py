"""What a run has of its own on a machine that it shares with runs of other checkouts, of this one, with `make up` and with `make lab`.

Each process has a number that no other process has at the same time. Whatever a machine has only once follows from it: ranges of addresses,
folders of clouds. Projects and containers have random names; images have a checksum of their content in theirs, so runs can share them.

All addresses of the lab are of 198.18.0.0/15, the range for tests of devices (RFC 2544): nobody has an address of it, so whatever goes
wrong ends here. Those where a leak would end are of the ranges for documentation.
"""

import contextlib
import hashlib
import socket
from collections.abc import Callable
from pathlib import Path

FIRST, LAST = 11, 253
"""The numbers; earlier versions of the lab have fixed addresses with 7, 10 and 77."""
CLOUDS = "/mnt/clouds"
_CLAIMS: list[socket.socket] = []
"""What holds a name for as long as this process runs."""


def number_of(checkout: Path, is_free: Callable[[int], bool]) -> int:
    """The number of a checkout, or the next that is free; its own where none is, which the lab refuses when it starts."""
    own = int.from_bytes(hashlib.sha256(str(checkout).encode()).digest()[:4]) % (LAST - FIRST + 1)
    every = [FIRST + (own + step) % (LAST - FIRST + 1) for step in range(LAST - FIRST + 1)]
    return next((number for number in every if is_free(number)), every[0])


def is_routed(number: int, routes: str) -> bool:
    """Whether this machine has a way to that range, by the kernel's table (/proc/net/route): the network of a lab gives it one."""
    return any(line.split()[1:2] == [f"00{number:02X}12C6"] for line in routes.splitlines())


def is_mounted(number: int, mounts: str) -> bool:
    """Whether a cloud of that number is mounted on this machine (/proc/mounts), for example that of a run that was killed."""
    folders = {f"{CLOUDS}/{cloud}" for cloud in clouds(number)}
    return any(line.split()[1:2] and line.split()[1] in folders for line in mounts.splitlines())


def clouds(number: int) -> tuple[str, str, str]:
    """The names of the clouds of a number: of the stack of real apps, of the one for rclone, and of one that nobody answers."""
    return f"labshelf-{number}", f"labsmall-{number}", f"labsilent-{number}"


def claim(name: str) -> bool:
    """Hold a name for this process, against others whose lab is not up yet; whether nobody else does.

    The kernel gives the name back when the process ends, however it ends.
    """
    held = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(OSError):
        held.bind(f"\0portable-lab-{name}")
        _CLAIMS.append(held)
        return True
    held.close()
    return False


def own_number() -> int:
    """The number of this process's lab."""
    routes, mounts = Path("/proc/net/route").read_text(), Path("/proc/mounts").read_text()
    return number_of(
        Path(__file__).resolve().parents[2],
        lambda number: not is_routed(number, routes) and not is_mounted(number, mounts) and claim(str(number)),
    )


NUMBER = own_number()
START = f"198.18.{NUMBER}"
"""The first three numbers of the addresses of the closed network."""
IN_CLOSED_RANGE = f"198.19.255.{NUMBER}"
"""An address of the closed range that no network of a lab has."""
LEAK, LEAK6 = f"198.51.100.{NUMBER}", f"2001:db8::{NUMBER:x}"
"""Where a leak would end."""
SHELF, SMALL, SILENT = clouds(NUMBER)


def is_foreign(path: str) -> bool:
    """Whether a path lies in a cloud of another run's lab, whose faults are its own affair."""
    name = path.removeprefix(f"{CLOUDS}/").partition("/")[0]
    return path.startswith(f"{CLOUDS}/lab") and name not in (SHELF, SMALL, SILENT)
