"""A file's plain data, with the line and column of every key and value."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from portable.model.codes import Code
from portable.model.source import Mistake, Source

if TYPE_CHECKING:
    pass
from portable.formats.shown import shown

Steps: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys of mappings, and places in lists counted from 0."""
Input: TypeAlias = Path | str | tuple[str, bytes]
"""A file by its path, or a name for messages with the bytes."""


class Mark(NamedTuple):
    """Where an entry stands; lines and columns from 0. `inner` has the marks of the entries of a mapping or list."""

    key_line: int
    key_column: int
    line: int
    column: int
    inner: "dict[str, Mark] | list[Mark] | None"


class Document:
    """What one file says, as plain data, and where it says it.

    Data behind an alias is the same object in each place: it is to be read, not changed.
    """

    __slots__ = ("_root", "data", "file")

    def __init__(self, file: str, data: dict[str, Any], root: Mark) -> None:
        self.file = file
        self.data = data
        self._root = root

    def source(self, steps: Steps = ()) -> Source:
        """Return where the value at `steps` begins; if nothing is there, the nearest value around it."""
        mark = self._mark(steps)
        return Source(file=self.file, line=mark.line + 1, column=mark.column + 1)

    def key(self, steps: Steps = ()) -> Source:
        """Return where the key (or the list item) at `steps` begins; if nothing is there, the nearest around it."""
        mark = self._mark(steps)
        return Source(file=self.file, line=mark.key_line + 1, column=mark.key_column + 1)

    def mistake(self, steps: Steps, text: str, remedy: str = "", *, code: Code = "", at_key: bool = False) -> Mistake:
        """Return a mistake about the value at `steps`, placed at its key with `at_key`."""
        source = self.key(steps) if at_key else self.source(steps)
        return Mistake(source=source, path=dotted(steps), text=text, remedy=remedy, code=code)

    def _mark(self, steps: Steps) -> Mark:
        mark = self._root
        for step in steps:
            inner: Any = mark.inner
            try:
                mark = inner[step]
            except (KeyError, IndexError, TypeError):
                break
        return mark


def dotted(steps: Steps) -> str:
    """Return `steps` as a person writes them: `containers.main.ports[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in steps).removeprefix(".")
