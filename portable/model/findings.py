"""The ledger: what is not plainly translated, and what a profile accepts of it."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from portable.model.base import Struct
from portable.model.errors import InputError
from portable.model.source import Mistake, Source

Class = Literal["security", "data", "function", "cosmetic"]
"""What is at stake, worst first."""
Verdict = Literal["noted", "waived", "refused"]
CLASSES: tuple[Class, ...] = ("security", "data", "function", "cosmetic")


class Finding(Struct, frozen=True, kw_only=True):
    """One entry of the ledger."""

    field: str
    """The concern without names, as a waiver states it: `storage.state`, `egress`, `containers.fetch`."""
    path: str
    """Path of the plan's leaf, with names; a finding on a record covers every leaf below it.

    A step `*` stands for any name, so that what holds for all apps alike is said once: `apps.*.title`.
    """
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
        if "*" not in self.path:
            return leaf == self.path or leaf.startswith(self.path + ".")
        steps, there = self.path.split("."), leaf.split(".")
        return len(steps) <= len(there) and all(step in ("*", name) for step, name in zip(steps, there, strict=False))


class Waiver(Struct, frozen=True, kw_only=True):
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


def settle(findings: Iterable[Finding], waivers: Iterable[Waiver], apps: Iterable[str]) -> tuple[Finding, ...]:
    """The ledger: findings with their verdicts, in order of class and path.

    Raises InputError for a waiver that matches nothing, unless all the apps it names are absent from this plan.
    """
    waivers, apps = tuple(waivers), frozenset(apps)
    used: set[int] = set()

    def verdict(finding: Finding) -> Finding:
        accepting = [index for index, waiver in enumerate(waivers) if waiver.accepts(finding)]
        used.update(accepting)
        return msgspec.structs.replace(finding, verdict="waived", reason=waivers[accepting[0]].reason) if accepting else finding

    settled = sorted((verdict(f) for f in findings), key=lambda f: (CLASSES.index(f.class_), f.path, f.field))
    idle = [w for i, w in enumerate(waivers) if i not in used and (not w.apps or apps & set(w.apps))]
    if idle:
        known = ", ".join(sorted({f"{f.field} ({f.class_})" for f in settled})) or "none"
        raise InputError(
            tuple(
                Mistake(
                    source=w.where or Source(file="profile", line=1),
                    path="waive",
                    text=f"this waiver of {w.field} ({w.class_}) matches no finding; findings here: {known}",
                    remedy="remove it, or correct its field, class or apps",
                )
                for w in idle
            )
        )
    return tuple(settled)
