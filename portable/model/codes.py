"""Codes of everything that is reported to a person: each names one cause, and stays the same when its text changes.

A code is `area.cause`. The folder `explanations` has a file for each area, with a title, the cause and the remedy of each code.
`portable explain CODE` prints them; docs/reference/findings.md lists them all.
"""

from pathlib import Path
from typing import Final, Literal, TypeAlias

from portable.model.base import Struct

Code: TypeAlias = Literal[
    "",
    "stack.waiver-unused",
    "verify.unknown-contract",
    "wire.credentials-rejected",
    "wire.entry-conflict",
    "wire.login-blocked",
    "wire.no-answer",
    "wire.no-profile",
    "wire.not-running",
    "wire.program-unsupported",
    "wire.request-rejected",
    "wire.secret-missing",
    "wire.setting-not-kept",
    "wire.sign-in-needed",
    "wire.unexpected-answer",
]
"""Every code that is written where a message is made. The empty one belongs to errors that only carry others, each with its own code.

Results of contracts and of the doctor derive theirs from a name: `verify.<contract>` and `doctor.<check>` (portable.model.contracts).
"""
_FOLDER: Final = Path(__file__).parent / "explanations"


class Explanation(Struct, frozen=True, kw_only=True):
    """What a code means, for a person who just met it."""

    code: str
    title: str
    """One sentence that says what is wrong or what differs."""
    cause: str
    """Why `portable` reports it: what would happen otherwise."""
    remedy: str
    """What to do next; begins with a verb."""


def bracketed(code: Code) -> str:
    """Return the code as it ends a message: ` [vpn.override]`."""
    return f" [{code}]" if code else ""


def area_names() -> tuple[str, ...]:
    """The areas of codes, sorted: the word before the dot."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))


def explanations_of(area: str) -> tuple[Explanation, ...]:
    """Explain every code of an area, in the order of its file. Empty where the area is unknown."""
    import tomllib  # only for a person who asks

    file = _FOLDER / f"{area}.toml"
    if area not in area_names():
        return ()
    entries = tomllib.loads(file.read_text(encoding="utf-8"))
    return tuple(Explanation(code=f"{area}.{name}", **entry) for name, entry in entries.items())


def all_explanations() -> tuple[Explanation, ...]:
    """Explain every code, by area."""
    return tuple(explanation for area in area_names() for explanation in explanations_of(area))
