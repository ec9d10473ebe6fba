"""Render one container of a pod."""

from typing import Final

from portable.backends.kubernetes.names import Body, cores, literal, port_name, quantity
from portable.backends.kubernetes.probe import probes
from portable.backends.kubernetes.scope import SIDECARS, PodContainer, Scope, serves
from portable.backends.kubernetes.secrets import secret_name
from portable.backends.kubernetes.security import container_security
from portable.backends.kubernetes.volume import device_of
from portable.model.devices import PluginDevice
from portable.model.plan import Ephemeral
from portable.model.secret_refs import SecretRef, Text

LOGS: Final = 64 * 2**20
"""Bytes: by default, the kubelet keeps five files of 10 MiB of a container's log."""


def container(scope: Scope, part: PodContainer, mounts: list[Body], *, command: Body | None = None) -> Body:
    """Return the container. `command` replaces its own `command` and `args`."""
    source = part.container
    body: Body = {"name": part.name, "image": source.image.reference}
    # Gateways, mount containers and containers that an app calls at its start run as native sidecars: the kubelet starts the next
    # container only when their startup probe succeeds, and stops them last (Kubernetes 1.29; docs/facts/gluetun.md#as-a-sidecar-in-a-pod).
    if part.kind in SIDECARS:
        body["restartPolicy"] = "Always"
    if command is not None:
        body |= command
    else:
        if source.command is not None:
            body["command"] = [literal(word) for word in source.command]
        if source.args is not None:
            body["args"] = [literal(word) for word in source.args]
    body["env"] = _environment(scope, part)
    if ports := _ports(part):
        body["ports"] = ports
    if mounts:
        body["volumeMounts"] = mounts
    if part.kind != "init":  # the API allows no probe on a container that ends by itself
        body |= probes(part)
    body["resources"] = _resources(scope, part)
    body["securityContext"] = container_security(part)
    return body


def _environment(scope: Scope, part: PodContainer) -> list[Body]:
    """Return the variables, sorted, so that equal plans give equal pods. Those of the catalog override derived ones."""
    source, identity = part.container, part.container.identity
    variables: dict[str, Text] = {"TZ": scope.plan.timezone}
    if part.cloud is not None:
        variables["KNOWN_ENTRY"] = part.cloud.known_entry
    if identity.how == "puid-pgid":
        variables |= {"PUID": str(identity.uid), "PGID": str(identity.gid), "UMASK": identity.umask}
    variables |= source.env
    return [_variable(scope, name, variables[name]) for name in sorted(variables)]


def _variable(scope: Scope, name: str, value: Text) -> Body:
    if isinstance(value, SecretRef):
        optional = {"optional": True} if value.optional else {}
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret_name(scope.plan, value.name), "key": value.key, **optional}}}
    return {"name": name, "value": literal(value)}


def _ports(part: PodContainer) -> list[Body]:
    if part.app is None:
        return []
    return [
        {"name": port_name(part.app.name, port.name), "containerPort": port.number, "protocol": port.protocol.upper()}
        for port in serves(part.app, part.container)
    ]


def _disk(scope: Scope, part: PodContainer) -> int:
    """Return the node's disk in bytes that the container may use: its log, its own layer, and its scratch space that has a bound.

    The scheduler counts it, and a pod within its requests is not the first to be evicted when its node runs out of disk. The cache of a
    cloud is always full; the scratch space of an app seldom is, so a quarter is requested.
    """
    places = {mount.volume: scope.volumes[mount.volume].place for mount in part.container.mounts if mount.volume in scope.volumes}
    whole = sum(place.size or 0 for place in places.values() if isinstance(place, Ephemeral) and not place.in_memory)
    return LOGS + (whole if part.kind == "cloud" else whole // 4)


def _resources(scope: Scope, part: PodContainer) -> Body:
    source = part.container.resources
    requests = {"memory": quantity(source.memory_request), "ephemeral-storage": quantity(_disk(scope, part))}
    if source.cpu_request is not None:
        requests["cpu"] = cores(source.cpu_request)
    limits = {"memory": quantity(source.memory_limit)}
    for _, device in device_of(scope.plan.devices, part.container.needs):
        if isinstance(device, PluginDevice):
            limits[device.resource] = "1"
    return {"requests": requests, "limits": limits}
