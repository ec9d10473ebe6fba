"""Undoes changes by hand in an object, field by field, as the API server recorded them. Pure.

Server-side apply restores only fields of the rendered object. It leaves additions alone: a variable, a container, a second port.
"""

import json
from collections.abc import Mapping
from typing import Any

from portable.engines.kubernetes.verdict import KubernetesObject
from portable.live.kubernetes.owners import is_by_hand, managers_of

Fields = Mapping[str, Any]
"""A set of fields as `managedFields` has it: `f:` and a name, `k:` and the keys of a list's item, `v:` and a value."""


def was_edited(item: KubernetesObject) -> bool:
    """Whether a person changed what an object does by hand, with a tool that leaves its name."""
    return any(_edited_fields(entry) for entry in managers_of(item))


def restore_fields(item: KubernetesObject, desired: Mapping[str, Any]) -> dict[str, Any]:
    """The object without changes by hand: a changed field gets its desired value, or is removed where it has none.

    Labels, annotations and the status stay as they are, and so do fields that another manager owns as well.
    """
    body: dict[str, Any] = _copied(item)
    own: dict[str, Any] = {}
    for entry in managers_of(item):
        if not is_by_hand(str(entry.get("manager"))):
            _merge(own, entry.get("fieldsV1") or {})
    for entry in managers_of(item):
        _restore(body, _edited_fields(entry), own, desired, ())
    return body


def _edited_fields(entry: Mapping[str, Any]) -> Fields:
    """The fields of a manager that count, where it is a person's."""
    if not is_by_hand(str(entry.get("manager"))) or entry.get("subresource"):
        return {}
    return {key: value for key, value in (entry.get("fieldsV1") or {}).items() if key not in ("f:metadata", "f:status")}


def _restore(value: Any, fields: Fields, own: Fields, desired: Any, path: tuple[str, ...]) -> None:
    for key, inner in fields.items():
        if key == "." or (path[-1:] == ("f:template",) and key == "f:metadata"):
            continue
        child, wanted = _child(value, key), _child(desired, key)
        if child is None:
            continue
        if key not in own:
            _put(value, key, wanted)
        elif inner:
            _restore(child[0], inner, own[key], wanted[0] if wanted else None, (*path, key))


def _child(value: Any, key: str) -> tuple[Any] | None:
    """The child of a value under a key of a set of fields; None where it has none."""
    kind, _, name = key.partition(":")
    if kind == "f" and isinstance(value, Mapping) and name in value:
        return (value[name],)
    if kind == "k" and isinstance(value, list | tuple) and (position := _position(value, name)) is not None:
        return (value[position],)
    if kind == "v" and isinstance(value, list | tuple) and (found := json.loads(name)) in value:
        return (found,)
    return None


def _put(value: Any, key: str, wanted: tuple[Any] | None) -> None:
    """Put the wanted value under a key, or remove what is there."""
    kind, _, name = key.partition(":")
    if kind == "f":
        if wanted:
            value[name] = _copied(wanted[0])
        else:
            del value[name]
    elif kind == "k":
        position = _position(value, name)
        assert position is not None
        value[position : position + 1] = [_copied(wanted[0])] if wanted else []
    elif not wanted:
        value.remove(json.loads(name))


def _position(items: Any, keys: str) -> int | None:
    """Where the item with these keys stands. A protocol that a file leaves out is TCP, as the API server has it."""
    wanted = json.loads(keys)
    for number, item in enumerate(items):
        if isinstance(item, Mapping) and all(
            item.get(name, "TCP" if name == "protocol" else None) == value for name, value in wanted.items()
        ):
            return number
    return None


def _merge(into: dict[str, Any], fields: Fields) -> None:
    for key, inner in fields.items():
        _merge(into.setdefault(key, {}), inner or {})


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list | tuple) else value
