"""Patches of a profile: small changes to rendered documents, for settings that neither the catalog nor a profile has.

A patch names an object by kind and name, a place in it by a JSON Pointer (RFC 6901), and an operation of JSON Patch (RFC 6902).
Each back end lists the paths that a patch may change. Others are refused: `portable` could not tell whether its promises still hold.
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from portable.formats.merge import Merged
from portable.model.base import Struct
from portable.model.codes import Code
from portable.model.errors import InputError
from portable.model.findings import Class, Finding
from portable.model.plan import Plan
from portable.model.rendering import RenderedDocument, Rendering
from portable.model.source import Mistake, Source
from portable.planning.inputs import PlanInput
from portable.profiles.types import PatchFacts

Steps: TypeAlias = tuple[str | int, ...]
"""The path of a value: keys of mappings, and positions in lists from 0."""
Change: TypeAlias = tuple[Steps, Any, Any]
"""The path of a leaf that differs, with its value before and after; ABSENT if it has none."""
_MOST_NAMES = 12


class Absent:
    """No value, as opposed to `null`."""


ABSENT = Absent()


class Target(Struct, frozen=True, kw_only=True):
    """An object that a patch can name."""

    kind: str
    name: str
    document: int
    """Its position in the documents of the rendering."""
    steps: Steps = ()
    """Its path in its document."""
    app: str | None = None
    """The app, or the owner of the group, of the object."""
    is_fenced: bool = False
    """Whether it belongs to apps behind a VPN gateway or a seal."""


class Reason(NamedTuple):
    """Why a patch may not change something."""

    class_: Class
    text: str


class Patching(Struct, frozen=True, kw_only=True):
    """The rules for patches in the documents of one back end."""

    targets: Callable[[Plan, Rendering], Sequence[Target]]
    reason: Callable[[Target, Change], Reason | None]
    """Why a changed leaf of the target is refused; None if it may change."""
    invalid: Callable[[Target, Change], str | None] = lambda *_: None
    """Why the engine would not accept a value; None if it would."""


class Unfit(Exception):  # noqa: N818 - an answer, not an error
    """A patch whose object does not exist, or which does not fit that object; `key` is the wrong key of the patch."""

    def __init__(self, text: str, remedy: str = "", *, code: Code, key: str = "") -> None:
        super().__init__(text)
        self.text, self.remedy, self.code, self.key = text, remedy, code, key


def patched(
    rendering: Rendering, plan: Plan, given: PlanInput, rules: Patching, catalog: Collection[str]
) -> tuple[Rendering, tuple[Finding, ...]]:
    """Apply the profile's patches in their order; returns a finding for each. `catalog` has the names of all apps.

    A refused patch changes nothing. Raises InputError with every patch whose object does not exist or that does not fit.
    """
    targets = rules.targets(plan, rendering)
    planned = {app.name for app in plan.apps}
    rendered = [document.body for document in rendering.documents]
    bodies, findings, mistakes = list(rendered), list(_replaced_lists(given)), list[Mistake]()
    for index, facts in enumerate(given.profile.patch):
        where, path = given.profile_source("patch", index), f"patch[{index}]"
        try:
            target = next((t for t in targets if (t.kind, t.name) == (facts.kind, facts.name)), None)
            if target is None and facts.name in catalog and facts.name not in planned:
                findings.append(_unused_patch(facts, path, where))
                continue
            if target is None:
                raise _no_target(facts, targets, plan)
            before = bodies[target.document]
            after = _replaced(before, target.steps, _operated(_at(before, target.steps), facts))
            # Compared with the rendering: a patch may change a value that an earlier patch has set.
            changes = tuple(differences(_at(rendered[target.document], target.steps), _at(after, target.steps)))
            if text := next(filter(None, (rules.invalid(target, change) for change in changes)), None):
                raise Unfit(text, code="patch.value-invalid", key="value")
        except Unfit as error:
            at = given.profile_source("patch", index, error.key) if error.key else where
            leaf = f"{path}.{error.key}".rstrip(".")
            mistakes.append(Mistake(source=at, path=leaf, text=error.text, remedy=error.remedy, code=error.code))
            continue
        refused = next(((change[0], why) for change in changes if (why := rules.reason(target, change))), None)
        if refused is None:
            bodies[target.document] = after
        app = target.app if target.app in planned else None
        findings.append(
            _refused_patch(facts, path, where, *refused) if refused else _applied_patch(facts, path, where, app, is_change=before != after)
        )
    if mistakes:
        raise InputError(tuple(mistakes))
    documents = tuple(RenderedDocument(file=d.file, body=body) for d, body in zip(rendering.documents, bodies, strict=True))
    return Rendering(documents=documents, findings=rendering.findings), tuple(findings)


def _replaced_lists(given: PlanInput) -> Iterator[Finding]:
    """Findings on inherited patches that the profile's own list replaces."""
    replaced = given.profile_document.replaced("patch") if isinstance(given.profile_document, Merged) else []
    for patches, below in replaced:
        if patches:
            text = f"the profile's own list `patch` replaces that of {Path(below.file).name}, whose patches are not applied"
            remedy = "copy the patches that you still want into the profile's list"
            where = given.profile_source("patch")
            yield Finding(field="patch", path="patch", class_="function", text=text, remedy=remedy, code="patch.replaced", where=where)


