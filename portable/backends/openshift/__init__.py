"""Render a plan as OpenShift objects: those of Kubernetes, with SCCs, their accounts and Routes."""

from portable.backends.kubernetes.prerequisites import prerequisites
from portable.backends.openshift.project import explain, render

__all__ = ["explain", "prerequisites", "render"]
