"""Lays one document over another: maps merge, lists and scalars replace, null removes. Each value keeps its position.

Some keys contain changes to other documents, by name (`override`, by app): null stays there, because it removes something later.
"""

from collections.abc import Collection, Mapping
from typing import Any

from portable.formats.document import Document, Steps
from portable.model.source import Source

Layer = tuple[Document, Steps]
"""A document, or its part below these steps."""


def merged(below: Mapping[str, Any], above: Mapping[str, Any], *, changes: Collection[str] = ()) -> dict[str, Any]:
    """Return the data of both as a new mapping; neither is changed. `changes` are the top keys with changes to other documents."""
    result = dict(below)
    for key, value in above.items():
        if value is None:
            result.pop(key, None)
        elif key in changes and isinstance(value, Mapping):
            result[key] = _changes(result.get(key), value)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        elif isinstance(value, Mapping):
            result[key] = merged({}, value)
        else:
            result[key] = value
    return result


def _changes(below: Any, above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge changes to documents, by name: null for a name removes its changes; a null inside is a change like any other."""
    result = dict(below) if isinstance(below, Mapping) else {}
    for name, change in above.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = _change(result.get(name), change)
    return result


def _change(below: Any, above: Any) -> Any:
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{key: _change(below.get(key), value) for key, value in above.items()}}


class Merged(Document):
    """Documents laid over one another; a value has its position in the topmost layer that sets it."""

    __slots__ = ("_layers",)

    def __init__(self, data: dict[str, Any], layers: tuple[Layer, ...]) -> None:
        """`layers` go from the lowest, whose file names the whole, to the topmost."""
        self.file, self.data, self._layers = layers[0][0].file, data, layers

    def source(self, steps: Steps = ()) -> Source:
        """Return where the value at `steps` begins, in the topmost layer that has it."""
        document, prefix = self._holder(steps)
        return document.source((*prefix, *steps))

    def key(self, steps: Steps = ()) -> Source:
        """Return where the key at `steps` begins, in the topmost layer that has it."""
        document, prefix = self._holder(steps)
        return document.key((*prefix, *steps))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The documents, or their parts, from the lowest to the topmost."""
        return self._layers

    def replaced(self, key: str) -> list[tuple[Any, Source]]:
        """Return the lists of lower layers at a top key that a higher layer replaces, each with its position."""
        documents = [document for document, prefix in self._layers if not prefix and document.data.get(key) is not None]
        return [(document.data[key], document.source((key,))) for document in documents[:-1]]

    def _holder(self, steps: Steps) -> Layer:
        """Return the topmost layer that sets or replaces the value; else the one with the longest part of its path."""
        best, longest = self._layers[0], 0
        if not steps:
            return best
        for document, prefix in reversed(self._layers):
            length, decided = _way(document.data, prefix, steps)
            if decided:
                return document, prefix
            if length > longest:
                best, longest = (document, prefix), length
        return best


def lay(base: Document, *above: tuple[Layer, Mapping[str, Any]], changes: Collection[str] = ()) -> Document:
    """Return `base` with the data of each layer over it, in order; `base` itself without layers. `changes` as for `merged`."""
    if not above:
        return base
    data: dict[str, Any] = base.data
    for _, over in above:
        data = merged(data, over, changes=changes)
    return Merged(data, ((base, ()), *(layer for layer, _ in above)))


def layers_of(document: Document) -> tuple[Layer, ...]:
    """Return the layers of a document, from the lowest to the topmost; a document of one file is its only layer."""
    return document.layers if isinstance(document, Merged) else ((document, ()),)


def _way(data: Any, prefix: Steps, steps: Steps) -> tuple[int, bool]:
    """Return how many steps exist in a layer, and whether it hides the layers below: lists and scalars replace, maps merge."""
    for step in prefix:
        data = data[step]
    for length, step in enumerate(steps):
        if not isinstance(data, Mapping):
            return length, True
        if step not in data:
            return length, False
        data = data[step]
    return len(steps), True
