"""Health checks as the kubelet asks them."""

from typing import assert_never

from msgspec import structs

from portable.backends.kubernetes.names import Body, port_name
from portable.backends.kubernetes.scope import SIDECARS, Part
from portable.model.plan import Check, Exec, Http, Port, Probes, Tcp

_PATIENCE = 30
"""How often a sidecar without a probe of its start is asked before it is started again."""
KUBELET_OK = range(200, 400)
"""The answers that the kubelet takes for healthy; it can't be told others."""


def probes(part: Part) -> Body:
    """The probes of a container, one for one; what others wait for always has one of its start."""
    given: Probes = part.container.probes
    # A pod is ready when all in it is: a cloud that is away for a minute would take its readers off the network, with all that they have
    # besides. That it is away, they see.
    ready = None if part.kind == "cloud" else given.ready
    named = (("startupProbe", gate(part)), ("readinessProbe", ready), ("livenessProbe", given.live))
    return {name: _probe(part, check) for name, check in named if check is not None}


def gate(part: Part) -> Check | None:
    """What says that a container has started. What runs after a sidecar waits for that alone, not for its readiness: so that stands in."""
    given = part.container.probes
    if given.startup is not None or part.kind not in SIDECARS:
        return given.startup
    asked = given.ready or given.live
    return None if asked is None else structs.replace(asked, failures=max(asked.failures, _PATIENCE))


def is_http(how: Http) -> bool:
    """Whether the kubelet's own GET gives the right verdict; else only the connection is tried."""
    return all(status in KUBELET_OK for status in how.ok)


def _probe(part: Part, check: Check) -> Body:
    return {**_handler(part, check), "periodSeconds": check.period, "timeoutSeconds": check.timeout, "failureThreshold": check.failures}


def _handler(part: Part, check: Check) -> Body:
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


def _port(part: Part, name: str) -> Port | None:
    return next((port for port in part.app.ports if port.name == name), None) if part.app else None


def _name(part: Part, port: str) -> str:
    return port_name(part.owner, port)
