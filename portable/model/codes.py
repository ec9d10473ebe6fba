"""Codes of all findings and errors: each names one cause, and stays the same when its text changes.

A code is `area.cause`. The folder `explanations` has a file for each area, with a title, the cause and the remedy of each code.
`portable explain CODE` prints them; docs/reference/findings.md lists them all.
"""

from pathlib import Path
from typing import Final, Literal, TypeAlias

from portable.model.base import Struct

Code: TypeAlias = Literal[
    "",
    "catalog.app-name",
    "catalog.before-main",
    "catalog.duplicate-path",
    "catalog.image",
    "catalog.image-version",
    "catalog.memory",
    "catalog.name",
    "catalog.no-main",
    "catalog.port-name",
    "catalog.probe",
    "catalog.reserved-path",
    "catalog.state-folder",
    "catalog.unknown-app",
    "catalog.unknown-cloud",
    "catalog.unknown-container",
    "catalog.unknown-port",
    "catalog.unknown-recipe",
    "catalog.unknown-secret",
    "catalog.unknown-secret-key",
    "catalog.unknown-volume",
    "file.disk-full",
    "file.home",
    "file.locked",
    "file.permission",
    "file.read-only",
    "file.root-command",
    "file.unreadable",
    "file.write",
    "profile.circle",
    "profile.name",
    "profile.set-key",
    "profile.set-syntax",
    "profile.unknown",
    "stack.waiver-unused",
    "value.choice",
    "value.format",
    "value.key",
    "value.length",
    "value.missing-key",
    "value.range",
    "value.rule",
    "value.type",
    "value.unknown-key",
    "yaml.alias",
    "yaml.character",
    "yaml.duplicate-key",
    "yaml.empty",
    "yaml.encoding",
    "yaml.escape",
    "yaml.indentation",
    "yaml.key-type",
    "yaml.merge-key",
    "yaml.nesting",
    "yaml.number",
    "yaml.several-documents",
    "yaml.size",
    "yaml.special-character",
    "yaml.syntax",
    "yaml.tab",
    "yaml.tag",
    "yaml.top-level",
    "yaml.unclosed",
    "yaml.version",
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
    """The meaning of a code, for a person who sees it for the first time."""

    code: str
    title: str
    """One sentence that states the error or the difference."""
    cause: str
    """Why `portable` reports it: the consequence otherwise."""
    remedy: str
    """The next step; begins with an imperative verb."""


def bracketed(code: Code) -> str:
    """Return the code as it ends a message: ` [vpn.override]`."""
    return f" [{code}]" if code else ""


def area_names() -> tuple[str, ...]:
    """The areas of codes, sorted: the word before the dot."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))


def explanations_of(area: str) -> tuple[Explanation, ...]:
    """Explain every code of an area, in the order of its file. Empty where the area is unknown."""
    import tomllib  # only for `portable explain`

    file = _FOLDER / f"{area}.toml"
    if area not in area_names():
        return ()
    entries = tomllib.loads(file.read_text(encoding="utf-8"))
    return tuple(Explanation(code=f"{area}.{name}", **entry) for name, entry in entries.items())


def all_explanations() -> tuple[Explanation, ...]:
    """Explain every code, by area."""
    return tuple(explanation for area in area_names() for explanation in explanations_of(area))
