"""Slow, salted digests that show whether a secret has changed."""

import functools
import hashlib
import hmac
import secrets as stdlib_secrets
from collections.abc import Mapping

_SCRYPT = {"n": 2**13, "r": 8, "p": 1, "dklen": 16}
"""About 20 ms and 8 MiB for each service."""


def digest(values: Mapping[str, str], known: str | None = None) -> str:
    """A salted digest of a service's secrets for its label. Unchanged values keep the `known` label, so that nothing is recreated.

    scrypt makes it slow to guess short values from a label; the salt makes equal values of two services look different.
    """
    payload = "".join(f"{len(name)}:{name}{len(value)}:{value}" for name, value in sorted(values.items()))
    if known and (salt := known.partition("-")[0]) and _is_hex(salt) and hmac.compare_digest(known, _digest(payload, salt)):
        return known
    return _digest(payload, stdlib_secrets.token_hex(8))


@functools.lru_cache(1024)
def _digest(payload: str, salt: str) -> str:
    return f"{salt}-{hashlib.scrypt(payload.encode(), salt=bytes.fromhex(salt), **_SCRYPT).hex()}"


def _is_hex(text: str) -> bool:
    return len(text) == 16 and all(c in "0123456789abcdef" for c in text)
