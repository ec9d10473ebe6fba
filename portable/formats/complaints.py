"""Describes every mistake in data that does not fit a type: value, rule and remedy."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from portable.formats.document import Document, Steps
from portable.formats.scalars import FLOAT, INTEGER
from portable.formats.schema import schema
from portable.formats.shown import LONGEST_SHOWN, TYPE_NAMES, described, shown, type_of
from portable.model.codes import Code
from portable.model.source import Mistake

if TYPE_CHECKING:
    from jsonschema import ValidationError

Complaint: TypeAlias = tuple[Code, str, str]
"""Code, text and remedy of a mistake."""
_REFERENCE: Final = "SecretValue"
"""The type of a reference to a secret, in schemas."""
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_-]{1,12}")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z][A-Za-z_ -]{0,23}")
"""Looks like a name with a mistake, and unlike a secret."""
_SECRET_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_NO_NEWLINE: Final = r"(?!\n)"
"""The end of each pattern, because `$` alone also matches before a newline; a person need not read it."""
_LIMITS: Final[dict[str, tuple[Code, str]]] = {
    "minimum": ("value.range", "it must be at least {}"),
    "maximum": ("value.range", "it must be at most {}"),
    "exclusiveMinimum": ("value.range", "it must be more than {}"),
    "exclusiveMaximum": ("value.range", "it must be less than {}"),
    "multipleOf": ("value.range", "it must be a multiple of {}"),
    "minLength": ("value.length", "it must have at least {} characters"),
    "maxLength": ("value.length", "it must have at most {} characters"),
    "minItems": ("value.length", "the list must have at least {} items"),
    "maxItems": ("value.length", "the list must have at most {} items"),
    "minProperties": ("value.length", "the mapping must have at least {} entries"),
    "maxProperties": ("value.length", "the mapping must have at most {} entries"),
}


def all_mistakes(document: Document, kind: type[Any]) -> tuple[Mistake, ...]:
    """Return every violation of the schema of `kind`, each once, in order of line and column."""
    # Imported only here: it takes longer than reading a catalog without mistakes.
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # JSON Schema accepts 1.0 as an integer; msgspec does not.
    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    whole = schema(kind)
    validator = extend(Draft202012Validator, type_checker=checker)(whole)  # type: ignore[no-untyped-call]  # so it is in the stubs
    mistakes = {mistake for error in validator.iter_errors(document.data) for mistake in _mistakes_of(document, whole, error)}
    # A set has another order in each run.
    return tuple(sorted(mistakes, key=lambda mistake: (mistake.source.line, mistake.source.column, mistake.path, mistake.text)))


def _mistakes_of(document: Document, whole: dict[str, Any], error: "ValidationError") -> Iterator[Mistake]:
    """Turn one error of the validator into mistakes that a person understands."""
    steps: Steps = tuple(error.absolute_path)
    rule = str(error.validator)
    limit: Any = error.validator_value
    value: Any = error.instance
    own: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    if (hidden := _about_secret(whole, steps, rule, value, own)) is not None:
        yield _mistake(document, steps, hidden)
    elif "propertyNames" in error.relative_schema_path:
        _, text, remedy = _complaint(rule, limit, value, own)
        yield document.mistake((*steps, value), f"invalid key: {text}", remedy, code="value.key", at_key=True)
    elif rule == "additionalProperties" and isinstance(value, dict):
        known = list(own.get("properties", ()))
        for key in value:
            if key not in known:
                text = f"unknown key `{shown(key)}`; known: {', '.join(known) or 'none'}"
                yield document.mistake((*steps, key), text, _suggestion(key, known), code="value.unknown-key", at_key=True)
    elif rule == "required":
        for key in limit:
            if key not in value:
                about = own.get("properties", {}).get(key, {}).get("description", "")
                remedy = f"add `{key}:`, {about}" if about else f"add `{key}:`"
                yield document.mistake(steps, f"the key `{key}` is missing", remedy, code="value.missing-key", at_key=True)
    elif rule in ("anyOf", "oneOf") and error.context:
        yield from _mistakes_of_union(document, whole, error, own)
    else:
        yield _mistake(document, steps, _complaint(rule, limit, value, own), at_key=value is None)


def _about_secret(whole: dict[str, Any], steps: Steps, rule: str, value: Any, own: dict[str, Any]) -> Complaint | None:
    """The complaint about a value in the place of a reference to a secret, which it does not show: it may be the secret itself."""
    branches = (own, *own.get("anyOf", ())) if value is not None and not isinstance(value, dict) else ()
    branches = tuple(_resolved(whole, branch) for branch in branches) if rule in ("type", "anyOf") else ()
    if any(branch.get("title") == _REFERENCE for branch in branches):
        field, text = steps, "expected a reference to a secret, found a value, which is not shown, since it may be the secret itself"
    elif any(branch.get("type") == "object" and _has_references(whole, branch) for branch in branches):
        text = f"expected mapping, found {TYPE_NAMES[type_of(value)]}, which is not shown, since it may be a secret"
        return "value.type", text, "write each secret as a reference: `{secret: NAME}`"
    elif rule in ("pattern", "type") and isinstance(value, str | int | float) and steps and steps[-1] == "secret":
        if _PLAIN_NAME.fullmatch(str(value)):
            return None
        field, text = steps[:-1], "this is not a valid name of a secret; it is not shown, since it may be the secret itself"
    elif own.get("title") == _REFERENCE and rule == "additionalProperties" and any(not _PLAIN_KEY.fullmatch(str(key)) for key in value):
        field, text = steps, "expected the key `secret`, found another key, which is not shown, since it may be the secret itself"
    else:
        return None
    name = "-".join(str(step) for step in field[-2:])
    name = name if _SECRET_NAME.fullmatch(name) else "NAME"
    return "value.type", text, f"write `{field[-1]}: {{secret: {name}}}`, then store the value with `portable secrets set {name}`"


def _mistake(document: Document, steps: Steps, complaint: Complaint, *, at_key: bool = False) -> Mistake:
    code, text, remedy = complaint
    return document.mistake(steps, text, remedy, code=code, at_key=at_key)


def _mistakes_of_union(document: Document, whole: dict[str, Any], error: "ValidationError", own: dict[str, Any]) -> Iterator[Mistake]:
    """Yield the mistakes of the most likely alternative: the one with the value's tag, else its type, else the fewest mistakes."""
    steps: Steps = tuple(error.absolute_path)
    value: Any = error.instance
    alternatives: Any = error.validator_value
    branches: list[dict[str, Any]] = list(alternatives)
    complaints: dict[int, list[ValidationError]] = {}
    for complaint in error.context or ():
        complaints.setdefault(int(complaint.relative_schema_path[0]), []).append(complaint)
    tag = own.get("discriminator")
    likely = [index for index, branch in enumerate(branches) if type_of(value) in _types(whole, branch)]
    if tag is not None and isinstance(value, dict):
        name, kinds = tag["propertyName"], tag["mapping"]
        if name not in value:
            remedy = f"add `{name}:`, one of {_list(kinds)}"
            yield document.mistake(steps, f"the key `{name}` is missing", remedy, code="value.missing-key", at_key=True)
            return
        if not isinstance(value[name], str) or value[name] not in kinds:
            yield _mistake(document, (*steps, name), _complaint("enum", list(kinds), value[name], {}))
            return
        likely = [index for index, branch in enumerate(branches) if branch.get("$ref") == kinds[value[name]]]
    if not likely:
        expected = list(dict.fromkeys(name for branch in branches for name in _alternatives(whole, branch)))
        if len(expected) > 1:
            expected = [name for name in expected if name != "nothing"]
        yield _mistake(document, steps, _mismatch(expected, value), at_key=value is None)
        return
    mistakes = [
        [mistake for complaint in complaints.get(index, ()) for mistake in _mistakes_of(document, whole, complaint)] for index in likely
    ]
    yield from min((some for some in mistakes if some), key=len, default=[])


