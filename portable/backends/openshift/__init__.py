"""Translates a plan into OpenShift objects: what Kubernetes' functions make, with SCCs, their accounts, and Routes."""

from portable.backends.openshift.project import render
from portable.backends.openshift.scc import explain

__all__ = ["explain", "render"]
