"""The range of addresses of this process's lab. Labs of other checkouts, and a second one of this checkout, have other ones.

All are of 198.18.0.0/15, the range for tests of devices (RFC 2544): nobody has an address of it, so whatever goes wrong ends here.
"""

import contextlib
import hashlib
import socket
from collections.abc import Callable
from pathlib import Path

FIRST, LAST = 8, 253
"""The numbers of ranges; earlier versions of the lab have number 7."""
_CLAIMS: list[socket.socket] = []
"""What holds a number for as long as this process runs."""


def number_of(checkout: Path, is_free: Callable[[int], bool]) -> int:
    """The number of a checkout, or the next that is free; its own where none is, which the lab refuses when it starts."""
    own = int.from_bytes(hashlib.sha256(str(checkout).encode()).digest()[:4]) % (LAST - FIRST + 1)
    every = [FIRST + (own + step) % (LAST - FIRST + 1) for step in range(LAST - FIRST + 1)]
    return next((number for number in every if is_free(number)), every[0])


def is_routed(number: int, routes: str) -> bool:
    """Whether this machine has a way to that range, by the kernel's table (/proc/net/route): the network of a lab gives it one."""
    return any(line.split()[1:2] == [f"00{number:02X}12C6"] for line in routes.splitlines())


def claim(number: int) -> bool:
    """Hold a number for this process, against others whose lab is not up yet; whether nobody else does.

    The kernel gives the name back when the process ends, however it ends.
    """
    held = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(OSError):
        held.bind(f"\0portable-lab-{number}")
        _CLAIMS.append(held)
        return True
    held.close()
    return False


def own_number() -> int:
    """The number of this process's lab."""
    routes = Path("/proc/net/route").read_text()
    return number_of(Path(__file__).resolve().parents[3], lambda number: not is_routed(number, routes) and claim(number))
