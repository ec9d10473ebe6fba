"""Parses YAML text into a document."""

import contextlib
import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

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

from portable.formats.document import LARGEST_FILE, Document, Input, Mark, dotted
from portable.formats.scalars import DIGITS_OF_64_BITS, FLOAT, INT64, INTEGER, NUMERIC, WORDS
from portable.formats.shown import described, shown
from portable.formats.syntax import SYNTAX, UNKNOWN_SYNTAX
from portable.model.codes import Code
from portable.model.errors import InputError
from portable.model.source import Mistake, Source

# These two limits, and that of the file's size, bound the cost of a hostile file.
MOST_NODES: Final = 200_000
"""Values in a file; the values behind an alias count each time it is used."""
DEEPEST: Final = 100
"""Levels of nesting, including nesting through aliases."""
_UNREADABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_STANDARD: Final = "tag:yaml.org,2002:"


class _StopError(Exception):
    """Carries a mistake after which the rest of the file cannot be parsed."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__()
        self.mistake = mistake


def parse(file: Input) -> tuple[Document, tuple[Mistake, ...]]:
    """Return the document and its minor mistakes. Raises InputError for a mistake that ends parsing."""
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
        raise _StopError(
            _mistake(name, 0, 0, f"cannot read the file: {reason}", "check the path and its permissions", code="file.unreadable")
        ) from None


def _text_of(name: str, content: bytes) -> str:
    if len(content) > LARGEST_FILE:
        raise _StopError(
            _mistake(
                name,
                0,
                0,
                f"the file is larger than {LARGEST_FILE // 2**20} MiB",
                "split it, or check that it is the right file",
                code="yaml.size",
            )
        )
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        raise _StopError(
            _mistake(
                name,
                *_place(before),
                f"the file is not UTF-8 text: byte 0x{content[error.start]:02x}",
                "save it as UTF-8",
                code="yaml.encoding",
            )
        ) from None
    match = _UNREADABLE.search(text)
    if match is not None:
        at = _place(text[: match.start()])
        raise _StopError(
            _mistake(
                name,
                *at,
                f"the character U+{ord(match[0]):04X} is not allowed in YAML",
                'write it as "\\u...." in double quotes',
                code="yaml.character",
            )
        )
    return text


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    """Switch the garbage collector off: searching thousands of small objects that all stay alive costs time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _place(before: str) -> tuple[int, int]:
    """Return line and column, from 0, of the end of that text."""
    return before.count("\n"), len(before) - before.rfind("\n") - 1


