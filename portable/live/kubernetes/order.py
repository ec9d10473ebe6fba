"""The order in which objects are applied, and the reverse in which they are deleted. Pure."""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

T = TypeVar("T")

WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
"""Kinds that keep pods running."""
JOBS: Final = frozenset({"CronJob", "Job"})
"""Kinds whose pods end by themselves."""
KEPT: Final = frozenset({"PersistentVolumeClaim", "PersistentVolume", "Namespace", "Secret", "ExternalSecret", "CustomResourceDefinition"})
"""Kinds that no command deletes: they hold data, or deleting them deletes what does (promise 5): an ExternalSecret may own its Secret."""
_PHASES: Final[tuple[frozenset[str], ...]] = (
    frozenset({"Namespace"}),
    frozenset({"CustomResourceDefinition"}),
    frozenset({"ClusterRole", "SecurityContextConstraints", "PriorityClass", "StorageClass"}),
    frozenset({"ServiceAccount", "Role", "RoleBinding", "ClusterRoleBinding"}),
    frozenset({"PersistentVolume"}),
    frozenset({"PersistentVolumeClaim"}),
    frozenset({"ConfigMap", "Secret", "ExternalSecret"}),
    frozenset({"NetworkPolicy"}),  # before any pod: it is a fence of the VPN (promise 2)
    frozenset({"Service"}),
    WORKLOADS,
    frozenset({"Ingress", "Route", "HTTPRoute"}),
    JOBS,
)
_BY_KIND: Final = {kind: number for number, kinds in enumerate(_PHASES) for kind in kinds}
NETWORK_POLICIES: Final = _BY_KIND["NetworkPolicy"]
PODS: Final = _BY_KIND["Deployment"]
"""The phase in which pods start."""


def phase_of(kind: str) -> int:
    """The phase of a kind. An unknown one comes with the configuration, before pods start."""
    return _BY_KIND.get(kind, _BY_KIND["ConfigMap"])


def runs_pods(kind: str) -> bool:
    """Whether objects of this kind make pods."""
    return kind in WORKLOADS or kind in JOBS


def in_order(items: Iterable[T], kind: Callable[[T], str]) -> list[tuple[int, list[T]]]:
    """The items by phase, in the order of applying; items of one phase keep their order."""
    phases: dict[int, list[T]] = {}
    for item in items:
        phases.setdefault(phase_of(kind(item)), []).append(item)
    return sorted(phases.items(), key=lambda pair: pair[0])


def deletion_phase(kind: str) -> int:
    """The phase of deletion: what makes pods first, then the rest in reverse, NetworkPolicies after all that pods need."""
    if runs_pods(kind):
        return 0
    if kind == "NetworkPolicy":
        return len(_PHASES) + 1
    return len(_PHASES) - phase_of(kind)
