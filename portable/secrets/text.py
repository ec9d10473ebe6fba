"""The text of a secret as programs and people pass it: one line end at its end is not part of it, and control characters are mistakes."""

import unicodedata

_MARK = "\ufeff"
"""Byte order mark: some programs of Windows write it before a text."""


def without_line_end(text: str) -> str:
    """Return the text without one line end, of either kind, at its end."""
    return text[: -len("\r\n")] if text.endswith("\r\n") else text.removesuffix("\n")


def control_character(text: str) -> str | None:
    """Describe the first control character; None if there is none.

    A text of several lines, such as a certificate, has line ends of either kind, and tabs.
    """
    lines = text.split("\n")
    has_lines = len(lines) > 1
    for number, line in enumerate(lines, 1):
        for character in line.removesuffix("\r") if has_lines else line:
            if (unicodedata.category(character) == "Cc" and not (has_lines and character == "\t")) or character == _MARK:
                return f"U+{ord(character):04X}" + (f" in line {number}" if has_lines else "")
    return None