def _complaint(rule: str, limit: Any, value: Any, own: dict[str, Any]) -> Complaint:
    """Return the complaint about a single value that breaks a rule."""
    about = str(own.get("description", ""))
    remedy = f"use {about}" if about else ""
    if rule == "type":
        return _mismatch([TYPE_NAMES[name] for name in ([limit] if isinstance(limit, str) else limit)], value)
    if rule in ("enum", "const"):
        choices = limit if rule == "enum" else [limit]
        return "value.choice", f"expected one of {_list(choices)}, found {described(value)}", _suggestion(value, choices)
    if rule == "pattern":
        if isinstance(value, str) and value.endswith("\n"):
            remedy = "remove the newline at its end: write it on the line of its key, without `|` and `>`"
        return "value.format", f"{described(value)} does not match `{limit.removesuffix(_NO_NEWLINE)}`", remedy
    if rule == "minLength" and limit == 1:
        return "value.length", "it must not be empty", remedy
    if rule in _LIMITS:
        code, text = _LIMITS[rule]
        return code, f"{text.format(limit)}, found {described(value)}", remedy
    return "value.rule", f"{described(value)} breaks the rule {rule} {json.dumps(limit)}", remedy


def _mismatch(expected: list[str], value: Any) -> Complaint:
    text = f"expected {_or(expected)}, found {described(value)}"
    if value is None:
        return "value.type", text, "write a value, or remove the key"
    if "string" in expected and isinstance(value, bool | int | float):
        return "value.type", text, "put it in quotes"
    if isinstance(value, str):
        if "true or false" in expected and value.lower() in ("yes", "no", "on", "off", "y", "n", "true", "false"):
            return "value.type", text, "write true or false"
        number = INTEGER if "integer" in expected else FLOAT if "number" in expected else None
        if number is not None and number.fullmatch(value):
            return "value.type", text, "write it without quotes"
    if "list" in expected and not isinstance(value, dict):
        return "value.type", text, "write it as an item of a list: [...]"
    return "value.type", text, ""


