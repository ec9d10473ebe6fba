"""The ledger: findings with their verdicts, after the profile's waivers."""

from collections.abc import Iterable

import msgspec

from portable.model.errors import InputError
from portable.model.findings import CLASSES, Finding, Waiver
from portable.model.source import Mistake, Source


def unaccepted(findings: Iterable[Finding], *, strict: bool) -> tuple[Finding, ...]:
    """The findings that stop a command: the refused ones; with `strict`, also the unwaived ones of class security and data."""
    return tuple(f for f in findings if f.verdict == "refused" or (strict and f.verdict == "noted" and f.class_ in ("security", "data")))


def settle(findings: Iterable[Finding], waivers: Iterable[Waiver], apps: Iterable[str]) -> tuple[Finding, ...]:
    """Return the ledger: findings with their verdicts, in order of class and path.

    Raises InputError for a waiver that matches no finding, unless this plan contains none of the apps that it names.
    """
    waivers, apps = tuple(waivers), frozenset(apps)
    used: set[int] = set()

    def verdict(finding: Finding) -> Finding:
        accepting = [index for index, waiver in enumerate(waivers) if waiver.accepts(finding)]
        used.update(accepting)
        return msgspec.structs.replace(finding, verdict="waived", reason=waivers[accepting[0]].reason) if accepting else finding

    settled = sorted((verdict(f) for f in findings), key=lambda f: (CLASSES.index(f.class_), f.path, f.field))
    unused = [w for i, w in enumerate(waivers) if i not in used and not w.inherited and (not w.apps or apps & set(w.apps))]
    if unused:
        raise InputError(tuple(_unused(w, settled) for w in unused))
    return tuple(settled)


def _unused(waiver: Waiver, findings: Iterable[Finding]) -> Mistake:
    """Why the waiver accepts nothing: its finding cannot be waived, or there is no such finding."""
    findings = tuple(findings)
    where = waiver.where or Source(file="profile", line=1)
    for finding in findings:
        if not finding.is_waivable and finding.field == waiver.field and (not waiver.apps or finding.app in (None, *waiver.apps)):
            text = f"no waiver accepts {finding.field} ({finding.class_}): {finding.text}"
            remedy = f"remove this waiver; {finding.remedy}"
            return Mistake(source=where, path="waive", text=text, remedy=remedy, code="stack.waiver-refused")
    named = f" with code {waiver.code}" if waiver.code else ""
    known = ", ".join(sorted({f"{f.field} ({f.class_})" for f in findings})) or "none"
    text = f"this waiver of {waiver.field} ({waiver.class_}){named} matches no finding; findings here: {known}"
    return Mistake(source=where, path="waive", text=text, remedy=_remedy(waiver, findings), code="stack.waiver-unused")


def _remedy(waiver: Waiver, findings: Iterable[Finding]) -> str:
    """The change that would make an unused waiver match, if one is near."""
    import difflib  # only for a mistake

    findings = tuple(findings)
    same_field = [f for f in findings if f.field == waiver.field]
    same_class = [f for f in same_field if f.class_ == waiver.class_]
    codes = [f.code for f in same_class if f.app is None and f.verdict == "refused" and f.code]
    if codes and (waiver.apps or waiver.code not in codes):
        return f"write `code: {codes[0]}` instead of `apps`: the finding is about no app" if waiver.apps else f"write `code: {codes[0]}`"
    if waiver.code and same_class:
        return f"remove `code`, or write `code: {same_class[0].code}`"
    apps = sorted({f.app for f in same_class if f.app})
    if same_class and not waiver.apps:
        return f"write `apps: [{', '.join(apps)}]`: a refused finding is waived only by the app's name" if apps else "remove it"
    if apps:
        return f"remove it, or write `apps: [{', '.join(apps)}]`"
    if same_field:
        return f"remove it, or write `class: {same_field[0].class_}`"
    near = difflib.get_close_matches(waiver.field, {f.field for f in findings}, 1)
    return f"did you mean `field: {near[0]}`?" if near else "remove it, or correct its field, class or apps"
