"""Health checks: the probes of the kubelet."""

from typing import assert_never

from msgspec import structs

from portable.backends.kubernetes.names import Body, port_name
from portable.backends.kubernetes.scope import SIDECARS, PodContainer
from portable.model.plan import Check, Exec, Http, Port, Probes, Tcp

_PATIENCE = 30
"""Failures before the kubelet restarts a sidecar that has no startup probe of its own."""
KUBELET_OK = range(200, 400)
"""The HTTP statuses that the kubelet accepts as healthy; this is not configurable."""


def probes(part: PodContainer) -> Body:
    """Return the probes of a container. Sidecars always get a startup probe, since other containers wait for it."""
    own: Probes = part.container.probes
    # A pod is ready only if all its containers are: a cloud that is away for a minute would make its readers unreachable, although they
    # have other work. They notice themselves that the cloud is away.
    ready = None if part.kind == "cloud" else own.ready
    named = (("startupProbe", gate(part)), ("readinessProbe", ready), ("livenessProbe", own.live))
    return {name: _probe(part, check) for name, check in named if check is not None}


def gate(part: PodContainer) -> Check | None:
    """Return the startup probe of a container. A sidecar without one uses its readiness or liveness probe: containers that start after it
    wait for its startup probe only.
    """
    own = part.container.probes
    if own.startup is not None or part.kind not in SIDECARS:
        return own.startup
    check = own.ready or own.live
    return None if check is None else structs.replace(check, failures=max(check.failures, _PATIENCE))


def is_http(how: Http) -> bool:
    """Return whether the kubelet accepts all expected statuses; otherwise the probe only opens a TCP connection."""
    return all(status in KUBELET_OK for status in how.ok)


def _probe(part: PodContainer, check: Check) -> Body:
    return {**_handler(part, check), "periodSeconds": check.period, "timeoutSeconds": check.timeout, "failureThreshold": check.failures}


def _handler(part: PodContainer, check: Check) -> Body:
    how = check.how
    match how:
        case Http() if is_http(how):
            port = _port(part, how.port)
            scheme = {"scheme": "HTTPS"} if port is not None and port.serves == "https" else {}
            return {"httpGet": {"path": how.path, "port": _name(part, how.port), **scheme}}
        case Http() | Tcp():
            return {"tcpSocket": {"port": _name(part, how.port)}}
        case Exec():
            return {"exec": {"command": list(how.command)}}
        case _:
            assert_never(how)


def _port(part: PodContainer, name: str) -> Port | None:
    return next((port for port in part.app.ports if port.name == name), None) if part.app else None


def _name(part: PodContainer, port: str) -> str:
    return port_name(part.owner, port)