def _resolved(whole: dict[str, Any], branch: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a reference points to."""
    while "$ref" in branch:
        branch = whole["$defs"][branch["$ref"].rpartition("/")[2]]
    return branch


def _has_references(whole: dict[str, Any], branch: dict[str, Any]) -> bool:
    """Whether the values of a mapping are references to secrets, and no plain strings."""
    more = branch.get("additionalProperties")
    for inner in (*branch.get("properties", {}).values(), *((more,) if isinstance(more, dict) else ())):
        kinds = [_resolved(whole, each) for each in inner.get("anyOf", (inner,))]
        if any(each.get("title") == _REFERENCE for each in kinds) and not any(each.get("type") == "string" for each in kinds):
            return True
    return False


def _types(whole: dict[str, Any], branch: dict[str, Any]) -> set[str]:
    """Return the types that an alternative accepts, by their names in JSON Schema."""
    branch = _resolved(whole, branch)
    if "anyOf" in branch:
        return {name for inner in branch["anyOf"] for name in _types(whole, inner)}
    if "enum" in branch:
        return {type_of(value) for value in branch["enum"]}
    names = branch.get("type", list(TYPE_NAMES))
    types = {names} if isinstance(names, str) else set(names)
    return types | {"integer"} if "number" in types else types


def _alternatives(whole: dict[str, Any], branch: dict[str, Any]) -> list[str]:
    """Return the types and values that an alternative accepts, for a message."""
    branch = _resolved(whole, branch)
    if "anyOf" in branch:
        return [name for inner in branch["anyOf"] for name in _alternatives(whole, inner)]
    if "enum" in branch:
        return [f"`{shown(value)}`" for value in branch["enum"]]
    names = branch.get("type", [])
    return [TYPE_NAMES[name] for name in ([names] if isinstance(names, str) else names)]


def _list(values: Iterable[Any]) -> str:
    return ", ".join(f"`{shown(value)}`" for value in values)


def _or(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _suggestion(value: Any, known: Iterable[Any]) -> str:
    """Return a question with the known name nearest to `value`; empty where none is near."""
    import difflib  # only for a mistake

    near = difflib.get_close_matches(str(value)[:LONGEST_SHOWN], [str(name) for name in known], n=1)
    return f"did you mean `{near[0]}`?" if near else ""


_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[([0-9]+|\.\.\.)\]")


def one_mistake(document: Document, kind: type[Any], message: str) -> Mistake:
    """Return the mistake in a message of msgspec, with its place. msgspec stops at the first mistake."""
    text, _, where = message.rpartition(" - at ") if message.endswith("`") and " - at `" in message else (message, "", "")
    steps: list[str | int] = []
    value: Any = document.data
    # "at `key` in `$.ports`" is about a key of that mapping; its place is the mapping.
    for name, index in _STEP.findall(where.rpartition("`$")[2].removesuffix("`")):
        step = _culprit(document.data, tuple(steps), value, kind, message) if index == "..." else name or int(index)
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
        steps.append(step)
    return document.mistake(tuple(steps), text, code="value.rule", at_key=True)


def _culprit(data: Any, steps: Steps, value: Any, kind: type[Any], message: str) -> Any:
    """Return the key of the mapping `value` that msgspec does not name: the one that alone causes the same message."""
    if not isinstance(value, dict):
        return None
    for key in value:
        try:
            msgspec.convert(_replaced(data, steps, {key: value[key]}), kind, strict=True)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return key
    return None


def _replaced(data: Any, steps: Steps, value: Any) -> Any:
    if not steps:
        return value
    copy = data.copy()
    copy[steps[0]] = _replaced(data[steps[0]], steps[1:], value)
    return copy
