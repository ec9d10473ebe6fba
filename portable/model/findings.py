"""An entry of the ledger: what is not plainly translated; and what a profile accepts of it."""

from typing import Literal

from portable.model.base import Struct
from portable.model.codes import Code
from portable.model.source import Source

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
    code: Code = ""
    """Why it is reported, for `portable explain CODE`."""
    app: str | None = None
    verdict: Verdict = "noted"
    where: Source | None = None
    reason: str | None = None
    """The waiver's reason, where waived."""


class Waiver(Struct, frozen=True, kw_only=True):
    """A profile's acceptance of findings: field and class, for the apps named (for all where none is)."""

    field: str
    class_: Class
    reason: str
    apps: tuple[str, ...] = ()
    where: Source | None = None
    inherited: bool = False
    """It stands in a profile that this one extends, where it may have been about something else."""

    def accepts(self, finding: Finding) -> bool:
        """Whether this waiver is about that finding. What is refused is accepted by the app's name only, never in general (promise 2)."""
        if self.field != finding.field or self.class_ != finding.class_:
            return False
        return finding.app in self.apps or (not self.apps and finding.verdict != "refused")


def waiver(field: str, app: str, class_: Class = "security") -> str:
    """How a profile accepts a refused finding, to be written there with a reason in the place of the dots."""
    return f"`waive: [{{field: {field}, class: {class_}, apps: [{app}], reason: ...}}]`"
