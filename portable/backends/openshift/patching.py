"""The settings that a profile may patch on OpenShift: the rules of Kubernetes, which also cover OpenShift's kinds."""

from portable.backends.kubernetes.patching import PATCHING

__all__ = ["PATCHING"]
