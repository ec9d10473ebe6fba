"""Walks every leaf of a plan by its path, and copies the plan with one leaf changed, for the mutation test."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from portable.model.exposures import Exposure
from portable.model.external import RemoteValue
from portable.model.metadata import ObjectMetadata
from portable.model.plan import (
    After,
    Endpoint,
    FileMount,
    Link,
    Mount,
    SecretMount,
)

_NAMED_BY: dict[type, Callable[[Any], str]] = {
    Exposure: lambda e: f"{e.app}:{e.port}",
    Mount: lambda m: f"{m.volume}@{m.path}",
    FileMount: lambda f: f"{f.file}@{f.path}",
    SecretMount: lambda s: s.secret,
    After: lambda a: a.app,
    Link: lambda link: link.path,
    Endpoint: lambda e: e.cidr,
    ObjectMetadata: lambda m: f"{m.app or ''}:{m.kind}",
    RemoteValue: lambda v: f"{v.secret}:{v.key}",
}


def name_of(item: object, index: int) -> str:
    """Return the path component for an item of a tuple: the item's name, or its index if it has no name."""
    if (naming := _NAMED_BY.get(type(item))) is not None:
        return naming(item)
    for attribute in ("name", "id"):
        if isinstance(value := getattr(item, attribute, None), str) and isinstance(item, msgspec.Struct) and not hasattr(item, "key"):
            return value
    return str(index)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object, Callable[[Any], Any]]]:
    """Yield (path, leaf, replace) for every leaf; `replace(new)` returns a copy of the whole `value` with that leaf changed.

    A leaf is a scalar, None, or an empty tuple or mapping. The tag of a union is not a leaf: the paths of its fields show it.
    """
    children: Iterator[tuple[str, object, Callable[[Any], Any]]]
    if isinstance(value, msgspec.Struct):
        children = ((field, getattr(value, field), _in_struct(value, field)) for field in value.__struct_fields__)
    elif isinstance(value, tuple) and value:
        children = ((name_of(item, index), item, _in_tuple(value, index)) for index, item in enumerate(value))
    elif isinstance(value, Mapping) and value:
        children = ((key, item, _in_mapping(value, key)) for key, item in sorted(value.items()))
    else:
        yield path, value, lambda new: new
        return
    for step, child, put in children:
        for leaf_path, leaf, replace in leaves(child, f"{path}.{step}" if path else step):
            yield leaf_path, leaf, _through(put, replace)


def _in_struct(value: msgspec.Struct, field: str) -> Callable[[Any], Any]:
    return lambda new: msgspec.structs.replace(value, **{field: new})


def _in_tuple(items: tuple[Any, ...], index: int) -> Callable[[Any], Any]:
    return lambda new: (*items[:index], new, *items[index + 1 :])


def _in_mapping(mapping: Mapping[str, Any], key: str) -> Callable[[Any], Any]:
    return lambda new: {**mapping, key: new}


def _through(put: Callable[[Any], Any], replace: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda new: put(replace(new))