def _unused_patch(facts: PatchFacts, path: str, where: Source) -> Finding:
    text = f"the patch of {facts.kind} {facts.name} is not used: {facts.name} does not run here"
    return Finding(field="patch", path=path, class_="function", text=text, remedy="nothing to do", code="patch.unused", where=where)


def _refused_patch(facts: PatchFacts, path: str, where: Source, steps: Steps, why: Reason) -> Finding:
    """A refused finding that no waiver accepts."""
    return Finding(
        field="patch.refused",
        path=path,
        class_=why.class_,
        verdict="refused",
        text=f"a patch would change {pointer(steps)} of {facts.kind} {facts.name}: {why.text}",
        remedy="remove the patch; no waiver accepts this finding",
        code="patch.refused",
        where=where,
        is_waivable=False,
    )


def _applied_patch(facts: PatchFacts, path: str, where: Source, app: str | None, *, is_change: bool) -> Finding:
    return Finding(
        field="patch",
        path=path,
        class_="function",
        app=app,
        text=f"{facts.kind} {facts.name} is patched: {facts.op} {facts.path}" + ("" if is_change else ", without effect"),
        remedy="remove the patch if the catalog or the profile has a setting for it" if is_change else "remove it",
        code="patch.applied" if is_change else "patch.no-effect",
        where=where,
    )


def parsed(path: str) -> tuple[str, ...]:
    """The parts of a JSON Pointer."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])


def pointer(steps: Steps) -> str:
    """The JSON Pointer of a value."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def operated(value: Any, op: str, parts: Sequence[str], new: Any = None) -> Any:
    """A copy of the value after one operation. Raises Unfit if RFC 6902 would fail."""
    return _walked(value, op, tuple(parts), (), new)


def _operated(value: Any, facts: PatchFacts) -> Any:
    if facts.op == "remove" and facts.value is not None:
        raise Unfit("`remove` does not take a value", "remove `value`, or write `op: replace`", code="patch.value")
    if facts.op != "remove" and facts.value is None:
        raise Unfit(f"`{facts.op}` needs a value", "write `value`, or `op: remove`", code="patch.value")
    return operated(value, facts.op, parsed(facts.path), facts.value)


def _walked(value: Any, op: str, parts: tuple[str, ...], passed: Steps, new: Any) -> Any:
    part, rest = parts[0], parts[1:]
    if isinstance(value, Mapping):
        if part not in value and (rest or op != "add"):
            raise _no_step(part, passed, list(value))
        if rest:
            return {**value, part: _walked(value[part], op, rest, (*passed, part), new)}
        return {key: inner for key, inner in value.items() if key != part} if op == "remove" else {**value, part: new}
    if isinstance(value, list):
        place = _place(part, len(value) + (op == "add" and not rest), passed)
        if rest:
            return [*value[:place], _walked(value[place], op, rest, (*passed, place), new), *value[place + 1 :]]
        return [*value[:place], *(() if op == "remove" else (new,)), *value[place + (op != "add") :]]
    raise Unfit(f"{pointer(passed)} is a single value, without keys or positions", "shorten the path", code="patch.path")


def _place(part: str, length: int, passed: Steps) -> int:
    """The position in a list with `length` valid positions; `-` is the one after the last item."""
    if part == "-":
        return length - 1 if length else _no_position(part, length, passed)
    if not part.isascii() or not part.isdigit() or (part[0] == "0" and part != "0") or int(part) >= length:
        return _no_position(part, length, passed)
    return int(part)


