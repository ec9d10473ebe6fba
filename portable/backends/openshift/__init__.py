"""Translates a plan into OpenShift objects: what Kubernetes' functions make, with SCCs, their accounts, and Routes."""

from portable.backends.kubernetes.prerequisites import prerequisites
from portable.backends.openshift.project import explain, render

__all__ = ["explain", "prerequisites", "render"]
