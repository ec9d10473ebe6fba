"""Loads YAML files into typed structs, and reports all mistakes at once, each with file, line and column."""

from typing import TypeVar

import msgspec

from portable.formats.document import Document, Input
from portable.formats.kept import kept
from portable.model.errors import InputError
from portable.model.source import Mistake

T = TypeVar("T")


def load(file: Input) -> Document:
    """Read one file: a mapping in YAML, encoded as UTF-8.

    Unquoted `true`, `false`, decimal numbers, `null`, `~` and empty values have their usual type; every other unquoted value is a string
    (`yes`, `017`, `12:30`, dates). Raises InputError with every mistake: an unreadable, too large or binary file, syntax errors, duplicate
    keys, keys that are not strings, merge keys, tags, several documents.
    """
    document, mistakes = _parsed(file)
    if mistakes:
        raise InputError(mistakes)
    return document


def read(file: Input, kind: type[T]) -> tuple[T, Document]:
    """`load` and `convert` in one, so that an InputError carries the mistakes of both."""
    document, mistakes = _parsed(file)
    try:
        value = convert(document, kind)
    except InputError as error:
        raise InputError((*mistakes, *error.mistakes)) from None
    if mistakes:
        raise InputError(mistakes)
    return value, document


def convert(document: Document, kind: type[T]) -> T:
    """Return the document as a value of type `kind`.

    Raises InputError with every mistake: unknown and missing keys, wrong types and values, limits, and checks in the code of the type.
    """
    try:
        return msgspec.convert(document.data, kind, strict=True)
    except msgspec.ValidationError as error:
        from portable.formats.complaints import all_mistakes, one_mistake  # only for a mistake: the import takes 10 ms

        # The validator finds all mistakes, except for checks in the code of a type; msgspec finds those, but only the first mistake.
        raise InputError(all_mistakes(document, kind) or (one_mistake(document, kind, str(error)),)) from None


def _parsed(file: Input) -> tuple[Document, tuple[Mistake, ...]]:
    """Return the document as it was kept, or else parse it; with its minor mistakes. Raises InputError for a mistake that ends parsing."""
    keeper = None if isinstance(file, tuple) else kept()  # what was typed on the command line may be a secret
    content = None if keeper is None else keeper.content(str(file))
    if keeper is not None and content is not None and (found := keeper.get(content)) is not None:
        return Document(str(file), *found), ()
    from portable.formats.parse import parse  # loading the YAML library takes 14 ms

    document, mistakes = parse(file if content is None else (str(file), content))
    if keeper is not None and content is not None and not mistakes:
        keeper.put(content, document.data, document.root)
    return document, mistakes
