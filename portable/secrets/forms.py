"""How programs want their secrets written, where that is not as they are."""

import base64
import hashlib
from typing import Literal

Form = Literal["plain", "qbittorrent"]


def written(value: str, form: Form) -> str:
    """The value in that form; empty stays empty."""
    match form:
        case "plain":
            return value
        case "qbittorrent":
            return _qbittorrent(value) if value else ""


def _qbittorrent(password: str) -> str:
    r"""What qBittorrent 5 keeps as `WebUI\Password_PBKDF2` (tried with 5.1): PBKDF2-HMAC-SHA512, 100,000 rounds, 16 bytes of salt.

    The salt follows from the password, so that filling the same file twice gives the same bytes and recreates nothing.
    """
    salt = hashlib.sha256(b"portable:qbittorrent:" + password.encode()).digest()[:16]
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 100_000)
    return f"@ByteArray({base64.b64encode(salt).decode()}:{base64.b64encode(key).decode()})"
