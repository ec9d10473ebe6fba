"""Addresses as people write them: IP addresses, and those of engines, whose passwords no message may repeat."""

import ipaddress
import re
from typing import Final

_PASSWORD: Final = re.compile(r"(?s)^((?:[A-Za-z][A-Za-z0-9+.-]*:/+)?+)[^:@/]*:.*@")
"""Scheme, user and password up to the last `@`: a password may hold characters that end a host elsewhere, such as `/`, `#` or `@`."""


def has_password(address: str) -> bool:
    """Whether an address holds a password, also where it is not a valid address."""
    return _PASSWORD.match(address) is not None


def without_password(address: str) -> str:
    """The address as a message may show it: `ssh://...@nas`."""
    return _PASSWORD.sub(r"\1...@", address)


def is_ip_address(text: str) -> bool:
    """Whether a text is an address of IPv4 or IPv6, without brackets and port."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
