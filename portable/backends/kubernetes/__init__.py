"""Render a plan as Kubernetes objects, in a folder for `kubectl apply -k` and GitOps controllers."""

from portable.backends.kubernetes.prerequisites import prerequisites
from portable.backends.kubernetes.project import render

__all__ = ["prerequisites", "render"]
