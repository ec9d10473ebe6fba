"""Patches of a profile: small changes to rendered documents, for settings that neither the catalog nor a profile has a word for.

A patch names an object by kind and name, a place in it by a JSON Pointer (RFC 6901), and an operation of JSON Patch (RFC 6902).
Each back end lists what may be changed. Anything else is refused, since nothing here could tell whether the promises still hold.
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from portable.formats.merge import Merged
from portable.model.base import Struct
from portable.model.errors import InputError
from portable.model.findings import Class, Finding
from portable.model.plan import Plan
from portable.model.rendering import Document, Rendering
from portable.model.source import Mistake, Source
from portable.planning.inputs import Input
from portable.profiles.types import PatchFacts

Steps: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys of mappings, and places in lists counted from 0."""
Change: TypeAlias = tuple[Steps, Any, Any]
"""A leaf that differs, with its value before and after; ABSENT for a side that lacks it."""
_MOST_NAMES = 12


class Absent:
    """No value at all, which `null` is not."""


ABSENT = Absent()


class Target(Struct, frozen=True, kw_only=True):
    """An object that a patch can name."""

    kind: str
    name: str
    document: int
    """Its place among the documents of the rendering."""
    steps: Steps = ()
    """Where it lies in its document."""
    app: str | None = None
    """The app, or the owner of the group, that it belongs to."""
    is_fenced: bool = False
    """Whether it belongs to apps behind a VPN gateway or a seal."""


class Reason(NamedTuple):
    """Why a patch may not change something."""

    class_: Class
    text: str


class Patching(Struct, frozen=True, kw_only=True):
    """What patches can do in the documents of one back end."""

    targets: Callable[[Plan, Rendering], Sequence[Target]]
    reason: Callable[[Target, Change], Reason | None]
    """Why a changed leaf of the target is refused; None where it is free."""
    invalid: Callable[[Target, Change], str | None] = lambda *_: None
    """Why a value could not be applied."""


class Unfit(Exception):  # noqa: N818 - an answer, not an error
    """A patch that names nothing, or does not fit what it names."""

    def __init__(self, text: str, remedy: str = "", *, key: str = "") -> None:
        super().__init__(text)
        self.text, self.remedy, self.key = text, remedy, key


def patched(
    rendering: Rendering, plan: Plan, given: Input, rules: Patching, catalog: Collection[str]
) -> tuple[Rendering, tuple[Finding, ...]]:
    """The rendering with the profile's patches, in their order, and a finding for each. `catalog` has the names of all apps.

    A patch that is refused changes nothing. Raises InputError with every patch that matches nothing or does not fit.
    """
    targets = rules.targets(plan, rendering)
    here = {app.name for app in plan.apps}
    rendered = [document.body for document in rendering.documents]
    bodies, findings, mistakes = list(rendered), list(_dropped(given)), list[Mistake]()
    for index, facts in enumerate(given.profile.patch):
        where, path = given.profile_source("patch", index), f"patch[{index}]"
        try:
            target = next((t for t in targets if (t.kind, t.name) == (facts.kind, facts.name)), None)
            if target is None and facts.name in catalog and facts.name not in here:
                findings.append(_unused(facts, path, where))
                continue
            if target is None:
                raise _no_target(facts, targets, plan)
            before = bodies[target.document]
            after = _replaced(before, target.steps, _operated(_at(before, target.steps), facts))
            # Compared with what was rendered: a patch may change again what an earlier one has set.
            changes = tuple(differences(_at(rendered[target.document], target.steps), _at(after, target.steps)))
            if wrong := next(filter(None, (rules.invalid(target, change) for change in changes)), None):
                raise Unfit(wrong, key="value")
        except Unfit as error:
            at = given.profile_source("patch", index, error.key) if error.key else where
            mistakes.append(Mistake(source=at, path=f"{path}.{error.key}".rstrip("."), text=error.text, remedy=error.remedy))
            continue
        refused = next(((change[0], why) for change in changes if (why := rules.reason(target, change))), None)
        if refused is None:
            bodies[target.document] = after
        app = target.app if target.app in here else None
        findings.append(_refused(facts, path, where, *refused) if refused else _noted(facts, path, where, app, is_change=before != after))
    if mistakes:
        raise InputError(tuple(mistakes))
    documents = tuple(Document(file=d.file, body=body) for d, body in zip(rendering.documents, bodies, strict=True))
    return Rendering(documents=documents, findings=rendering.findings), tuple(findings)


def _dropped(given: Input) -> Iterator[Finding]:
    """Inherited patches that the profile's own list replaces."""
    replaced = given.profile_document.replaced("patch") if isinstance(given.profile_document, Merged) else []
    for patches, below in replaced:
        if patches:
            text = f"the profile's own list `patch` replaces that of {Path(below.file).name}: its patches are not applied"
            remedy = "copy from there what shall stay"
            where = given.profile_source("patch")
            yield Finding(field="patch", path="patch", class_="function", text=text, remedy=remedy, where=where)


def _unused(facts: PatchFacts, path: str, where: Source) -> Finding:
    text = f"the patch of {facts.kind} {facts.name} is not used: {facts.name} does not run here"
    return Finding(field="patch", path=path, class_="function", text=text, remedy="nothing to do", where=where)


def _refused(facts: PatchFacts, path: str, where: Source, steps: Steps, why: Reason) -> Finding:
    """Without an app, so that no waiver can accept it."""
    return Finding(
        field="patch.refused",
        path=path,
        class_=why.class_,
        verdict="refused",
        text=f"a patch would change {pointer(steps)} of {facts.kind} {facts.name}: {why.text}",
        remedy="remove it; no waiver accepts it",
        where=where,
    )


