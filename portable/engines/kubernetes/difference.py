"""What would change in an object, as paths with values. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from portable.engines.kubernetes.verdict import KubernetesObject

_VOLATILE: Final = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
"""Metadata that the API server writes by itself."""
_SHOWN: Final = 60
"""Characters of a value that are shown."""


def changed_paths(before: KubernetesObject, after: KubernetesObject) -> tuple[str, ...]:
    """Paths whose values differ, as `spec.template.spec.containers[main].image`; status and bookkeeping of the server do not count."""
    return tuple(path for path, _, _ in _differences(_comparable(before), _comparable(after), ""))


def sentences(before: KubernetesObject, after: KubernetesObject, *, most: int = 3) -> str:
    """What differs, for a person: the first few paths with both values, and how many more there are.

    Values of a Secret are never shown.
    """
    found = list(_differences(_comparable(before), _comparable(after), ""))
    secret = before.get("kind") == "Secret"
    shown = [path if secret else f"{path} changes from {_value(old)} to {_value(new)}" for path, old, new in found[:most]]
    more = len(found) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


def _comparable(item: KubernetesObject) -> dict[str, Any]:
    body = {key: value for key, value in item.items() if key != "status"}
    body["metadata"] = {key: value for key, value in item.get("metadata", {}).items() if key not in _VOLATILE}
    return body


def _differences(before: Any, after: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif _is_named(before) and _is_named(after):
        old, new = {item["name"]: item for item in before}, {item["name"]: item for item in after}
        for name in dict.fromkeys((*old, *new)):
            yield from _differences(old.get(name), new.get(name), f"{path}[{name}]")
        if list(old) != list(new) and sorted(old) == sorted(new):
            yield f"{path} (order)", list(old), list(new)
    else:
        yield path, before, after


def _is_named(value: Any) -> bool:
    """Whether it is a list of objects with names of their own: their position says nothing."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return False
    names = [item.get("name") if isinstance(item, Mapping) else None for item in value]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    text = str(value).replace("\n", " ")
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
