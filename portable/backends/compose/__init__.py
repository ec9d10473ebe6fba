"""Render a plan as one Docker Compose project, in one file. Rendering is pure: nothing here calls an engine."""

from portable.backends.compose.project import FILE, render

__all__ = ["FILE", "render"]
