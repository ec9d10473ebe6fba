"""Who an object of a cluster belongs to: this stack, another one, another tool, or a person who changed it by hand. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from portable.engines.kubernetes.cluster import MANAGER
from portable.engines.kubernetes.verdict import KubernetesObject
from portable.live.kubernetes.stack import INSTANCE, MANAGED_BY, PORTABLE

_TOOLS_OF_PEOPLE: Final = ("kubectl", "oc", "k9s", "Mozilla")
"""Field managers behind which a person sits; `Mozilla` is the console of OpenShift in a browser."""


def is_by_hand(manager: str) -> bool:
    """Whether a field manager is a tool that a person types into: `kubectl`, `kubectl-edit`, `oc-patch`. `up` mends what it changed."""
    return any(manager == tool or manager.startswith(f"{tool}-") for tool in _TOOLS_OF_PEOPLE)


def other_tool(item: KubernetesObject) -> str:
    """The GitOps controller or Helm release that owns an object, for a person; empty where none does."""
    labels, annotations = _labels(item), item["metadata"].get("annotations") or {}
    for found in (labels.get("argocd.argoproj.io/instance"), annotations.get("argocd.argoproj.io/tracking-id")):
        if found:
            return f"Argo CD (application {str(found).partition(':')[0]})"
    if name := labels.get("kustomize.toolkit.fluxcd.io/name") or labels.get("helm.toolkit.fluxcd.io/name"):
        return f"Flux ({name})"
    if labels.get(MANAGED_BY) == "Helm":
        return f"Helm (release {annotations.get('meta.helm.sh/release-name') or 'unknown'})"
    return ""


def instance_of(item: KubernetesObject) -> str:
    """The stack and profile that an object of `portable` belongs to; empty for one that it does not manage or that is shared."""
    labels = _labels(item)
    return str(labels.get(INSTANCE) or "") if labels.get(MANAGED_BY) == PORTABLE else ""


def is_managed(item: KubernetesObject) -> bool:
    """Whether `portable` manages an object, for whatever stack."""
    return _labels(item).get(MANAGED_BY) == PORTABLE


def has_applied(item: KubernetesObject) -> bool:
    """Whether `portable` has applied fields of an object."""
    return any(entry.get("manager") == MANAGER and entry.get("operation") == "Apply" for entry in _managers(item))


def _labels(item: KubernetesObject) -> Mapping[str, Any]:
    return item["metadata"].get("labels") or {}


def _managers(item: KubernetesObject) -> tuple[Mapping[str, Any], ...]:
    return tuple(item["metadata"].get("managedFields") or ())


def was_edited(item: KubernetesObject) -> bool:
    """Whether a person changed what an object does by hand, with a tool that leaves its name."""
    edits = (entry for entry in _managers(item) if is_by_hand(str(entry.get("manager"))) and not entry.get("subresource"))
    return any({*(entry.get("fieldsV1") or {})} - {"f:metadata", "f:status"} for entry in edits)


def without_additions(item: KubernetesObject) -> dict[str, Any]:
    """The object without the fields that a person added by hand and that `portable` has no word for.

    Only what an object does counts: labels, annotations and the status stay as they are.
    """
    body: dict[str, Any] = _copied(item)
    own: dict[str, Any] = {}
    for entry in _managers(item):
        if not is_by_hand(str(entry.get("manager"))):
            _merge(own, entry.get("fieldsV1") or {})
    for entry in _managers(item):
        if is_by_hand(str(entry.get("manager"))) and entry.get("subresource") in (None, ""):
            fields = {key: value for key, value in (entry.get("fieldsV1") or {}).items() if key not in ("f:metadata", "f:status")}
            _remove(body, fields, own, ())
    return body


def _remove(value: Any, fields: Mapping[str, Any], own: Mapping[str, Any], path: tuple[str, ...]) -> None:
    """Remove the fields of a set from a value, but for those that another set has."""
    for key, inner in fields.items():
        if key == "." or (path[-1:] == ("template",) and key == "f:metadata"):
            continue
        child = _child(value, key)
        if child is None:
            continue
        mine = own.get(key)
        if mine is None:
            _drop(value, key)
        elif inner:
            _remove(child[0], inner, mine, (*path, key.removeprefix("f:")))


def _child(value: Any, key: str) -> tuple[Any] | None:
    """The child of a value under a key of `fieldsV1`; None where it has none."""
    kind, _, name = key.partition(":")
    if kind == "f" and isinstance(value, dict) and name in value:
        return (value[name],)
    if kind == "k" and isinstance(value, list) and (position := _position(value, name)) is not None:
        return (value[position],)
    if kind == "v" and isinstance(value, list) and (found := _decoded(name)) in value:
        return (found,)
    return None


def _drop(value: Any, key: str) -> None:
    kind, _, name = key.partition(":")
    if kind == "f":
        del value[name]
    elif kind == "k":
        value.pop(_position(value, name))
    else:
        value.remove(_decoded(name))


def _position(items: list[Any], keys: str) -> int | None:
    wanted = _decoded(keys)
    for number, item in enumerate(items):
        if isinstance(item, dict) and isinstance(wanted, dict) and all(item.get(name) == value for name, value in wanted.items()):
            return number
    return None


def _decoded(text: str) -> Any:
    import json

    return json.loads(text)


def _merge(into: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for key, inner in fields.items():
        _merge(into.setdefault(key, {}), inner or {})


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value
