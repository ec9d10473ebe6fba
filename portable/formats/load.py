"""Loads YAML files into typed structs, and reports all mistakes at once, each with file, line and column."""

from typing import TYPE_CHECKING, TypeVar

import msgspec

from portable.model.errors import InputError

if TYPE_CHECKING:
    pass
from portable.formats.complaints import all_mistakes, one_mistake
from portable.formats.document import Document, Input
from portable.formats.parse import parse

T = TypeVar("T")


def load(file: Input) -> Document:
    """Read one file: a mapping in YAML, in UTF-8.

    Plain `true`, `false`, decimal numbers, `null`, `~` and nothing have their meaning; every other plain value is a string (`yes`, `017`,
    `12:30`, dates). Raises InputError with every mistake found: a file that can't be read, is too large or no text, syntax, a key twice, a
    key that is no string, merge keys, tags, more than one document.
    """
    document, mistakes = parse(file)
    if mistakes:
        raise InputError(mistakes)
    return document


def read(file: Input, kind: type[T]) -> tuple[T, Document]:
    """`load` and `convert` in one, so that an InputError has the mistakes of both."""
    document, mistakes = parse(file)
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
        raise InputError(all_mistakes(document, kind) or (one_mistake(document, kind, str(error)),)) from None
