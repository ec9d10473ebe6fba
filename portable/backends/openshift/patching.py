"""The paths that a profile's patches may change in the objects of OpenShift: those of Kubernetes, which knows its kinds too."""

from portable.backends.kubernetes.patching import PATCHING

__all__ = ["PATCHING"]
