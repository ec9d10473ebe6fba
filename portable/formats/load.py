"""Reads YAML files into the model's types; each mistake is told with file, line and column, and all mistakes of a file at once.

It knows YAML and types, and nothing of what the files are about.
"""

import contextlib
import gc
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeAlias, TypeVar

import msgspec
from yaml import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    MarkedYAMLError,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    YAMLError,
)
from yaml._yaml import CParser

from portable.model.errors import InputError
from portable.model.source import Mistake, Source

if TYPE_CHECKING:
    from jsonschema import ValidationError

T = TypeVar("T")
Steps: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys of mappings, and places in lists counted from 0."""
Input: TypeAlias = Path | str | tuple[str, bytes]
"""A file by its path, or a name for messages with the bytes."""

LARGEST_FILE: Final = 4 * 2**20
"""Bytes. This and the next two bound what a hostile file can cost."""
MOST_NODES: Final = 200_000
"""Values in a file, those behind an alias counted wherever it stands."""
DEEPEST: Final = 100
"""Levels of nesting, also through aliases."""

_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None, "": None}
# Decimal only: 017, 0o17, 0x1F, 1_000, 12:30 and 2001-01-01 mean different things to different readers; here they are plain text.
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NUMERIC: Final = frozenset("+-.0123456789")
_DIGITS_OF_64_BITS: Final = 20
_INT64: Final = range(-(2**63), 2**63)
_UNREADABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_STANDARD: Final = "tag:yaml.org,2002:"

# What libyaml says, in words that need no knowledge of its parser: text, remedy.
_SYNTAX: Final = (
    (
        "mapping values are not allowed",
        "a `:` stands where no key can be",
        "check the indentation; a value that contains `: ` needs quotes",
    ),
    ("block sequence entries are not allowed", "a `-` stands where no list can begin", "begin the list on a line of its own"),
    ("could not find expected ':'", "a key without a `:`", "write `key: value`, and check the indentation"),
    (
        "did not find expected key",
        "this fits nowhere: a key of the mapping above was expected",
        "check the indentation, and the quotes before",
    ),
    ("did not find expected '-' indicator", "this is no item of the list above", "check the indentation"),
    ("did not find expected ',' or ']'", "the list in brackets is not closed", "add `]`, or a `,` between items"),
    ("did not find expected ',' or '}'", "the mapping in braces is not closed", "add `}`, or a `,` between entries"),
    ("did not find expected node content", "a value is missing here", "close the bracket or brace, or write the value"),
    ("found unexpected end of stream", "the file ends inside a quoted text", "close the quotes"),
    ("found invalid Unicode character escape", "a `\\u` escape that is no character", "write the character itself"),
    ("found unknown escape character", "an unknown `\\` sequence in a text in double quotes", "double the `\\`, or use single quotes"),
    ("did not find expected <document start>", "this is outside the mapping that the file begins with", "check the indentation"),
    ("found undefined tag handle", "a value begins with an unknown `!` tag", "remove it, or put the value in quotes"),
    ("did not find expected alphabetic or numeric", "a name must follow `&` or `*`", "put a text that begins so in quotes"),
    ("did not find expected tag URI", "a tag must follow `!`", "put a text that begins so in quotes"),
    ("did not find expected comment or line break", "only a line break can follow `|` or `>`", "put a text that begins so in quotes"),
    # From 0.2.6 on libyaml has a limit of its own, which it meets while it looks ahead.
    ("exceeded maximum nesting depth", f"nested deeper than {DEEPEST} levels", ""),
    ("found incompatible YAML document", "the file asks for a version of YAML that is unknown here", "remove the %YAML line"),
)

_UNKNOWN_SYNTAX: Final = "check the indentation, quotes and brackets of this line and of those before it"
"""The remedy for a sentence that is not in the table, such as one of a newer libyaml."""


class _Mark(NamedTuple):
    """Where an entry stands; lines and columns from 0. `inner` has the marks of the entries of a mapping or list."""

    key_line: int
    key_column: int
    line: int
    column: int
    inner: "dict[str, _Mark] | list[_Mark] | None"


class Document:
    """What one file says, as plain data, and where it says it.

    Data behind an alias is the same object in each place: it is to be read, not changed.
    """

    __slots__ = ("_root", "data", "file")

    def __init__(self, file: str, data: dict[str, Any], root: _Mark) -> None:
        self.file = file
        self.data = data
        self._root = root

    def source(self, steps: Steps = ()) -> Source:
        """Return where the value at `steps` begins; if nothing is there, the nearest value around it."""
        mark = self._mark(steps)
        return Source(file=self.file, line=mark.line + 1, column=mark.column + 1)

    def key(self, steps: Steps = ()) -> Source:
        """Return where the key (or the list item) at `steps` begins; if nothing is there, the nearest around it."""
        mark = self._mark(steps)
        return Source(file=self.file, line=mark.key_line + 1, column=mark.key_column + 1)

    def mistake(self, steps: Steps, text: str, remedy: str = "", *, at_key: bool = False) -> Mistake:
        """Return a mistake about the value at `steps`, placed at its key with `at_key`."""
        return Mistake(source=self.key(steps) if at_key else self.source(steps), path=dotted(steps), text=text, remedy=remedy)

    def _mark(self, steps: Steps) -> _Mark:
        mark = self._root
        for step in steps:
            inner: Any = mark.inner
            try:
                mark = inner[step]
            except (KeyError, IndexError, TypeError):
                break
        return mark


def dotted(steps: Steps) -> str:
    """Return `steps` as a person writes them: `containers.main.ports[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{_shown(step)}" for step in steps).removeprefix(".")


def load(file: Input) -> Document:
    """Read one file: a mapping in YAML, in UTF-8.

    Plain `true`, `false`, decimal numbers, `null`, `~` and nothing have their meaning; every other plain value is a string (`yes`, `017`,
    `12:30`, dates). Raises InputError with every mistake found: a file that can't be read, is too large or no text, syntax, a key twice, a
    key that is no string, merge keys, tags, more than one document.
    """
    document, mistakes = _load(file)
    if mistakes:
        raise InputError(mistakes)
    return document


def read(file: Input, kind: type[T]) -> tuple[T, Document]:
    """`load` and `convert` in one, so that an InputError has the mistakes of both."""
    document, mistakes = _load(file)
    try:
        value = convert(document, kind)
    except InputError as error:
        raise InputError((*mistakes, *error.mistakes)) from None
    if mistakes:
        raise InputError(mistakes)
    return value, document


def convert(document: Document, kind: type[T]) -> T:
    """Return the document as a value of type `kind`.

    Raises InputError with every mistake: unknown and missing keys, wrong types and values, limits, and what the type checks in code.
    """
    try:
        return msgspec.convert(document.data, kind, strict=True)
    except msgspec.ValidationError as error:
        # The validator sees all mistakes, but not what a type checks in code; msgspec sees that, but only the first mistake.
        raise InputError(_explain(document, kind) or (_translate(document, kind, str(error)),)) from None


def schema(kind: type[Any]) -> dict[str, Any]:
    """Return the JSON Schema of a file of type `kind`, for editors, with the texts of docstrings and of `msgspec.Meta`."""
    # A default may be a tuple or a type of its own; a schema is plain data.
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(kind)))
    root = made
    while "$ref" in root:
        root = made["$defs"][root["$ref"].rpartition("/")[2]]
    about: dict[str, Any] = {key: root[key] for key in ("title", "description") if key in root}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **about, **made}


# --- from bytes to data


class _StopError(Exception):
    """A mistake after which the rest of the file can't be understood."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__()
        self.mistake = mistake


def _load(file: Input) -> tuple[Document, tuple[Mistake, ...]]:
    """Read the document, and the mistakes that don't keep the rest from being read. Raises InputError for one that does."""
    name, content = file if isinstance(file, tuple) else (str(file), None)
    builder = _Builder(name)
    try:
        if content is None:
            content = _bytes_of(name)
        with _collector_off():
            return builder.build(_text_of(name, content)), tuple(builder.mistakes)
    except _StopError as stop:
        raise InputError((*builder.mistakes, stop.mistake)) from None


def _bytes_of(name: str) -> bytes:
    try:
        with Path(name).open("rb") as stream:
            return stream.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _StopError(_mistake(name, 0, 0, f"the file can't be read: {reason}")) from None


def _text_of(name: str, content: bytes) -> str:
    if len(content) > LARGEST_FILE:
        raise _StopError(
            _mistake(name, 0, 0, f"the file is larger than {LARGEST_FILE // 2**20} MiB", "split it, or check that it's the right file")
        )
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        raise _StopError(
            _mistake(name, *_place(before), f"the file is no UTF-8 text: byte 0x{content[error.start]:02x}", "save it as UTF-8")
        ) from None
    wrong = _UNREADABLE.search(text)
    if wrong is not None:
        at = _place(text[: wrong.start()])
        raise _StopError(
            _mistake(name, *at, f"the character U+{ord(wrong[0]):04X} can't stand in YAML", 'write it as "\\u...." in double quotes')
        )
    return text


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    """Thousands of small objects that all stay: looking for garbage among them would only cost time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _place(before: str) -> tuple[int, int]:
    """Return line and column, from 0, of what follows that text."""
    return before.count("\n"), len(before) - before.rfind("\n") - 1


def _mistake(file: str, line: int, column: int, text: str, remedy: str = "") -> Mistake:
    return Mistake(source=Source(file=file, line=line + 1, column=column + 1), path="", text=text, remedy=remedy)


class _Open:
    """A mapping or list that is being read."""

    __slots__ = ("anchor", "column", "data", "height", "inner", "key", "key_column", "key_line", "line", "nodes")

    def __init__(self, *, mapping: bool, line: int, column: int, anchor: str | None, nodes: int) -> None:
        self.data: Any = {} if mapping else []
        self.inner: Any = {} if mapping else []
        self.line = line
        self.column = column
        self.anchor = anchor
        self.nodes = nodes
        self.height = 1
        self.key: str | None = None
        self.key_line = 0
        self.key_column = 0


class _Anchor(NamedTuple):
    data: Any
    inner: Any
    nodes: int
    height: int


class _Builder:
    """Turns libyaml's events into data and marks, on a stack of its own: no nesting can exhaust the interpreter's."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Anchor | None] = {}
        self.nodes = 0
        self.root: tuple[Any, _Mark] | None = None

    def build(self, text: str) -> Document:
        try:
            parser = CParser(text)
            documents = 0
            while True:
                event: Any = parser.get_event()
                kind = type(event)
                if kind is ScalarEvent:
                    self.scalar(event)
                elif kind is MappingStartEvent:
                    self.open(event, mapping=True)
                elif kind is SequenceStartEvent:
                    self.open(event, mapping=False)
                elif kind is MappingEndEvent or kind is SequenceEndEvent:
                    self.close()
                elif kind is AliasEvent:
                    self.alias(event)
                elif kind is DocumentStartEvent:
                    documents += 1
                    if documents > 1:
                        self.stop(
                            event, "a second document begins here", "one file holds one document: remove the `---`, or split the file"
                        )
                elif kind is StreamEndEvent:
                    break
        except MarkedYAMLError as error:
            raise _StopError(self.syntax(error, text)) from None
        except YAMLError as error:
            raise _StopError(_mistake(self.file, 0, 0, f"the file is no YAML: {error}")) from None
        if self.root is None or self.root[0] is None:
            raise _StopError(_mistake(self.file, 0, 0, "the file is empty"))
        data, mark = self.root
        if not isinstance(data, dict):
            found = _found(data)
            raise _StopError(
                _mistake(self.file, mark.line, mark.column, f"expected a mapping at the top, found {found}", "begin with `key: value`")
            )
        return Document(self.file, data, mark)

    def scalar(self, event: Any) -> None:
        mark = event.start_mark
        line, column = mark.line, mark.column
        text, tag = event.value, event.tag
        value: Any = text
        plain = False
        if tag is None:
            plain = event.implicit[0]
            if plain:
                value = self.resolve(text, event)
        elif tag != "!" and tag != _STANDARD + "str":
            value = self.tagged(event)
        self.count(event, 1)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(value, None, 1, 0)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and type(frame.data) is dict:
            if plain and text == "<<":
                self.wrong(event, "merge keys (`<<`) are not supported", "write the keys out")
            elif type(value) is not str:
                self.wrong(
                    event,
                    f"a key must be a string, not {_found(value)}",
                    f'put it in quotes: "{_shown(text)}"' if text else "write the key",
                )
            self.entry(frame, text, event)
            return
        self.add(value, line, column, None)

    def entry(self, frame: _Open, key: str, event: Any) -> None:
        """Note a key; its value is still to come."""
        if key in frame.data:
            first = frame.inner[key]
            self.wrong(
                event, f"the key `{_shown(key)}` stands here for a second time", f"the first is in line {first.key_line + 1}: keep one", key
            )
        frame.key = key
        frame.key_line = event.start_mark.line
        frame.key_column = event.start_mark.column

    def resolve(self, text: str, event: Any) -> Any:
        """Return the meaning of a plain scalar."""
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMERIC:
            return text
        if _INTEGER.fullmatch(text):
            if len(text) > _DIGITS_OF_64_BITS or int(text) not in _INT64:
                self.wrong(event, "a number beyond 64 bits", "put it in quotes if it is a name")
                return 0
            return int(text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if number in (float("inf"), float("-inf")):
                self.wrong(event, "a number too large", "put it in quotes if it is a name")
                return 0.0
            return number
        return text

    def tagged(self, event: Any) -> Any:
        """Return the value of a scalar with a tag that is not for strings."""
        kinds = {"int": int, "float": float, "bool": bool, "null": type(None)}
        wanted = kinds.get(event.tag.removeprefix(_STANDARD)) if event.tag.startswith(_STANDARD) else None
        if wanted is None:
            self.wrong(event, f"the tag `{_tag(event.tag)}` is unknown", "remove it")
            return event.value
        value = self.resolve(event.value, event)
        if type(value) is not wanted:
            self.wrong(event, f"`{_shown(event.value)}` is not what its tag `{_tag(event.tag)}` says", "remove the tag")
        return value

    def open(self, event: Any, *, mapping: bool) -> None:
        mark = event.start_mark
        if event.tag is not None and event.tag not in ("!", _STANDARD + ("map" if mapping else "seq")):
            self.wrong(event, f"the tag `{_tag(event.tag)}` is unknown", "remove it")
        if len(self.stack) >= DEEPEST:
            self.stop(event, f"nested deeper than {DEEPEST} levels")
        self.count(event, 1)
        self.key_is_no_string(event, "a mapping" if mapping else "a list")
        if event.anchor is not None:
            # No value yet: an alias that meets this stands inside what it names.
            self.anchors[event.anchor] = None
        self.stack.append(_Open(mapping=mapping, line=mark.line, column=mark.column, anchor=event.anchor, nodes=self.nodes - 1))

    def close(self) -> None:
        frame = self.stack.pop()
        if frame.anchor is not None:
            self.anchors[frame.anchor] = _Anchor(frame.data, frame.inner, self.nodes - frame.nodes, frame.height)
        if self.stack and frame.height >= self.stack[-1].height:
            self.stack[-1].height = frame.height + 1
        self.add(frame.data, frame.line, frame.column, frame.inner)

    def alias(self, event: Any) -> None:
        mark = event.start_mark
        if event.anchor not in self.anchors:
            self.wrong(event, f"the alias `*{event.anchor}` names nothing above it", "put a text that begins with `*` in quotes")
            anchor: _Anchor | None = _Anchor("", None, 1, 0)
        else:
            anchor = self.anchors[event.anchor]
        if anchor is None:
            self.stop(event, f"the alias `*{event.anchor}` stands inside what it names", "write it out")
        frame = self.stack[-1] if self.stack else None
        self.count(event, anchor.nodes)
        if len(self.stack) + anchor.height > DEEPEST:
            self.stop(event, f"nested deeper than {DEEPEST} levels by an alias")
        if frame is not None and frame.key is None and type(frame.data) is dict:
            if isinstance(anchor.data, str):
                self.entry(frame, anchor.data, event)
            else:
                self.key_is_no_string(event, _found(anchor.data))
                self.add(None, mark.line, mark.column, None)
            return
        if frame is not None and anchor.height >= frame.height:
            frame.height = anchor.height + 1
        self.add(anchor.data, mark.line, mark.column, anchor.inner)

    def key_is_no_string(self, event: Any, found: str) -> None:
        """Note a mistake if a key is due where a mapping, list or alias begins."""
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and type(frame.data) is dict:
            self.wrong(event, f"a key must be a string, not {found}", "put a text that begins with `{` or `[` in quotes")

    def add(self, value: Any, line: int, column: int, inner: Any) -> None:
        if not self.stack:
            self.root = value, _Mark(line, column, line, column, inner)
            return
        frame = self.stack[-1]
        if type(frame.data) is list:
            frame.data.append(value)
            frame.inner.append(_Mark(line, column, line, column, inner))
        elif frame.key is None:
            # A key that is no string was refused when it began; its value still needs a place to go.
            frame.key, frame.key_line, frame.key_column = "?", line, column
        else:
            frame.data[frame.key] = value
            frame.inner[frame.key] = _Mark(frame.key_line, frame.key_column, line, column, inner)
            frame.key = None

    def count(self, event: Any, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MOST_NODES:
            self.stop(event, f"more than {MOST_NODES} values, aliases written out")

    def path(self, key: str | None = None) -> str:
        """Return the way to what is being read; with `key`, to that key of it."""
        steps: list[str | int] = []
        for frame in self.stack:
            if type(frame.data) is list:
                steps.append(len(frame.data))
            elif frame.key is not None:
                steps.append(frame.key)
        return dotted(tuple(steps if key is None else [*steps, key]))

    def wrong(self, event: Any, text: str, remedy: str = "", key: str | None = None) -> None:
        mark = event.start_mark
        where = Source(file=self.file, line=mark.line + 1, column=mark.column + 1)
        self.mistakes.append(Mistake(source=where, path=self.path(key), text=text, remedy=remedy))

    def stop(self, event: Any, text: str, remedy: str = "") -> NoReturn:
        self.wrong(event, text, remedy)
        raise _StopError(self.mistakes.pop())

    def syntax(self, error: MarkedYAMLError, text: str) -> Mistake:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        problem = error.problem or "no reason given"
        lines = text.split("\n")
        row = lines[line] if line < len(lines) else ""
        if "tab" in problem.split() or row[column : column + 1] == "\t":
            return _mistake(self.file, line, column, "a tab stands where the line is indented", "indent with spaces")
        if "cannot start any token" in problem:
            return _mistake(self.file, line, column, f"no value can begin with `{row[column : column + 1]}`", "put the value in quotes")
        for said, words, remedy in _SYNTAX:
            if said in problem:
                return _mistake(self.file, line, column, words, remedy)
        said = f"{problem}, {error.context}" if error.context else problem
        return _mistake(self.file, line, column, f"this is not valid YAML: {said}", _UNKNOWN_SYNTAX)


def _tag(tag: str) -> str:
    return _shown("!!" + tag.removeprefix(_STANDARD) if tag.startswith(_STANDARD) else tag)


# --- from a schema's complaints to mistakes

_NAMES: Final = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "object": "mapping",
    "array": "list",
    "null": "nothing",
}
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
_LONGEST_SHOWN: Final = 60


def _explain(document: Document, kind: type[Any]) -> tuple[Mistake, ...]:
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
                text = f"unknown key `{_shown(key)}`; known: {', '.join(known) or 'none'}"
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
    meant = [place for place, branch in enumerate(branches) if _type(value) in _types(whole, branch)]
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
        return _mismatch([_NAMES[name] for name in ([limit] if isinstance(limit, str) else limit)], value)
    if rule in ("enum", "const"):
        choices = limit if rule == "enum" else [limit]
        return f"expected one of {_list(choices)}, found {_found(value)}", _meant(value, choices)
    if rule == "pattern":
        return f"{_found(value)} does not match `{limit}`", about
    if rule == "minLength" and limit == 1:
        return "it must not be empty", about
    if rule in _LIMITS:
        return f"{_LIMITS[rule].format(limit)}, found {_found(value)}", about
    return f"{_found(value)} breaks the rule {rule} {json.dumps(limit)}", about


def _mismatch(expected: list[str], value: Any) -> tuple[str, str]:
    text = f"expected {_or(expected)}, found {_found(value)}"
    if value is None:
        return text, "write a value, or remove the key"
    if "string" in expected and isinstance(value, bool | int | float):
        return text, "put it in quotes"
    if isinstance(value, str):
        if "true or false" in expected and value.lower() in ("yes", "no", "on", "off", "y", "n", "true", "false"):
            return text, "write true or false"
        number = _INTEGER if "integer" in expected else _FLOAT if "number" in expected else None
        if number is not None and number.fullmatch(value):
            return text, "write it without quotes"
    if "list" in expected and not isinstance(value, dict):
        return text, "write it as an item of a list: [...]"
    return text, ""


def _type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    return names.get(type(value), "null")


def _types(whole: dict[str, Any], branch: dict[str, Any]) -> set[str]:
    """Return the types that an alternative takes, as JSON Schema names them."""
    while "$ref" in branch:
        branch = whole["$defs"][branch["$ref"].rpartition("/")[2]]
    if "anyOf" in branch:
        return {name for inner in branch["anyOf"] for name in _types(whole, inner)}
    if "enum" in branch:
        return {_type(value) for value in branch["enum"]}
    names = branch.get("type", list(_NAMES))
    taken = {names} if isinstance(names, str) else set(names)
    return taken | {"integer"} if "number" in taken else taken


def _alternatives(whole: dict[str, Any], branch: dict[str, Any]) -> list[str]:
    """Return what an alternative takes, in words."""
    while "$ref" in branch:
        branch = whole["$defs"][branch["$ref"].rpartition("/")[2]]
    if "anyOf" in branch:
        return [name for inner in branch["anyOf"] for name in _alternatives(whole, inner)]
    if "enum" in branch:
        return [f"`{_shown(value)}`" for value in branch["enum"]]
    names = branch.get("type", [])
    return [_NAMES[name] for name in ([names] if isinstance(names, str) else names)]


def _found(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "mapping"
    if isinstance(value, list):
        return "list"
    return f"{_NAMES[_type(value)] if not isinstance(value, bool) else 'boolean'} `{_shown(value)}`"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    text = text if text.isprintable() else json.dumps(text)[1:-1]
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _list(values: Iterable[Any]) -> str:
    return ", ".join(f"`{_shown(value)}`" for value in values)


def _or(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _meant(wrong: Any, known: Iterable[Any]) -> str:
    import difflib  # only for a mistake

    near = difflib.get_close_matches(str(wrong)[:_LONGEST_SHOWN], [str(name) for name in known], n=1)
    return f"did you mean `{near[0]}`?" if near else ""


# --- from msgspec's one complaint to a mistake, for what a type checks in code

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[([0-9]+|\.\.\.)\]")


def _translate(document: Document, kind: type[Any], said: str) -> Mistake:
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
