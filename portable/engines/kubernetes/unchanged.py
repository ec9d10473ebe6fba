"""Whether a server-side apply would change nothing, from the object alone: no request is needed for what is as it should be. Pure.

An apply leaves an object as it is where its manager owns exactly the fields of the applied document, and each has that value already
(https://kubernetes.io/docs/reference/using-api/server-side-apply/). `managedFields` says which fields a manager owns, in the API server's
own form. Where this module is not certain (a value in another notation, an item in another place) it answers no, and the caller asks
the API server.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from portable.engines.kubernetes.verdict import KubernetesObject

Fields = Mapping[str, Any]
"""A set of fields as `managedFields` has it: `f:` and a name, `k:` and the keys of a list's item, `v:` and a value."""
_IDENTITY: Final = ("apiVersion", "kind")
_NAMES: Final = ("name", "namespace")
"""What names an object is in no set of fields."""
_DEFAULT_KEYS: Final = {"protocol": "TCP"}
"""The keys of list items that a document may leave out: the API server adds them before it records who owns the item."""


def is_unchanged_by(live: KubernetesObject, body: KubernetesObject, manager: str) -> bool:
    """Whether the manager's apply of the document would certainly leave the live object as it is."""
    entries = [
        entry
        for entry in live["metadata"].get("managedFields") or ()
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")
    ]
    if len(entries) != 1 or entries[0].get("apiVersion") != body["apiVersion"] or live["metadata"].get("deletionTimestamp"):
        return False
    wanted: dict[str, Any] = {key: value for key, value in body.items() if key not in _IDENTITY}
    wanted["metadata"] = {key: value for key, value in body["metadata"].items() if key not in _NAMES}
    if not wanted["metadata"]:
        del wanted["metadata"]
    return _is_same(wanted, live, entries[0].get("fieldsV1") or {})


def _is_same(wanted: Any, live: Any, fields: Fields) -> bool:
    """Whether the wanted value is the live one in every field of the set, and the set has no field besides."""
    inner = {key: value for key, value in fields.items() if key != "."}
    if not inner:  # a leaf, or a mapping or list that is owned as one
        return bool(wanted == live)
    kinds = {key.partition(":")[0] for key in inner}
    if kinds == {"f"}:
        return _is_same_mapping(wanted, live, inner)
    if kinds == {"k"}:
        return _are_same_items(wanted, live, inner)
    return kinds == {"v"} and wanted == live and sorted(map(_key_of_value, wanted)) == sorted(inner)


def _is_same_mapping(wanted: Any, live: Any, fields: Fields) -> bool:
    if not isinstance(wanted, Mapping) or not isinstance(live, Mapping):
        return False
    if {f"f:{key}" for key in wanted} != set(fields):
        return False
    return all(key in live and _is_same(wanted[key], live[key], fields[f"f:{key}"]) for key in wanted)


def _are_same_items(wanted: Any, live: Any, fields: Fields) -> bool:
    """Whether a list has the same items in the same places: items of other owners between them leave it uncertain."""
    if not isinstance(wanted, list | tuple) or not isinstance(live, list | tuple):
        return False
    if len(wanted) != len(live) or len(wanted) != len(fields):
        return False
    sets = [(json.loads(key.partition(":")[2]), value) for key, value in fields.items()]
    for mine, theirs in zip(wanted, live, strict=True):
        found = next(((keys, value) for keys, value in sets if _has_keys(mine, keys) and _has_keys(theirs, keys)), None)
        if found is None:
            return False
        keys, value = found
        added = {key: default for key, default in _DEFAULT_KEYS.items() if f"f:{key}" in value and key in keys and key not in mine}
        if not _is_same({**mine, **added}, theirs, value):
            return False
    return True


def _has_keys(item: Any, keys: Mapping[str, Any]) -> bool:
    return isinstance(item, Mapping) and all(item.get(key, _DEFAULT_KEYS.get(key)) == value for key, value in keys.items())


def _key_of_value(value: Any) -> str:
    return f"v:{json.dumps(value)}"
