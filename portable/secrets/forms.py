"""Converts secrets to the form that a program requires."""

import base64
import hashlib
from typing import Literal

Form = Literal["plain", "qbittorrent"]


def written(value: str, form: Form) -> str:
    """The value in a form; an empty value stays empty."""
    match form:
        case "plain":
            return value
        case "qbittorrent":
            return _qbittorrent(value) if value else ""


def _qbittorrent(password: str) -> str:
    r"""The form of `WebUI\Password_PBKDF2` in qBittorrent 5 (tried with 5.1): PBKDF2-HMAC-SHA512, 100,000 rounds, 16 bytes of salt.

    The salt is derived from the password, so that the same file has the same bytes each time, and nothing is recreated.
    """
    salt = hashlib.sha256(b"portable:qbittorrent:" + password.encode()).digest()[:16]
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 100_000)
    return f"@ByteArray({base64.b64encode(salt).decode()}:{base64.b64encode(key).decode()})"
