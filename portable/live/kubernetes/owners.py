"""Who an object of a cluster belongs to: this stack, another one, another tool, or a person who changed it by hand. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from portable.engines.kubernetes.cluster import MANAGER
from portable.engines.kubernetes.verdict import KubernetesObject
from portable.live.kubernetes.stack import INSTANCE, MANAGED_BY, PORTABLE

_TOOLS_OF_PEOPLE: Final = ("kubectl", "oc", "k9s", "Mozilla")
"""Field managers behind which a person sits; `Mozilla` is the console of OpenShift in a browser."""


_MARKS: Final = {
    "labels": (
        "argocd.argoproj.io/instance",
        *(f"{tool}.toolkit.fluxcd.io/{key}" for tool in ("kustomize", "helm") for key in ("name", "namespace")),
    ),
    "annotations": ("argocd.argoproj.io/tracking-id", "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"),
}
"""By which other tools know their objects (docs/facts/gitops.md#how-each-marks-its-objects)."""
_MANAGERS: Final = ("argocd-application-controller", "argocd-controller", "helm", "helm-controller", "kustomize-controller")
"""Field managers of these tools."""


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


def without_marks(item: KubernetesObject) -> dict[str, Any]:
    """The object as it is, but of no other tool: without its labels and annotations, and with no field of its manager."""
    metadata = dict(item["metadata"])
    for kind, keys in _MARKS.items():
        if marks := metadata.get(kind):
            metadata[kind] = {key: value for key, value in marks.items() if key not in keys}
    if (metadata.get("labels") or {}).get(MANAGED_BY) == "Helm":
        del metadata["labels"][MANAGED_BY]
    metadata["managedFields"] = [entry for entry in managers_of(item) if entry.get("manager") not in _MANAGERS]
    return {**item, "metadata": metadata}


def instance_of(item: KubernetesObject) -> str:
    """The stack and profile that an object of `portable` belongs to; empty for one that it does not manage or that is shared."""
    labels = _labels(item)
    return str(labels.get(INSTANCE) or "") if labels.get(MANAGED_BY) == PORTABLE else ""


def is_managed(item: KubernetesObject) -> bool:
    """Whether `portable` manages an object, for whatever stack."""
    return _labels(item).get(MANAGED_BY) == PORTABLE


def has_applied(item: KubernetesObject) -> bool:
    """Whether `portable` has applied fields of an object."""
    return any(entry.get("manager") == MANAGER and entry.get("operation") == "Apply" for entry in managers_of(item))


def _labels(item: KubernetesObject) -> Mapping[str, Any]:
    return item["metadata"].get("labels") or {}


def managers_of(item: KubernetesObject) -> tuple[Mapping[str, Any], ...]:
    """The field managers of an object, each with the fields that it owns."""
    return tuple(item["metadata"].get("managedFields") or ())
