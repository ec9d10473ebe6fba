"""The SCC that admits each pod, with the reason; the SCCs and roles that an administrator creates; the account of each pod.

Each pod gets the least SCC that admits it: `restricted-v2`, `nonroot-v2`, two of our own, or `privileged`. `anyuid` is never used: it
does not admit pods that add a capability or set a seccomp profile, and any other pod would get more rights than it needs
(docs/facts/openshift.md#how-a-pod-gets-its-scc).
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from portable.backends.kubernetes.accounts import account_of
from portable.backends.kubernetes.names import Body, dns_label, meta
from portable.backends.kubernetes.scope import Scope, shared_labels
from portable.backends.kubernetes.security import NET_ADMIN, ROOT_START
from portable.model.base import Struct

REQUIRED: Final = "openshift.io/required-scc"
Scc = Literal["restricted-v2", "nonroot-v2", "portable-root", "portable-vpn", "privileged"]
ORDER: Final[tuple[Scc, ...]] = ("restricted-v2", "nonroot-v2", "portable-root", "portable-vpn", "privileged")
"""From the least to the most rights."""
OWN: Final[Mapping[Scc, tuple[str, ...]]] = {"portable-root": ROOT_START, "portable-vpn": (*ROOT_START, NET_ADMIN)}
"""Our SCCs, and the capabilities that each allows."""
_EVERYBODY: Final = "restricted-v2"
"""OpenShift itself binds it to every authenticated account."""
_SUFFIX: Final[Mapping[Scc, str]] = {
    "restricted-v2": "plain",
    "nonroot-v2": "user",
    "portable-root": "root",
    "portable-vpn": "vpn",
    "privileged": "fuse",
}


class Admission(Struct, frozen=True, kw_only=True):
    """The SCC that admits the pod of a group, the reason, and the pod's account."""

    scc: Scc
    reason: str
    account: str


def admitting(pod: Body) -> tuple[Scc, str]:
    """Return the least SCC that admits a rendered pod, and the reason."""
    containers = [(c["name"], c.get("securityContext", {})) for c in (*pod.get("initContainers", ()), *pod["containers"])]
    if privileged := [name for name, context in containers if context.get("privileged")]:
        return "privileged", f"{_and(privileged)} mounts FUSE for other containers, which requires a privileged container"
    if nodes := [volume["hostPath"]["path"] for volume in pod.get("volumes", ()) if "hostPath" in volume]:
        return "privileged", f"{_and(nodes)} is mounted from the node; a device plug-in or a CRI-O annotation would need no SCC"
    adders = {name: set(context.get("capabilities", {}).get("add", ())) for name, context in containers}
    beyond = {name: sorted(added - set(OWN["portable-vpn"])) for name, added in adders.items() if added - set(OWN["portable-vpn"])}
    if beyond:
        return "privileged", "; ".join(f"{name} needs {_and(added)}" for name, added in beyond.items())
    if gateways := [name for name, added in adders.items() if NET_ADMIN in added]:
        return "portable-vpn", f"{_and(gateways)} configures the pod's network: NET_ADMIN"
    if roots := [name for name, context in containers if context.get("runAsUser") == 0 or adders[name]]:
        return "portable-root", f"{_and(roots)} starts as root and drops to its user"
    if users := sorted({context["runAsUser"] for _, context in containers if "runAsUser" in context}):
        return "nonroot-v2", f"runs as uid {_and([str(user) for user in users])}, outside the range of the namespace"
    return "restricted-v2", "needs no special rights"


def admissions(scope: Scope, pods: Mapping[str, Body]) -> dict[str, Admission]:
    """Return the SCC and the account of each group's pod.

    Each account may use one SCC only, so that no pod gets more rights than it needs. If groups of one account need several SCCs, the
    account with the least keeps the name, and the others get a suffix (`managers`, `managers-fuse`).
    """
    least_sccs = {group.name: admitting(pods[group.name]) for group in scope.plan.groups}
    needed: dict[str, set[Scc]] = {}
    for group in scope.plan.groups:
        needed.setdefault(account_of(scope, group), set()).add(least_sccs[group.name][0])
    admitted: dict[str, Admission] = {}
    for group in scope.plan.groups:
        scc, reason = least_sccs[group.name]
        base = account_of(scope, group)
        least = min(needed[base], key=ORDER.index)
        account = base if scc == least else dns_label(f"{base}-{_SUFFIX[scc]}")
        admitted[group.name] = Admission(scc=scc, reason=reason, account=account)
    return admitted


def sccs(admitted: Mapping[str, Admission]) -> Iterator[Body]:
    """Yield our own SCCs that some pod uses: like `nonroot-v2`, plus root and its capabilities.

    Client-side `kubectl apply` rejects a null `priority` or `defaultAddCapabilities`; 0 and an empty list mean the same.
    """
    for name in ORDER:
        if name not in OWN or all(admission.scc != name for admission in admitted.values()):
            continue
        yield {
            "apiVersion": "security.openshift.io/v1",
            "kind": "SecurityContextConstraints",
            "metadata": meta(name, shared_labels(name), namespace=None),
            "allowHostDirVolumePlugin": False,
            "allowHostIPC": False,
            "allowHostNetwork": False,
            "allowHostPID": False,
            "allowHostPorts": False,
            "allowPrivilegeEscalation": False,
            "allowPrivilegedContainer": False,
            "allowedCapabilities": sorted(OWN[name]),
            "defaultAddCapabilities": [],
            "fsGroup": {"type": "RunAsAny"},
            "groups": [],
            "priority": 0,
            "readOnlyRootFilesystem": False,
            "requiredDropCapabilities": ["ALL"],
            "runAsUser": {"type": "RunAsAny"},
            "seLinuxContext": {"type": "MustRunAs"},
            "seccompProfiles": ["runtime/default"],
            "supplementalGroups": {"type": "RunAsAny"},
            "users": [],
            "volumes": ["configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret"],
        }


def roles(admitted: Mapping[str, Admission]) -> Iterator[Body]:
    """Yield a ClusterRole that allows the use of each of our SCCs; OpenShift has one for each of its own."""
    for name in ORDER:
        if name in OWN and any(admission.scc == name for admission in admitted.values()):
            yield {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": meta(role_of(name), shared_labels(name), namespace=None),
                "rules": [
                    {
                        "apiGroups": ["security.openshift.io"],
                        "resourceNames": [name],
                        "resources": ["securitycontextconstraints"],
                        "verbs": ["use"],
                    }
                ],
            }


def bindings(scope: Scope, admitted: Mapping[str, Admission]) -> Iterator[Body]:
    """Yield a RoleBinding for each account. Only an administrator can create it: people can only grant rights that they have."""
    for account, scc in sorted({(admission.account, admission.scc) for admission in admitted.values()}):
        if scc == _EVERYBODY:
            continue
        yield {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": meta(dns_label(f"{account}-{scc}"), scope.labels(account), namespace=scope.namespace),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role_of(scc)},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": scope.namespace}],
        }


def role_of(scc: Scc) -> str:
    """Return the ClusterRole that allows the use of an SCC; the prefix `system:` is reserved for OpenShift."""
    return f"portable:scc:{scc}" if scc in OWN else f"system:openshift:scc:{scc}"


def _and(names: list[str]) -> str:
    return ", ".join(names)
