"""Translates a plan into Kubernetes objects, laid out as a folder that `kubectl apply -k` and GitOps controllers read."""

from portable.backends.kubernetes.prerequisites import prerequisites
from portable.backends.kubernetes.project import render

__all__ = ["prerequisites", "render"]
