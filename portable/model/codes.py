"""Codes of everything that is reported to a person: each names one cause, and stays the same when its text changes.

A code is `area.cause`. The folder `explanations` has a file for each area, with a title, the cause and the remedy of each code.
`portable explain CODE` prints them; docs/reference/findings.md lists them all.
"""

from pathlib import Path
from typing import Final, Literal, TypeAlias

from portable.model.base import Struct

Code: TypeAlias = Literal[
    "",
    "backup.check-failed",
    "backup.ended-early",
    "backup.failed",
    "backup.not-covered",
    "backup.not-running",
    "backup.not-set-up",
    "backup.time",
    "restore.failed",
    "restore.not-begun",
    "stack.waiver-unused",
    "unit.needs-root",
    "unit.no-systemd",
    "unit.systemctl",
    "update.backup-failed",
    "update.backup-gone",
    "update.drift",
    "update.needs-stop",
    "update.no-backups",
    "update.no-record",
    "update.no-stack",
    "update.no-state",
    "update.not-covered",
    "update.not-writable",
    "update.state-not-restored",
    "update.undecided",
    "usage.app-exists",
    "usage.beacon",
    "usage.fix-needs-root",
    "usage.fix-remote",
    "usage.folder-absent",
    "usage.folder-empty",
    "usage.graph-format",
    "usage.moved",
    "usage.option-missing",
    "usage.options-conflict",
    "usage.profile-exists",
    "usage.profile-name",
    "usage.secret-issued",
    "usage.secrets-engine",
    "usage.unknown-app",
    "usage.unknown-code",
    "usage.unknown-schema",
    "usage.unknown-secret",
    "usage.unknown-task",
]
"""Every code. The empty one belongs to errors that only carry others, each with its own code."""
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
