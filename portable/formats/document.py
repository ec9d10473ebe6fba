"""A file's plain data, with the line and column of every key and value."""

from pathlib import Path
from typing import Any, Final, TypeAlias

from portable.formats.shown import shown
from portable.model.codes import Code
from portable.model.source import Mistake, Source

Steps: TypeAlias = tuple[str | int, ...]
"""The path to a value: keys of mappings, and indexes of lists from 0."""
Input: TypeAlias = Path | str | tuple[str, bytes]
"""The path of a file, or a name for messages with the content."""


Mark: TypeAlias = "tuple[int, int, int, int, dict[str, Mark] | list[Mark] | None]"
"""The position of an entry: line and column of its key and of its value, from 0, and the marks of the entries inside it.

A plain tuple, because thousands are made, kept and read back for one that is looked at.
"""
LARGEST_FILE: Final = 4 * 2**20
"""Bytes of the largest file that is parsed."""


class Document:
    """The plain data of one file, with the position of every value.

    Data behind an alias is one shared object: read it, but do not change it.
    """

    __slots__ = ("data", "file", "root")

    def __init__(self, file: str, data: dict[str, Any], root: Mark) -> None:
        self.file = file
        self.data = data
        self.root = root

    def source(self, steps: Steps = ()) -> Source:
        """Return where the value at `steps` begins; if it does not exist, the nearest value around it."""
        _, _, line, column, _ = self._mark(steps)
        return Source(file=self.file, line=line + 1, column=column + 1)

    def key(self, steps: Steps = ()) -> Source:
        """Return where the key (or list item) at `steps` begins; if it does not exist, the nearest one around it."""
        line, column, _, _, _ = self._mark(steps)
        return Source(file=self.file, line=line + 1, column=column + 1)

    def mistake(self, steps: Steps, text: str, remedy: str = "", *, code: Code = "", at_key: bool = False) -> Mistake:
        """Return a mistake about the value at `steps`; with `at_key`, its position is that of the key."""
        source = self.key(steps) if at_key else self.source(steps)
        return Mistake(source=source, path=dotted(steps), text=text, remedy=remedy, code=code)

    def _mark(self, steps: Steps) -> Mark:
        mark = self.root
        for step in steps:
            inner: Any = mark[-1]
            try:
                mark = inner[step]
            except (KeyError, IndexError, TypeError):
                break
        return mark


def dotted(steps: Steps) -> str:
    """Return `steps` as text: `containers.main.ports[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in steps).removeprefix(".")
