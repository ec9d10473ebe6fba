"""Labels and annotations that a profile adds to objects of a cluster, and the keys that nobody may set."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from portable.model.base import Struct

ObjectKind = Literal["claim", "http-route", "ingress", "load-balancer", "pod", "route", "service", "workload"]
MarkKind = Literal["annotations", "labels"]
ROUTED: Final = ("http-route", "ingress", "load-balancer", "route", "service")
"""Kinds whose annotations configure controllers, under any domain."""
OF_PLATFORMS: Final = ("kubernetes.io", "k8s.io", "openshift.io", "portable")
"""Domains that a platform or `portable` acts on, with the domains below them."""
FOR_PODS: Final = ("", "backup.velero.io", "cluster-autoscaler.kubernetes.io", "prometheus.io", "reloader.stakater.com")
"""Domains of labels and annotations that add neither a container nor a network to a pod."""
_OF_TOOLS: Final = ("kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io", "meta.helm.sh")
_KEYS_OF_TOOLS: Final = ("argocd.argoproj.io/instance", "argocd.argoproj.io/tracking-id")
SHARED_ADDRESS: Final = "metallb.io/allow-shared-ip"
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_DOMAIN: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_LONGEST_DOMAIN: Final = 253


class ObjectMetadata(Struct, frozen=True, kw_only=True):
    """Labels and annotations of the objects of one kind."""

    kind: ObjectKind
    app: str | None = None
    """None: of all apps; an app's own ones win."""
    annotations: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}


def domain_of(key: str) -> str:
    """The domain of a key; empty for one without."""
    return key.rpartition("/")[0]


def is_for_pods(key: str) -> bool:
    """Whether a key adds neither a container nor a network nor a device to a pod, such as CRI-O's `io.kubernetes.cri-o.Devices`."""
    domain = domain_of(key)
    return domain in FOR_PODS and (bool(domain) or "." not in key)


def is_of_platform(key: str) -> bool:
    """Whether a platform or `portable` acts on a key."""
    domain = domain_of(key)
    return any(domain == known or domain.endswith(f".{known}") for known in OF_PLATFORMS)


def invalid_mark(marks: MarkKind, key: str, value: str) -> str:
    """Why the API server would refuse a key or its value; empty if it would not."""
    domain, slash, name = key.rpartition("/")
    if not _NAME.fullmatch(name) or (slash and (not _DOMAIN.fullmatch(domain) or len(domain) > _LONGEST_DOMAIN)):
        return (
            f"{key!r} is not a valid key: write NAME or DOMAIN/NAME, the name with at most 63 letters, digits, dots, dashes and underscores"
        )
    if marks == "labels" and not _LABEL_VALUE.fullmatch(value):
        return f"{value!r} is not a valid label value: use at most 63 letters, digits, dots, dashes and underscores"
    return ""


def reserved_mark(kind: ObjectKind, marks: MarkKind, key: str) -> str:
    """Why a key may not be set; empty if it may."""
    domain = domain_of(key)
    if domain in _OF_TOOLS or key in _KEYS_OF_TOOLS:
        return "a GitOps controller or Helm knows its own objects by it, and `portable` would leave the object alone"
    if key == SHARED_ADDRESS or domain == "portable" or domain.endswith(".portable") or domain == "app.kubernetes.io":
        return "`portable` sets it, and identifies or configures the object by it"
    if kind == "pod" and not is_for_pods(key):
        return "a platform or an operator may act on it, and add a container, a network or rights to the pod"
    if kind != "pod" and is_of_platform(key) and not (marks == "annotations" and kind in ROUTED):
        return "the platform acts on it: it may select a volume, rights, or what runs the pod"
    return ""
