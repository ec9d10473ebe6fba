"""Looks things up in what was rendered; shared by the tests of both cluster back ends."""

from typing import Any

from portable.backends.kubernetes import render
from portable.model.plan import Plan
from portable.model.rendering import Rendering

Body = dict[str, Any]
__all__ = ["Body", "container_of", "found", "objects", "pod", "render", "workloads"]


def objects(plan_or_rendering: Plan | Rendering, kind: str) -> dict[str, Body]:
    rendering = render(plan_or_rendering) if isinstance(plan_or_rendering, Plan) else plan_or_rendering
    return {d.body["metadata"]["name"]: d.body for d in rendering.documents if d.body["kind"] == kind}


def workloads(plan_or_rendering: Plan | Rendering) -> dict[str, Body]:
    """What keeps pods running, by name."""
    return {**objects(plan_or_rendering, "Deployment"), **objects(plan_or_rendering, "StatefulSet")}


def pod(plan_or_rendering: Plan | Rendering, group: str = "demo") -> Body:
    spec: Body = workloads(plan_or_rendering)[group]["spec"]["template"]["spec"]
    return spec


def container_of(plan_or_rendering: Plan | Rendering, name: str = "demo", group: str = "demo") -> Body:
    inside = pod(plan_or_rendering, group)
    return next(c for c in (*inside.get("initContainers", ()), *inside["containers"]) if c["name"] == name)


def found(rendering: Rendering, field: str) -> list[str]:
    """The paths of the findings on a field."""
    return [finding.path for finding in rendering.findings if finding.field == field]