def _noted(facts: PatchFacts, path: str, where: Source, app: str | None, *, is_change: bool) -> Finding:
    return Finding(
        field="patch",
        path=path,
        class_="function",
        app=app,
        text=f"{facts.kind} {facts.name} is patched: {facts.op} {facts.path}" + ("" if is_change else ", which changes nothing"),
        remedy="remove the patch where the catalog or the profile has a setting for it" if is_change else "remove it",
        where=where,
    )


def parsed(path: str) -> tuple[str, ...]:
    """The parts of a JSON Pointer."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])


def pointer(steps: Steps) -> str:
    """The JSON Pointer that leads to a value."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def operated(value: Any, op: str, parts: Sequence[str], new: Any = None) -> Any:
    """The value after one operation; the value itself is not changed. Raises Unfit where RFC 6902 would fail."""
    return _walked(value, op, tuple(parts), (), new)


def _operated(value: Any, facts: PatchFacts) -> Any:
    if facts.op == "remove" and facts.value is not None:
        raise Unfit("`remove` takes no value", "remove `value`, or write `op: replace`")
    if facts.op != "remove" and facts.value is None:
        raise Unfit(f"`{facts.op}` needs a value", "write `value`, or `op: remove`")
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
    raise Unfit(f"{pointer(passed)} is one value, and nothing lies in it", "shorten the path")


def _place(part: str, length: int, passed: Steps) -> int:
    """The place in a list of which `length` places can be named; `-` is that after the last item."""
    if part == "-":
        return length - 1 if length else _none_there(part, length, passed)
    if not part.isascii() or not part.isdigit() or (part[0] == "0" and part != "0") or int(part) >= length:
        return _none_there(part, length, passed)
    return int(part)


def _none_there(part: str, length: int, passed: Steps) -> int:
    places = f"0 to {length - 1}" if length else "none"
    raise Unfit(f"{pointer(passed) or 'it'} is a list, and has no place {part!r}", f"its places: {places}")


def _no_step(part: str, passed: Steps, known: Sequence[str]) -> Unfit:
    near = difflib.get_close_matches(part, known, 1)
    there = ", ".join(sorted(known)[:_MOST_NAMES]) + (", ..." if len(known) > _MOST_NAMES else "")
    meant = f"did you mean {pointer((*passed, near[0]))}? " if near else ""
    return Unfit(f"there is no {pointer((*passed, part))}", f"{meant}there: {there or 'nothing'}")


def _no_target(facts: PatchFacts, targets: Sequence[Target], plan: Plan) -> Unfit:
    """The nearest objects: of that name, of that kind with a name like it, or of a kind like it."""
    kinds = sorted({target.kind for target in targets})
    same_name = [f"{t.kind} {t.name}" for t in targets if t.name == facts.name]
    if facts.kind not in kinds:
        by_case = {kind.lower(): kind for kind in kinds}
        near = [by_case[kind] for kind in difflib.get_close_matches(facts.kind.lower(), by_case, 1)]
        meant = f"did you mean {near[0]}? " if near else ""
        return Unfit(f"there is no {facts.kind} here", f"{meant}kinds here: {', '.join(kinds)}")
    names = sorted(target.name for target in targets if target.kind == facts.kind)
    owner = next((group.name for group in plan.groups if facts.name in group.apps), "")
    if owner in names:  # an app of a group has no object of its own
        return Unfit(f"there is no {facts.kind} {facts.name}", f"{facts.name} belongs to the group of {owner}: name {facts.kind} {owner}")
    near = [f"{facts.kind} {name}" for name in difflib.get_close_matches(facts.name, names, 1)]
    found = [*near, *same_name]
    meant = f"did you mean {found[0]}? " if found else ""
    there = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    return Unfit(f"there is no {facts.kind} {facts.name}", f"{meant}there: {there}")


def _at(value: Any, steps: Steps) -> Any:
    for step in steps:
        value = value[step]
    return value


def _replaced(value: Any, steps: Steps, new: Any) -> Any:
    """A copy with another value there; what does not lie on the way is the same object as before."""
    return {**value, steps[0]: _replaced(value[steps[0]], steps[1:], new)} if steps else new


def differences(before: Any, after: Any, at: Steps = ()) -> Iterator[Change]:
    """Every leaf that differs; an empty mapping or list is a leaf too."""
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
    """Paths: `*` stands for one step, `**` at the end for any number of them."""

    parts: tuple[str, ...]

    def matches(self, steps: Steps) -> bool:
        """Whether a path is one of them."""
        if self.parts[-1] == "**":
            fixed = self.parts[:-1]
            return len(steps) >= len(fixed) and Pattern(fixed).matches(steps[: len(fixed)]) if fixed else True
        return len(steps) == len(self.parts) and all(part in ("*", str(step)) for part, step in zip(self.parts, steps, strict=True))


def pattern_of(text: str) -> Pattern:
    """The paths that a text says, steps apart by `/`."""
    return Pattern(tuple(text.split("/")))


def patterns(*texts: str) -> tuple[Pattern, ...]:
    """Those that the texts say."""
    return tuple(map(pattern_of, texts))


def matching(known: Sequence[Pattern], steps: Steps) -> bool:
    """Whether one of them matches."""
    return any(pattern.matches(steps) for pattern in known)
