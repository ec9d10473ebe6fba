"""Finds the file and line from which a path of the plan comes."""

import msgspec

from portable.formats.document import Steps
from portable.model.findings import Finding
from portable.model.source import Source
from portable.planning.inputs import PlanInput
from portable.planning.select import Selection

# The keys of an app's file for fields of the plan that have another name.
_CONTAINER: dict[str, Steps] = {
    "env": ("environment",),
    "mounts": ("volumes",),
    "probes": ("probe",),
    "stop_grace": ("stop-grace",),
}
_FIELDS = {
    "memory_request": ("memory", "request"),
    "memory_limit": ("memory", "limit"),
    "cpu_request": ("cpu",),
    "root_start": ("root-start",),
}
_PROFILE: dict[str, Steps] = {
    "namespace": ("namespace",),
    "subnet": ("networks", "subnet"),
    "node_weight": ("nodes", "weight"),
    "devices": ("devices",),
    "memory": ("memory",),
    "library": ("storage", "library"),
    "volumes": ("storage",),
    "clouds": ("clouds",),
    "exposures": ("exposure",),
    "secret_names": ("secrets", "names"),
    "metadata": ("metadata",),
    "external_secrets": ("secrets", "external"),
    "gitops": ("gitops",),
    "notify": ("notify",),
    "groups": ("vpn",),
    "apps": ("apps",),
    "without": ("without",),
}


def located(finding: Finding, given: PlanInput, chosen: Selection) -> Finding:
    """Add the place of a finding that has none: its field, or the nearest key in a file."""
    if finding.where is not None:
        return finding
    return msgspec.structs.replace(finding, where=origin(finding.path, given, chosen))


def origin(path: str, given: PlanInput, chosen: Selection) -> Source:
    """File, line and column from which the plan's field at `path` comes."""
    head, *rest = path.split(".")
    if head == "apps" and rest and rest[0] in chosen.apps:
        document = chosen.apps[rest[0]].document
        return document.source(_in_app(rest[1:]))
    if head in ("stack", "timezone"):
        return given.stack_source({"stack": "name", "timezone": "timezone"}[head])
    if head == "groups" and rest[1:] == ["egress", "networks"]:
        return given.profile_source("networks", "local")
    if head == "groups" and len(rest) > 1:
        steps: Steps = {"account": ("accounts",), "prefer_nodes": ("nodes", "prefer"), "address": ("addresses", rest[0])}.get(
            rest[1], ("vpn",)
        )
        return given.profile_source(*steps)
    if head == "metadata" and rest:
        app, _, kind = rest[0].partition(":")
        return given.profile_source("metadata", *(("apps", app) if app else ("default",)), kind)
    if head == "exposures" and rest:
        app, _, port = rest[0].partition(":")
        return given.profile_source("exposure", "apps", app, port)
    return given.profile_source(*_PROFILE.get(head, ()))


def _in_app(steps: list[str]) -> Steps:
    if len(steps) < 3 or steps[0] != "containers":
        return tuple(steps)
    container, field, *rest = steps[1:]
    inner: Steps = tuple(part for step in rest for part in _FIELDS.get(step, (step,)))
    return ("containers", container, *_CONTAINER.get(field, (field,)), *inner)
