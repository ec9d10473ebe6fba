"""Docker Compose: one plan becomes one project, in one file. Rendering is pure; only `engine.py` touches an engine."""

from portable.backends.compose.project import FILE, render

__all__ = ["FILE", "render"]
