"""Bundles the modules of a program into one file for a container.

The file contains the modules unchanged, each after those it imports from, without the imports among them. So they share one namespace;
the unit tests check the few rules that this needs.
"""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

ENTRY = "command"
"""The module that starts the program; it is the last one in the file."""
_FOLDER = Path(__file__).parent


@functools.cache
def bundle(program: str) -> str:
    """Bundle a program into one Python file. Raises KeyError for an unknown program."""
    if program not in programs():
        raise KeyError(program)
    heading = f"# Made from the modules in portable/programs/{program}/ by portable/programs/bundle.py.\n\n"
    sections = (f"# {f'--- {program}/{name}.py ':-<118}\n\n{text.strip()}\n" for name, text in _ordered(program, ENTRY, set()))
    return heading + "\n\n".join(sections)


def programs() -> tuple[str, ...]:
    """The names of all programs, sorted."""
    return tuple(sorted(path.parent.name for path in _FOLDER.glob(f"*/{ENTRY}.py")))


def _ordered(program: str, name: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, text without own imports) of a module, after the modules it imports from that are not in `seen`."""
    seen.add(name)
    own_import = re.compile(rf"^from portable\.programs\.{program}\.(\w+) import (?:\([^)]*\)|[^(\n]*)\n", re.MULTILINE)
    text = (_FOLDER / program / f"{name}.py").read_text(encoding="utf-8")
    for needed in own_import.findall(text):
        if needed not in seen:
            yield from _ordered(program, needed, seen)
    yield name, own_import.sub("", text)
