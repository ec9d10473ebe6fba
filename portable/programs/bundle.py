"""Makes one file of a program's modules, as a container gets it.

The modules follow one another as they are, each after those it imports from; only the imports among them are left out. So a program's
modules share one namespace in that file, and the unit tests hold them to the few rules that this needs.
"""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

ENTRY = "command"
"""The module that a program starts with: it is the last one of the file."""
_FOLDER = Path(__file__).parent


@functools.cache
def bundle(program: str) -> str:
    """The program as one file of Python. Raises KeyError where no program has that name."""
    if program not in programs():
        raise KeyError(program)
    heading = f"# Made from the modules in portable/programs/{program}/ by portable/programs/bundle.py.\n\n"
    sections = (f"# {f'--- {program}/{name}.py ':-<118}\n\n{text.strip()}\n" for name, text in _ordered(program, ENTRY, set()))
    return heading + "\n\n".join(sections)


def programs() -> tuple[str, ...]:
    """The names of all programs, sorted."""
    return tuple(sorted(path.parent.name for path in _FOLDER.glob(f"*/{ENTRY}.py")))


def _ordered(program: str, name: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """A module and, before it, those it imports from that were not there yet: (name, text without these imports)."""
    seen.add(name)
    own_import = re.compile(rf"^from portable\.programs\.{program}\.(\w+) import (?:\([^)]*\)|[^(\n]*)\n", re.MULTILINE)
    text = (_FOLDER / program / f"{name}.py").read_text(encoding="utf-8")
    for needed in own_import.findall(text):
        if needed not in seen:
            yield from _ordered(program, needed, seen)
    yield name, own_import.sub("", text)
