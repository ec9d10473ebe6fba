"""The ledger: what is not plainly translated, and what a profile accepts of it."""

from collections.abc import Iterable
from typing import Literal

from portable.model.base import Struct
from portable.model.source import Source

Class = Literal["security", "data", "function", "cosmetic"]
"""What is at stake, worst first."""
Verdict = Literal["noted", "waived", "refused"]
CLASSES: tuple[Class, ...] = ("security", "data", "function", "cosmetic")


class Finding(Struct, kw_only=True):
    """One entry of the ledger."""

    field: str
    """The concern without names, as a waiver states it: `storage.state`, `egress`, `containers.fetch`."""
    path: str
    """Path of the plan's leaf, with names; a finding on a record covers every leaf below it."""
    class_: Class
    text: str
    """What is not translated and what follows from it."""
    remedy: str
    app: str | None = None
    verdict: Verdict = "noted"
    where: Source | None = None
    reason: str | None = None
    """The waiver's reason, where waived."""

    def covers(self, leaf: str) -> bool:
        """Whether this finding accounts for the leaf at that path."""
        return leaf == self.path or leaf.startswith(self.path + ".")


class Waiver(Struct, kw_only=True):
    """A profile's acceptance of findings: field and class, for the apps named (for all where none is)."""

    field: str
    class_: Class
    reason: str
    apps: tuple[str, ...] = ()
    where: Source | None = None

    def accepts(self, finding: Finding) -> bool:
        """Whether this waiver is about that finding."""
        return self.field == finding.field and self.class_ == finding.class_ and (not self.apps or finding.app in self.apps)


def unaccepted(findings: Iterable[Finding], *, strict: bool) -> tuple[Finding, ...]:
    """The findings that stop a command: all refused ones; with `strict` the unwaived ones of class security and data too."""
    return tuple(f for f in findings if f.verdict == "refused" or (strict and f.verdict == "noted" and f.class_ in ("security", "data")))
