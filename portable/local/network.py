"""The addresses of this machine on its LAN."""

import contextlib
import socket

_BEYOND = ("192.0.2.1", 9)
"""An address of the documentation range (RFC 5737), of which only the route is looked up."""


def lan_addresses() -> tuple[str, ...]:
    """The IPv4 address by which this machine would reach others; empty without a default route. Sends nothing.

    A UDP socket that is connected only looks up its route (connect(2)), and then has that route's own address.
    """
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_BEYOND)
        return (probe.getsockname()[0],)
    return ()
