"""Unquoted values: which are numbers, booleans or null, and which are text."""

import re
from typing import Final

WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None, "": None}
# Decimal only: readers disagree about 017, 0o17, 0x1F, 1_000, 12:30 and 2001-01-01; here they are text.
INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
FLOAT: Final = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
NUMERIC: Final = frozenset("+-.0123456789")
DIGITS_OF_64_BITS: Final = 20
INT64: Final = range(-(2**63), 2**63)