def _no_position(part: str, length: int, passed: Steps) -> int:
    remedy = f"use a position from 0 to {length - 1}" if length else "use another path: the list is empty"
    raise Unfit(f"{pointer(passed) or 'the value'} is a list without a position {part!r}", remedy, code="patch.path")


def _no_step(part: str, passed: Steps, known: Sequence[str]) -> Unfit:
    near = difflib.get_close_matches(part, known, 1)
    hint = f"did you mean {pointer((*passed, near[0]))}? " if near else ""
    return Unfit(f"{pointer((*passed, part))} does not exist", f"{hint}known keys: {_listed(sorted(known))}", code="patch.path")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "") if names else "none"


def _no_target(facts: PatchFacts, targets: Sequence[Target], plan: Plan) -> Unfit:
    """The nearest objects: of that name, of that kind with a name like it, or of a kind like it."""
    kinds = sorted({target.kind for target in targets})
    same_name = [f"{t.kind} {t.name}" for t in targets if t.name == facts.name]
    if facts.kind not in kinds:
        by_case = {kind.lower(): kind for kind in kinds}
        near = [by_case[kind] for kind in difflib.get_close_matches(facts.kind.lower(), by_case, 1)]
        hint = f"did you mean {near[0]}? " if near else ""
        return Unfit(f"unknown kind of object {facts.kind!r}", f"{hint}known kinds: {', '.join(kinds)}", code="patch.target")
    names = sorted(target.name for target in targets if target.kind == facts.kind)
    owner = next((group.name for group in plan.groups if facts.name in group.apps), "")
    if owner in names:  # an app of a group has no object of its own
        remedy = f"patch {facts.kind} {owner}, since {facts.name} belongs to its group"
        return Unfit(f"{facts.kind} {facts.name} does not exist", remedy, code="patch.target")
    near = [f"{facts.kind} {name}" for name in difflib.get_close_matches(facts.name, names, 1)]
    similar = [*near, *same_name]
    hint = f"did you mean {similar[0]}? " if similar else ""
    return Unfit(f"{facts.kind} {facts.name} does not exist", f"{hint}known: {_listed(names)}", code="patch.target")


def _at(value: Any, steps: Steps) -> Any:
    for step in steps:
        value = value[step]
    return value


def _replaced(value: Any, steps: Steps, new: Any) -> Any:
    """A copy with a new value at that path; everything outside the path is the same object as before."""
    return {**value, steps[0]: _replaced(value[steps[0]], steps[1:], new)} if steps else new


def differences(before: Any, after: Any, at: Steps = ()) -> Iterator[Change]:
    """Every leaf that differs; empty mappings and lists are leaves too."""
    if before is after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping) and (before and after):
        for key in dict.fromkeys((*before, *after)):
            yield from differences(before.get(key, ABSENT), after.get(key, ABSENT), (*at, key))
    elif isinstance(before, list) and isinstance(after, list) and (before and after):
        for place in range(max(len(before), len(after))):
            old, new = (items[place] if place < len(items) else ABSENT for items in (before, after))
            yield from differences(old, new, (*at, place))
    elif type(before) is not type(after) or before != after:
        yield from ((steps, value, ABSENT) for steps, value in _leaves(before, at))
        yield from ((steps, ABSENT, value) for steps, value in _leaves(after, at))


def _leaves(value: Any, at: Steps) -> Iterator[tuple[Steps, Any]]:
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, Mapping | list) and value:
        for step, below in inner:
            yield from _leaves(below, (*at, step))
    elif value is not ABSENT:
        yield at, value


class Pattern(NamedTuple):
    """A pattern of paths: `*` matches one step, `**` at the end any number of steps."""

    parts: tuple[str, ...]

    def matches(self, steps: Steps) -> bool:
        """Whether the pattern matches a path."""
        if self.parts[-1] == "**":
            fixed = self.parts[:-1]
            return len(steps) >= len(fixed) and Pattern(fixed).matches(steps[: len(fixed)]) if fixed else True
        return len(steps) == len(self.parts) and all(part in ("*", str(step)) for part, step in zip(self.parts, steps, strict=True))


def pattern_of(text: str) -> Pattern:
    """Parse a pattern whose steps are separated by `/`."""
    return Pattern(tuple(text.split("/")))


def patterns(*texts: str) -> tuple[Pattern, ...]:
    """Parse several patterns."""
    return tuple(map(pattern_of, texts))


def matching(known: Sequence[Pattern], steps: Steps) -> bool:
    """Whether one of the patterns matches."""
    return any(pattern.matches(steps) for pattern in known)
