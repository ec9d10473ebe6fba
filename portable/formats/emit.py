"""Writes plain data as YAML that every reader of YAML 1.1 or 1.2 reads back as the same data. Independent of back ends.

A string is plain only if no reader could take it for another type. Text of several lines is a literal block; all else is JSON-quoted.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

Data: TypeAlias = "Mapping[str, Data] | Sequence[Data] | str | int | float | bool | None"


class Interpolated(str):
    """A string that Compose itself interpolates, such as `${NAME:?missing}`: its `$` is never doubled."""

    __slots__ = ()


# It begins with no digit, sign or dot: not a number, date or sexagesimal in any version of YAML. Without blanks: no comment or mapping.
_PLAIN: Final = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_./@:-]*[A-Za-z0-9_./@-])?")
# YAML 1.1 lists only some spellings of these, and readers differ in which they accept: every spelling is quoted.
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
_LONGEST_WORD: Final = 5
# Characters that json.dumps leaves raw, but that YAML forbids or folds as a line break (NEL, LS, PS), or that are invisible (no-break
# space, soft hyphen, zero width, direction marks, BOM). Characters beyond the BMP stay raw: surrogate pairs of JSON are not valid YAML.
_HIDDEN_CHARACTERS: Final = r"\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
# Most stacks are ASCII: `re` compiles these two when they are first used.
_HIDDEN: Final = f"[{_HIDDEN_CHARACTERS}]"
_SURROGATE: Final = r"[\ud800-\udfff]"
_DELETE: Final = "\x7f"
"""The one hidden character of ASCII that JSON leaves raw."""
# A literal block preserves only visible text, and editors silently remove blanks at the end of a line.
_NO_BLOCK: Final = re.compile(rf"\A[ \t\n]|[ \t](?:\n|\Z)|[\x00-\x08\x0b-\x1f{_HIDDEN_CHARACTERS}\ud800-\udfff]")
_LINE: Final = re.compile(r"\n(?!\n)")
# A simple key has at most 1024 characters (YAML 1.2.2, 7.4); a longer one is written with `? `.
_LONGEST_SIMPLE_KEY: Final = 1000
_MOST_TEXTS: Final = 16_384
_INT64: Final = range(-(2**63), 2**63)
_json: Final = json.JSONEncoder(ensure_ascii=False).encode


def dump(document: Data, *, compose: bool = False, first: tuple[str, ...] = ()) -> str:
    """Return one document as YAML text that ends with a line break.

    Keys are sorted; at every level, those of `first` come first, in that order. With `compose`, each `$` of a value is doubled, so that
    Compose passes it on unchanged; an `Interpolated` value stays for Compose to interpolate. Compose never interpolates keys, so they are
    never doubled.

    Raises TypeError for data that is not plain (a set, a number as a key), and ValueError for a value that no reader would return (a lone
    surrogate, a number beyond 64 bits, infinity). Both name the path.
    """
    writer = _Writer(compose=compose, first=first)
    try:
        writer.document(document)
    except _RefusedError as refused:
        raise refused.kind(f"{refused.path or 'the document'}: {refused.text}") from None
    return "\n".join(writer.lines) + "\n"


def dump_all(documents: Iterable[Data], *, compose: bool = False, first: tuple[str, ...] = ()) -> str:
    """Return several documents as one text, with `---` between them; otherwise as `dump`."""
    return "---\n".join(dump(document, compose=compose, first=first) for document in documents)


class _RefusedError(Exception):
    """Becomes a TypeError or ValueError at the root; collects the path on the way up."""

    def __init__(self, kind: type[TypeError] | type[ValueError], text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.path = ""

    def below(self, step: str) -> "_RefusedError":
        self.path = step + ("." if self.path and not self.path.startswith("[") else "") + self.path
        return self


class _Texts:
    """The texts of keys and strings, and the orders of keys, that documents of one kind share: most of them repeat in a stack."""

    __slots__ = ("names", "orders", "values")

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.orders: dict[tuple[str, ...], list[str]] = {}

    def bounded(self) -> "_Texts":
        """Return itself, emptied where it has grown large."""
        for known in (self.names, self.values, self.orders):
            if len(known) > _MOST_TEXTS:
                known.clear()
        return self


_TEXTS: Final[defaultdict[tuple[bool, tuple[str, ...]], _Texts]] = defaultdict(_Texts)
"""By the kind of document: whether it is Compose's, and its first keys."""


# Tuples, because `dict | Mapping` would be made anew for each value; the usual type is first.
_MAPPINGS: Final = (dict, Mapping)
_SEQUENCES: Final = (list, tuple)


