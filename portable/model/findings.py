"""Findings, the entries of the ledger, and waivers, by which a profile accepts them."""

from typing import Literal

from portable.model.base import Struct
from portable.model.codes import Code
from portable.model.source import Source

Class = Literal["security", "data", "function", "cosmetic"]
"""The risk, worst first."""
Verdict = Literal["noted", "waived", "refused"]
CLASSES: tuple[Class, ...] = ("security", "data", "function", "cosmetic")


class Finding(Struct, frozen=True, kw_only=True):
    """One entry of the ledger."""

    field: str
    """The subject without names, as a waiver names it: `storage.state`, `egress`, `containers.fetch`."""
    path: str
    """Path of the plan's leaf, with names; a finding on a record covers every leaf below it.

    A step `*` stands for any name, so that one finding covers all apps: `apps.*.title`.
    """
    class_: Class
    text: str
    """The untranslated setting and its consequence."""
    remedy: str
    code: Code = ""
    """The cause, for `portable explain CODE`."""
    app: str | None = None
    verdict: Verdict = "noted"
    where: Source | None = None
    reason: str | None = None
    """The waiver's reason, if waived."""
    is_waivable: bool = True
    """Whether a waiver can accept it: false if the result could not work, whatever anybody accepts."""


class Waiver(Struct, frozen=True, kw_only=True):
    """A profile's acceptance of findings by field and class, for the named apps (for all apps if none is named), and by code if given."""

    field: str
    class_: Class
    reason: str
    apps: tuple[str, ...] = ()
    code: str = ""
    where: Source | None = None
    inherited: bool = False
    """It comes from a profile that this one extends, where it may have had another purpose."""

    def accepts(self, finding: Finding) -> bool:
        """Whether this waiver accepts that finding.

        A refused finding needs a waiver that names the app (promise 2), or its code if it is about no app.
        """
        if not finding.is_waivable or self.field != finding.field or self.class_ != finding.class_ or self.code not in ("", finding.code):
            return False
        if finding.app is None and finding.verdict == "refused":
            return bool(self.code) and not self.apps
        return finding.app in self.apps or (not self.apps and finding.verdict != "refused")


def waiver(field: str, app: str | None, class_: Class = "security", code: Code = "") -> str:
    """The line of a profile that accepts a refused finding; replace the dots with a reason. Without an app, it names the code."""
    about = f", apps: [{app}]" if app else f", code: {code}" if code else ""
    return f"`waive: [{{field: {field}, class: {class_}{about}, reason: ...}}]`"
