"""The order of applying and of deleting."""

from portable.live.kubernetes.order import KEPT, deletion_phase, in_order, phase_of, runs_pods

KINDS = [
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ServiceAccount",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ConfigMap",
    "NetworkPolicy",
    "Service",
    "Deployment",
    "Ingress",
    "CronJob",
]
"""In the order in which they are applied."""


def test_objects_are_applied_in_the_order_of_what_they_need() -> None:
    assert [kinds[0] for _, kinds in in_order(reversed(KINDS), lambda kind: kind)] == KINDS
    assert phase_of("SecurityContextConstraints") == phase_of("ClusterRole")
    assert phase_of("Secret") == phase_of("ConfigMap")
    assert phase_of("StatefulSet") == phase_of("Deployment")
    assert phase_of("Route") == phase_of("HTTPRoute") == phase_of("Ingress")


def test_an_unknown_kind_comes_before_pods() -> None:
    assert phase_of("SealedSecret") < phase_of("Deployment")
    assert not runs_pods("SealedSecret")


def test_fences_outlive_what_they_fence() -> None:
    phases = {kind: deletion_phase(kind) for kind in KINDS if kind not in KEPT}
    assert min(phases, key=lambda kind: phases[kind]) in ("Deployment", "CronJob")
    assert max(phases, key=lambda kind: phases[kind]) == "NetworkPolicy"
    assert phases["Ingress"] < phases["Service"] < phases["ConfigMap"] < phases["ServiceAccount"]
