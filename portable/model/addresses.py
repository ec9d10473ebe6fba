"""Addresses of engines as people write them, with what no message may repeat."""

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
