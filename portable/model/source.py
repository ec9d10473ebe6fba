"""Positions in files, and mistakes at them."""

from portable.model.base import Struct
from portable.model.codes import Code, bracketed


class Source(Struct, frozen=True, kw_only=True):
    """A position in a file; line and column count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Mistake(Struct, frozen=True, kw_only=True):
    """One mistake in an input file."""

    source: Source
    path: str
    """Dotted key path, e.g. `containers.main.image.tag`; empty for the file itself."""
    text: str
    remedy: str = ""
    code: Code = ""
    """The cause, for `portable explain CODE`."""

    def __str__(self) -> str:
        head = f"{self.source}: {self.path}: {self.text}" if self.path else f"{self.source}: {self.text}"
        return f"{head} ({self.remedy}){bracketed(self.code)}" if self.remedy else f"{head}{bracketed(self.code)}"
