"""Formats values for messages."""

import json
import re
from typing import Any, Final

TYPE_NAMES: Final = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "object": "mapping",
    "array": "list",
    "null": "nothing",
}
LONGEST_SHOWN: Final = 60
_PRIVATE: Final = re.compile(r"(AGE-SECRET-KEY-|-----BEGIN [A-Z ]*PRIVATE KEY-----).*", re.DOTALL)
"""The beginning of a private key, which is never shown whole: it may stand where a public one belongs."""


def type_of(value: Any) -> str:
    """Return the name of a value's type in JSON Schema."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    return names.get(type(value), "null")


def described(value: Any) -> str:
    """Return the type of a value, and the value itself if it is a scalar."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "mapping"
    if isinstance(value, list):
        return "list"
    return f"{TYPE_NAMES[type_of(value)] if not isinstance(value, bool) else 'boolean'} `{shown(value)}`"


def shown(value: Any) -> str:
    """Return a value as printable text, cut to a length that fits a message."""
    text = value if isinstance(value, str) else json.dumps(value)
    text = _PRIVATE.sub(r"\1…", text)
    text = text if text.isprintable() else json.dumps(text)[1:-1]
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