def _mistake(file: str, line: int, column: int, text: str, remedy: str = "", *, code: Code) -> Mistake:
    return Mistake(source=Source(file=file, line=line + 1, column=column + 1), path="", text=text, remedy=remedy, code=code)


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
    """Turns libyaml's events into data and marks. It has its own stack, so that nesting cannot exhaust the interpreter's."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Anchor | None] = {}
        self.nodes = 0
        self.root: tuple[Any, Mark] | None = None

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
                            event,
                            "a second document begins here, but a file holds one document",
                            "remove the `---`, or split the file",
                            code="yaml.several-documents",
                        )
                elif kind is StreamEndEvent:
                    break
        except MarkedYAMLError as error:
            raise _StopError(self.syntax(error, text)) from None
        except YAMLError as error:
            raise _StopError(
                _mistake(self.file, 0, 0, f"the file is not valid YAML: {error}", UNKNOWN_SYNTAX, code="yaml.syntax")
            ) from None
        if self.root is None or self.root[0] is None:
            raise _StopError(_mistake(self.file, 0, 0, "the file is empty", "write `key: value`, or delete the file", code="yaml.empty"))
        data, mark = self.root
        if not isinstance(data, dict):
            raise _StopError(
                _mistake(
                    self.file,
                    mark[2],
                    mark[3],
                    f"expected a mapping at the top, found {described(data)}",
                    "begin with `key: value`",
                    code="yaml.top-level",
                )
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
                self.report(event, "merge keys (`<<`) are not supported", "write the keys out", code="yaml.merge-key")
            elif type(value) is not str:
                self.report(
                    event,
                    f"a key must be a string, not {described(value)}",
                    f'put it in quotes: "{shown(text)}"' if text else "write the key",
                    code="yaml.key-type",
                )
            self.entry(frame, text, event)
            return
        self.add(value, line, column, None)

    def entry(self, frame: _Open, key: str, event: Any) -> None:
        """Store a key; its value follows."""
        if key in frame.data:
            first = frame.inner[key]
            self.report(
                event,
                f"duplicate key `{shown(key)}`",
                f"remove one of the two; the first is in line {first[0] + 1}",
                key,
                code="yaml.duplicate-key",
            )
        frame.key = key
        frame.key_line = event.start_mark.line
        frame.key_column = event.start_mark.column

    def resolve(self, text: str, event: Any) -> Any:
        """Return the meaning of a plain scalar."""
        if text in WORDS:
            return WORDS[text]
        if text[0] not in NUMERIC:
            return text
        if INTEGER.fullmatch(text):
            if len(text) > DIGITS_OF_64_BITS or int(text) not in INT64:
                self.report(event, "the number does not fit in 64 bits", "put it in quotes if it is a name", code="yaml.number")
                return 0
            return int(text)
        if FLOAT.fullmatch(text):
            number = float(text)
            if number in (float("inf"), float("-inf")):
                self.report(event, "the number is too large", "put it in quotes if it is a name", code="yaml.number")
                return 0.0
            return number
        return text

    def tagged(self, event: Any) -> Any:
        """Return the value of a scalar with a tag that is not for strings."""
        kinds = {"int": int, "float": float, "bool": bool, "null": type(None)}
        wanted = kinds.get(event.tag.removeprefix(_STANDARD)) if event.tag.startswith(_STANDARD) else None
        if wanted is None:
            self.report(event, f"unknown tag `{_tag(event.tag)}`", "remove it", code="yaml.tag")
            return event.value
        value = self.resolve(event.value, event)
        if type(value) is not wanted:
            self.report(event, f"`{shown(event.value)}` does not match its tag `{_tag(event.tag)}`", "remove the tag", code="yaml.tag")
        return value

    def open(self, event: Any, *, mapping: bool) -> None:
        mark = event.start_mark
        if event.tag is not None and event.tag not in ("!", _STANDARD + ("map" if mapping else "seq")):
            self.report(event, f"unknown tag `{_tag(event.tag)}`", "remove it", code="yaml.tag")
        if len(self.stack) >= DEEPEST:
            self.stop(event, f"nested deeper than {DEEPEST} levels", "reduce the nesting", code="yaml.nesting")
        self.count(event, 1)
        self.check_no_key(event, "a mapping" if mapping else "a list")
        if event.anchor is not None:
            # No value yet: an alias that finds this lies inside the value of its own anchor.
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
            self.report(
                event,
                f"the alias `*{event.anchor}` has no anchor above it",
                f"add `&{event.anchor}` to the value that it stands for, or put text that begins with `*` in quotes",
                code="yaml.alias",
            )
            anchor: _Anchor | None = _Anchor("", None, 1, 0)
        else:
            anchor = self.anchors[event.anchor]
        if anchor is None:
            self.stop(event, f"the alias `*{event.anchor}` refers to a value that contains it", "write the value out", code="yaml.alias")
        frame = self.stack[-1] if self.stack else None
        self.count(event, anchor.nodes)
        if len(self.stack) + anchor.height > DEEPEST:
            self.stop(event, f"nested deeper than {DEEPEST} levels by an alias", "reduce the nesting", code="yaml.nesting")
        if frame is not None and frame.key is None and type(frame.data) is dict:
            if isinstance(anchor.data, str):
                self.entry(frame, anchor.data, event)
            else:
                self.check_no_key(event, described(anchor.data))
                self.add(None, mark.line, mark.column, None)
            return
        if frame is not None and anchor.height >= frame.height:
            frame.height = anchor.height + 1
        self.add(anchor.data, mark.line, mark.column, anchor.inner)

    def check_no_key(self, event: Any, kind: str) -> None:
        """Report a mapping, list or alias that begins where a key is expected."""
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and type(frame.data) is dict:
            self.report(
                event, f"a key must be a string, not {kind}", "put text that begins with `{` or `[` in quotes", code="yaml.key-type"
            )

    def add(self, value: Any, line: int, column: int, inner: Any) -> None:
        if not self.stack:
            self.root = value, (line, column, line, column, inner)
            return
        frame = self.stack[-1]
        if type(frame.data) is list:
            frame.data.append(value)
            frame.inner.append((line, column, line, column, inner))
        elif frame.key is None:
            # A key that is not a string was reported when it began; its value still needs a key.
            frame.key, frame.key_line, frame.key_column = "?", line, column
        else:
            frame.data[frame.key] = value
            frame.inner[frame.key] = (frame.key_line, frame.key_column, line, column, inner)
            frame.key = None

    def count(self, event: Any, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MOST_NODES:
            self.stop(event, f"more than {MOST_NODES} values, counting those behind aliases", "split the file", code="yaml.size")

    def path(self, key: str | None = None) -> str:
        """Return the dotted path of the current value; with `key`, of that key in it."""
        steps: list[str | int] = []
        for frame in self.stack:
            if type(frame.data) is list:
                steps.append(len(frame.data))
            elif frame.key is not None:
                steps.append(frame.key)
        return dotted(tuple(steps if key is None else [*steps, key]))

    def report(self, event: Any, text: str, remedy: str, key: str | None = None, *, code: Code) -> None:
        mark = event.start_mark
        where = Source(file=self.file, line=mark.line + 1, column=mark.column + 1)
        self.mistakes.append(Mistake(source=where, path=self.path(key), text=text, remedy=remedy, code=code))

    def stop(self, event: Any, text: str, remedy: str, *, code: Code) -> NoReturn:
        self.report(event, text, remedy, code=code)
        raise _StopError(self.mistakes.pop())

    def syntax(self, error: MarkedYAMLError, text: str) -> Mistake:
        code: Code
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        problem = error.problem or "no reason given"
        lines = text.split("\n")
        row = lines[line] if line < len(lines) else ""
        if "tab" in problem.split() or row[column : column + 1] == "\t":
            code, words, remedy = "yaml.tab", "the line is indented with a tab", "indent with spaces"
        elif "cannot start any token" in problem:
            code, words = "yaml.special-character", f"a value cannot begin with `{row[column : column + 1]}`"
            remedy = "put the value in quotes"
        elif "exceeded maximum nesting depth" in problem:  # libyaml's own limit, since 0.2.6, which it meets while it looks ahead
            code, words, remedy = "yaml.nesting", f"nested deeper than {DEEPEST} levels", "reduce the nesting"
        else:
            message = f"{problem}, {error.context}" if error.context else problem
            unknown: tuple[Code, str, str] = ("yaml.syntax", f"not valid YAML: {message}", UNKNOWN_SYNTAX)
            code, words, remedy = next((entry[1:] for entry in SYNTAX if entry[0] in problem), unknown)
        return _mistake(self.file, line, column, words, remedy, code=code)


def _tag(tag: str) -> str:
    return shown("!!" + tag.removeprefix(_STANDARD) if tag.startswith(_STANDARD) else tag)
