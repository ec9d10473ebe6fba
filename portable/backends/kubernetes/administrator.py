"""What only an administrator of the cluster may create, kept apart from what a namespace's owner applies."""

from collections.abc import Iterable

from portable.backends.kubernetes.names import Body, meta
from portable.backends.kubernetes.scope import Scope
from portable.backends.kubernetes.security import ROOT_START

FOLDER = "administrator"
_LEVELS = ("restricted", "baseline", "privileged")


def namespace(scope: Scope, pods: Iterable[Body]) -> Body:
    """The namespace, with the strictest Pod Security level that admits all its pods; a stricter one is only warned about."""
    level = max((pod_security_level(pod) for pod in pods), key=_LEVELS.index, default="restricted")
    labels = scope.labels(scope.plan.stack) | {
        "pod-security.kubernetes.io/enforce": level,
        "pod-security.kubernetes.io/audit": level,
        "pod-security.kubernetes.io/warn": level,
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta(scope.namespace, labels, namespace=None)}


def pod_security_level(pod: Body) -> str:
    """The Pod Security level that admits a pod as it is rendered here (https://kubernetes.io/docs/concepts/security/pod-security-standards/)."""
    contexts = [c.get("securityContext", {}) for c in (*pod.get("initContainers", ()), *pod["containers"])]
    added = {cap for context in contexts for cap in context.get("capabilities", {}).get("add", ())}
    host_paths = any("hostPath" in volume for volume in pod.get("volumes", ()))
    if host_paths or any(context.get("privileged") for context in contexts) or added - set(ROOT_START):
        return "privileged"
    if added or any(not context.get("runAsNonRoot") for context in contexts):
        return "baseline"
    return "restricted"
