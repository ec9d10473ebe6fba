"""Plain values: which are numbers, true, false or nothing, and which are text."""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    pass

WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None, "": None}
# Decimal only: 017, 0o17, 0x1F, 1_000, 12:30 and 2001-01-01 mean different things to different readers; here they are plain text.
INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
FLOAT: Final = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
NUMERIC: Final = frozenset("+-.0123456789")
DIGITS_OF_64_BITS: Final = 20
INT64: Final = range(-(2**63), 2**63)