class _Writer:
    """The lines of one document."""

    __slots__ = ("compose", "first", "lines", "names", "orders", "values")

    def __init__(self, *, compose: bool, first: tuple[str, ...]) -> None:
        self.compose = compose
        self.first = first
        self.lines: list[str] = []
        known = _TEXTS[compose, first].bounded()
        self.names, self.values, self.orders = known.names, known.values, known.orders

    def document(self, value: Data) -> None:
        if value and isinstance(value, Mapping):
            self.mapping(value, "", "")
        elif value and isinstance(value, list | tuple):
            self.sequence(value, "", "")
        else:
            self.lines.append(self.leaf(value, ""))

    def mapping(self, data: Mapping[str, Data], lead: str, pad: str) -> None:
        """Write a mapping that is not empty; `lead` begins its first line and `pad` the other lines."""
        names, values, append = self.names, self.values, self.lines.append
        key: object = None
        given = tuple(data)
        keys = self.orders.get(given) or self.order(given)
        try:
            for key in keys:
                value = data[key]
                name = names.get(key) or self.key(key, pad)
                if type(value) is str:
                    append(f"{lead}{name}: {values.get(value) or self.leaf(value, pad)}")
                elif value and isinstance(value, _MAPPINGS):
                    append(f"{lead}{name}:")
                    inner = pad + "  "
                    self.mapping(value, inner, inner)
                elif value and isinstance(value, _SEQUENCES):
                    append(f"{lead}{name}:")
                    inner = pad + "  "
                    self.sequence(value, inner, inner)
                else:
                    append(f"{lead}{name}: {self.leaf(value, pad)}")
                lead = pad
        except _RefusedError as refused:
            raise refused.below(str(key)) from None

    def sequence(self, data: Sequence[Data], lead: str, pad: str) -> None:
        """Write a sequence that is not empty; `lead` begins its first line and `pad` the other lines."""
        index = -1
        try:
            for value in data:
                index += 1
                if type(value) is str:
                    self.lines.append(f"{lead}- {self.values.get(value) or self.leaf(value, pad)}")
                elif value and isinstance(value, _MAPPINGS):
                    self.mapping(value, lead + "- ", pad + "  ")
                elif value and isinstance(value, _SEQUENCES):
                    self.sequence(value, lead + "- ", pad + "  ")
                else:
                    self.lines.append(f"{lead}- {self.leaf(value, pad)}")
                lead = pad
        except _RefusedError as refused:
            raise refused.below(f"[{index}]") from None

    def order(self, given: tuple[str, ...]) -> list[str]:
        try:
            rest = sorted(given)
        except TypeError:
            raise _RefusedError(TypeError, "its keys are not all strings") from None
        head = [key for key in self.first if key in given]
        keys = head + [key for key in rest if key not in head] if head else rest
        self.orders[given] = keys
        return keys

    def key(self, key: str, pad: str) -> str:
        """Return the text of a key, up to its colon."""
        if not isinstance(key, str):
            raise _RefusedError(TypeError, f"a key must be a string, not {type(key).__name__}")
        text = _one_line(key)
        if len(text) > _LONGEST_SIMPLE_KEY:
            return f"? {text}\n{pad}"
        self.names[key] = text
        return text

    def leaf(self, value: Data, pad: str) -> str:
        """Return the text of a value without entries, to follow a colon or a dash; `pad` is the indentation of its line."""
        kind = type(value)
        if isinstance(value, str) and (kind is str or kind is Interpolated):
            text = value.replace("$", "$$") if self.compose and kind is str else value
            if "\n" in text and not _NO_BLOCK.search(text):
                return _block(text, pad + "  ")
            text = _one_line(text)
            if kind is str:
                self.values[value] = text
            return text
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return _whole(value)
        if isinstance(value, float):
            return _float(value)
        if isinstance(value, list | tuple):
            return "[]"
        if isinstance(value, Mapping):
            return "{}"
        raise _RefusedError(TypeError, f"{kind.__name__} is not plain data")


def _one_line(text: str) -> str:
    if _PLAIN.fullmatch(text) and (len(text) > _LONGEST_WORD or text.lower() not in _WORDS):
        return str(text)
    if text.isascii() and _DELETE not in text:
        return _json(text)
    if re.search(_SURROGATE, text):
        raise _RefusedError(ValueError, "it contains half of a surrogate pair, which no encoding can represent")
    return re.sub(_HIDDEN, _escape, _json(text))


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _block(text: str, pad: str) -> str:
    body = text.rstrip("\n")
    breaks = len(text) - len(body)
    chomping = "-" if breaks == 0 else "" if breaks == 1 else "+"
    return f"|{chomping}\n{pad}" + _LINE.sub("\n" + pad, body) + "\n" * (breaks - 1)


def _whole(value: int) -> str:
    if value not in _INT64:
        raise _RefusedError(ValueError, "the number does not fit in 64 bits, and readers would round it")
    return int.__repr__(value)


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise _RefusedError(ValueError, f"{value} is not a number in JSON")
    text = float.__repr__(value)
    # YAML 1.1 reads 1e+16 as a string: it requires the point.
    return text if "." in text else text.replace("e", ".0e")
