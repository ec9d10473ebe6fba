"""Every mistake of data that does not fit a type, in words that help."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from portable.model.source import Mistake

if TYPE_CHECKING:
    from jsonschema import ValidationError
from portable.formats.document import Document, Steps
from portable.formats.scalars import FLOAT, INTEGER
from portable.formats.schema import schema
from portable.formats.shown import LONGEST_SHOWN, TYPE_NAMES, described, shown, type_of

_LIMITS: Final = {
    "minimum": "it must be at least {}",
    "maximum": "it must be at most {}",
    "exclusiveMinimum": "it must be more than {}",
    "exclusiveMaximum": "it must be less than {}",
    "multipleOf": "it must be a multiple of {}",
    "minLength": "it must have at least {} characters",
    "maxLength": "it must have at most {} characters",
    "minItems": "the list must have at least {} items",
    "maxItems": "the list must have at most {} items",
    "minProperties": "the mapping must have at least {} entries",
    "maxProperties": "the mapping must have at most {} entries",
}


def all_mistakes(document: Document, kind: type[Any]) -> tuple[Mistake, ...]:
    """Return every mistake that the schema of `kind` sees, each once."""
    # Imported only here: it takes longer than reading a catalog without mistakes.
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # JSON Schema takes 1.0 for an integer, msgspec does not.
    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    whole = schema(kind)
    validator = extend(Draft202012Validator, type_checker=checker)(whole)  # type: ignore[no-untyped-call]  # so it is in the stubs
    told = {mistake for error in validator.iter_errors(document.data) for mistake in _told(document, whole, error)}
    # Its order is that of sets, another in each run.
    return tuple(sorted(told, key=lambda mistake: (mistake.source.line, mistake.source.column, mistake.path, mistake.text)))


def _told(document: Document, whole: dict[str, Any], error: "ValidationError") -> Iterator[Mistake]:
    """Turn one complaint of the validator into mistakes that a person understands."""
    steps: Steps = tuple(error.absolute_path)
    rule = str(error.validator)
    limit: Any = error.validator_value
    value: Any = error.instance
    own: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    if "propertyNames" in error.relative_schema_path:
        words, remedy = _complaint(rule, limit, value, own)
        yield document.mistake((*steps, value), f"not a key that can stand here: {words}", remedy, at_key=True)
    elif rule == "additionalProperties" and isinstance(value, dict):
        known = list(own.get("properties", ()))
        for key in value:
            if key not in known:
                text = f"unknown key `{shown(key)}`; known: {', '.join(known) or 'none'}"
                yield document.mistake((*steps, key), text, _meant(key, known), at_key=True)
    elif rule == "required":
        for key in limit:
            if key not in value:
                about = own.get("properties", {}).get(key, {}).get("description", "")
                yield document.mistake(steps, f"the key `{key}` is missing", about or f"add `{key}:`", at_key=True)
    elif rule in ("anyOf", "oneOf") and error.context:
        yield from _told_of_union(document, whole, error, own)
    else:
        yield document.mistake(steps, *_complaint(rule, limit, value, own), at_key=value is None)


def _told_of_union(document: Document, whole: dict[str, Any], error: "ValidationError", own: dict[str, Any]) -> Iterator[Mistake]:
    """Tell what is wrong in the alternative that was meant: the one of that tag, else of that type, else with the fewest mistakes."""
    steps: Steps = tuple(error.absolute_path)
    value: Any = error.instance
    alternatives: Any = error.validator_value
    branches: list[dict[str, Any]] = list(alternatives)
    complaints: dict[int, list[ValidationError]] = {}
    for complaint in error.context or ():
        complaints.setdefault(int(complaint.relative_schema_path[0]), []).append(complaint)
    tag = own.get("discriminator")
    meant = [place for place, branch in enumerate(branches) if type_of(value) in _types(whole, branch)]
    if tag is not None and isinstance(value, dict):
        name, kinds = tag["propertyName"], tag["mapping"]
        if name not in value:
            yield document.mistake(steps, f"the key `{name}` is missing", f"one of {_list(kinds)}", at_key=True)
            return
        if not isinstance(value[name], str) or value[name] not in kinds:
            yield document.mistake((*steps, name), *_complaint("enum", list(kinds), value[name], {}))
            return
        meant = [place for place, branch in enumerate(branches) if branch.get("$ref") == kinds[value[name]]]
    if not meant:
        expected = list(dict.fromkeys(name for branch in branches for name in _alternatives(whole, branch)))
        if len(expected) > 1:
            expected = [name for name in expected if name != "nothing"]
        yield document.mistake(steps, *_mismatch(expected, value), at_key=value is None)
        return
    told = [[mistake for complaint in complaints.get(place, ()) for mistake in _told(document, whole, complaint)] for place in meant]
    yield from min((mistakes for mistakes in told if mistakes), key=len, default=[])


def _complaint(rule: str, limit: Any, value: Any, own: dict[str, Any]) -> tuple[str, str]:
    """Return text and remedy for a rule about a single value."""
    about = str(own.get("description", ""))
    if rule == "type":
        return _mismatch([TYPE_NAMES[name] for name in ([limit] if isinstance(limit, str) else limit)], value)
    if rule in ("enum", "const"):
        choices = limit if rule == "enum" else [limit]
        return f"expected one of {_list(choices)}, found {described(value)}", _meant(value, choices)
    if rule == "pattern":
        return f"{described(value)} does not match `{limit}`", about
    if rule == "minLength" and limit == 1:
        return "it must not be empty", about
    if rule in _LIMITS:
        return f"{_LIMITS[rule].format(limit)}, found {described(value)}", about
    return f"{described(value)} breaks the rule {rule} {json.dumps(limit)}", about


def _mismatch(expected: list[str], value: Any) -> tuple[str, str]:
    text = f"expected {_or(expected)}, found {described(value)}"
    if value is None:
        return text, "write a value, or remove the key"
    if "string" in expected and isinstance(value, bool | int | float):
        return text, "put it in quotes"
    if isinstance(value, str):
        if "true or false" in expected and value.lower() in ("yes", "no", "on", "off", "y", "n", "true", "false"):
            return text, "write true or false"
        number = INTEGER if "integer" in expected else FLOAT if "number" in expected else None
        if number is not None and number.fullmatch(value):
            return text, "write it without quotes"
    if "list" in expected and not isinstance(value, dict):
        return text, "write it as an item of a list: [...]"
    return text, ""


def _types(whole: dict[str, Any], branch: dict[str, Any]) -> set[str]:
    """Return the types that an alternative takes, as JSON Schema names them."""
    while "$ref" in branch:
        branch = whole["$defs"][branch["$ref"].rpartition("/")[2]]
    if "anyOf" in branch:
        return {name for inner in branch["anyOf"] for name in _types(whole, inner)}
    if "enum" in branch:
        return {type_of(value) for value in branch["enum"]}
    names = branch.get("type", list(TYPE_NAMES))
    taken = {names} if isinstance(names, str) else set(names)
    return taken | {"integer"} if "number" in taken else taken


def _alternatives(whole: dict[str, Any], branch: dict[str, Any]) -> list[str]:
    """Return what an alternative takes, in words."""
    while "$ref" in branch:
        branch = whole["$defs"][branch["$ref"].rpartition("/")[2]]
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


def _meant(wrong: Any, known: Iterable[Any]) -> str:
    import difflib  # only for a mistake

    near = difflib.get_close_matches(str(wrong)[:LONGEST_SHOWN], [str(name) for name in known], n=1)
    return f"did you mean `{near[0]}`?" if near else ""


_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[([0-9]+|\.\.\.)\]")


def one_mistake(document: Document, kind: type[Any], said: str) -> Mistake:
    """Return the mistake that msgspec reports, which stops at the first, with its place."""
    text, _, where = said.rpartition(" - at ") if said.endswith("`") and " - at `" in said else (said, "", "")
    steps: list[str | int] = []
    value: Any = document.data
    # "at `key` in `$.ports`" is about a key of that mapping; its place is the mapping.
    for name, place in _STEP.findall(where.rpartition("`$")[2].removesuffix("`")):
        step = _culprit(document.data, tuple(steps), value, kind, said) if place == "..." else name or int(place)
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
        steps.append(step)
    return document.mistake(tuple(steps), text, at_key=True)


def _culprit(data: Any, steps: Steps, value: Any, kind: type[Any], said: str) -> Any:
    """Return the key of the mapping `value` that msgspec doesn't name: the one with which, alone, it says the same again."""
    if not isinstance(value, dict):
        return None
    for key in value:
        try:
            msgspec.convert(_replaced(data, steps, {key: value[key]}), kind, strict=True)
        except msgspec.ValidationError as error:
            if str(error) == said:
                return key
    return None


def _replaced(data: Any, steps: Steps, value: Any) -> Any:
    if not steps:
        return value
    copy = data.copy()
    copy[steps[0]] = _replaced(data[steps[0]], steps[1:], value)
    return copy
