"""Objects that only a cluster administrator may create, in a folder apart from those of the namespace's owner."""

from collections.abc import Iterable

from portable.backends.kubernetes.names import Body, meta
from portable.backends.kubernetes.scope import Scope, shared_labels
from portable.backends.kubernetes.security import ROOT_START

FOLDER = "administrator"
_LEVELS = ("restricted", "baseline", "privileged")


def namespace(scope: Scope, pods: Iterable[Body]) -> Body:
    """Return the namespace, with the strictest Pod Security level that admits all its pods.

    Only `enforce` is set: OpenShift's label syncer writes `audit` and `warn`, and applying them would conflict with it. At the same level
    they would report nothing anyway. Several stacks may share the namespace, so it has no stack's labels.
    """
    level = max((pod_security_level(pod) for pod in pods), key=_LEVELS.index, default="restricted")
    labels = shared_labels(scope.namespace) | {"pod-security.kubernetes.io/enforce": level}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta(scope.namespace, labels, namespace=None)}


def pod_security_level(pod: Body) -> str:
    """Return the Pod Security level that admits a rendered pod (https://kubernetes.io/docs/concepts/security/pod-security-standards/)."""
    contexts = [c.get("securityContext", {}) for c in (*pod.get("initContainers", ()), *pod["containers"])]
    added = {cap for context in contexts for cap in context.get("capabilities", {}).get("add", ())}
    host_paths = any("hostPath" in volume for volume in pod.get("volumes", ()))
    if host_paths or any(context.get("privileged") for context in contexts) or added - set(ROOT_START):
        return "privileged"
    if added or any(not context.get("runAsNonRoot") for context in contexts):
        return "baseline"
    return "restricted"
