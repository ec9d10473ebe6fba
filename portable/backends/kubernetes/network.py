"""Services for the names of apps, Ingresses, HTTPRoutes and load balancers for exposures, and the NetworkPolicies around pods."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, assert_never

from portable.backends.common import port_of
from portable.backends.kubernetes.names import Body, dns_label, meta, port_name
from portable.backends.kubernetes.scope import Scope, selector
from portable.model.base import Struct
from portable.model.exposures import Exposure, GatewayRoute, Ingress, Lan, LoadBalancer, Loopback, Route
from portable.model.metadata import SHARED_ADDRESS
from portable.model.plan import (
    App,
    Direct,
    Group,
    Port,
    Sealed,
    Tunnel,
)

APP_PROTOCOL = {"http": "http", "https": "https"}
KUBE_DNS: list[Body] = [
    {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            },
            # The address of NodeLocal DNSCache, which answers in their place on each node (docs/facts/applying.md#name-resolution).
            {"ipBlock": {"cidr": "169.254.20.10/32"}},
        ],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
    }
]
_GATEWAY_GROUP = "gateway.networking.k8s.io"
# Both controllers named nginx refuse requests above 1 MB; apps take torrents, books and backups (docs/facts/applying.md#body-sizes).
_NO_BODY_LIMIT: Final = {"nginx.ingress.kubernetes.io/proxy-body-size": "0", "nginx.org/client-max-body-size": "0"}


def services(scope: Scope, group: Group) -> Iterator[Body]:
    """Yield a Service for each name of each app of the group, with its public ports."""
    for app in scope.members(group):
        ports = [service_port(app, port) for port in app.ports if not port.private]
        if not ports:
            continue
        for name in (app.name, *app.aliases):
            labels = scope.labels(app.name, zone=app.zone)
            yield {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": meta(name, labels, namespace=scope.namespace, annotations={"portable/title": app.title}),
                "spec": {"type": "ClusterIP", **service_target(group), "ports": ports},
            }


def service_target(group: Group) -> Body:
    """Return the fields of a Service that lead to the group's pod.

    A pod whose gateway has lost its tunnel is not ready. Its apps' web pages stay reachable all the same, as on Compose.
    """
    always = {} if isinstance(group.egress, Direct) else {"publishNotReadyAddresses": True}
    return {"selector": selector(group), **always}


def service_port(app: App, port: Port, *, number: int | None = None) -> Body:
    """Return a port of a Service. `number` is the Service's port number, if it differs from the app's."""
    protocol = {"appProtocol": APP_PROTOCOL[port.serves]} if port.serves in APP_PROTOCOL else {}
    return {
        "name": dns_label(port.name),
        "port": port.number if number is None else number,
        "protocol": port.protocol.upper(),
        "targetPort": port_name(app.name, port.name),
        **protocol,
    }


def exposed(scope: Scope, group: Group) -> Iterator[tuple[Exposure, App, Port]]:
    """Yield the exposures of a group's apps, each with its app and port."""
    for app in scope.members(group):
        for exposure in scope.exposures.get(app.name, ()):
            port = port_of(app, exposure.port)
            if port is not None:
                yield exposure, app, port


def exposures(scope: Scope, group: Group) -> Iterator[Body]:
    """Yield the objects that expose a group's apps. Findings cover exposures that have none."""
    for exposure, app, port in exposed(scope, group):
        how = exposure.how
        match how:
            case Ingress():
                yield from private_service(scope, group, app, port)
                yield _ingress(scope, app, port, how)
            case GatewayRoute():
                yield from private_service(scope, group, app, port)
                yield _http_route(scope, app, port, how)
            case LoadBalancer():
                yield _load_balancer(scope, group, app, port, how)
            case Loopback() | Lan() | Route():
                pass
            case _:
                assert_never(how)


class OpenPort(Struct, frozen=True, kw_only=True):
    """A port that is open to more than the pods of the namespace."""

    number: int
    protocol: str
    peers: tuple[Body, ...] = ()
    """The peers of the NetworkPolicy that may connect; empty: everyone."""


def policy(scope: Scope, group: Group, *, dns: Sequence[Body], opened: Sequence[OpenPort]) -> Body:
    """Return the NetworkPolicy of a pod. It admits the namespace, those that the profile names, and routers.

    It limits the egress of a gateway.

    It is the second fence: the first one is the gateway's own firewall, which can fail open if its pod outlives it
    (docs/facts/gluetun.md#it-can-fail-open).
    """
    ingress: list[Body] = [{"from": [{"podSelector": {}}]}]
    public = sorted({(port.number, port.protocol) for app in scope.members(group) for port in app.ports if not port.private})
    if public and scope.plan.callers:
        callers = [_of_namespace(name) for name in scope.plan.callers]
        ingress.append({"from": callers, "ports": [peer_port(*port) for port in public]})
    by_peers: dict[str, list[OpenPort]] = {}
    for port in opened:
        by_peers.setdefault(str(port.peers), []).append(port)
    for _, ports in sorted(by_peers.items()):
        numbers = sorted({(port.number, port.protocol) for port in ports})
        peers = {"from": list(ports[0].peers)} if ports[0].peers else {}
        ingress.append({**peers, "ports": [peer_port(*number) for number in numbers]})
    spec: Body = {"podSelector": {"matchLabels": selector(group)}, "policyTypes": ["Ingress"], "ingress": ingress}
    if (egress := _egress(group, dns)) is not None:
        spec |= {"policyTypes": ["Ingress", "Egress"], "egress": egress}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(dns_label(group.name), scope.labels(group.name), namespace=scope.namespace),
        "spec": spec,
    }


def opened_ports(
    scope: Scope, group: Group, *, routers: tuple[Body, ...] = (), before: Mapping[tuple[str, str], int] = MappingProxyType({})
) -> list[OpenPort]:
    """Return the exposed ports of a group, each with the peers that may connect.

    `routers` are the peers for a Route, and for an Ingress without a namespace. `before` has the port number of the login proxy that a
    Route uses instead, by app and port.
    """
    ports = []
    for exposure, app, port in exposed(scope, group):
        number = port.number
        how = exposure.how
        match how:
            case Ingress() | GatewayRoute():
                peers = (_of_namespace(how.namespace),) if how.namespace else routers
            case Route():
                peers, number = routers, before.get((app.name, port.name), number)
            case LoadBalancer():
                peers = ()  # callers keep their own addresses, which can be any
            case Loopback() | Lan():
                continue
            case _:
                assert_never(how)
        ports.append(OpenPort(number=number, protocol=port.protocol, peers=peers))
    return ports


def _of_namespace(name: str) -> Body:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def peer_port(number: int, protocol: str) -> Body:
    """Return a port of a NetworkPolicy."""
    return {"port": number, "protocol": protocol.upper()}


def exposure_name(app: App, port: Port) -> str:
    """Return the name of the object that exposes a port."""
    return dns_label(f"{app.name}-{port.name}")


def backend_name(app: App, port: Port) -> str:
    """Return the Service behind an Ingress or Route: the app's own, except for a private port, which has a separate one."""
    return exposure_name(app, port) if port.private else app.name


def private_service(scope: Scope, group: Group, app: App, port: Port) -> Iterator[Body]:
    """Yield the separate Service of an exposed private port, which the app's own Service does not contain."""
    if port.private:
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta(exposure_name(app, port), scope.labels(app.name, zone=app.zone), namespace=scope.namespace),
            "spec": {"type": "ClusterIP", **service_target(group), "ports": [service_port(app, port)]},
        }


def _egress(group: Group, dns: Sequence[Body]) -> list[Body] | None:
    """Return the egress rules of a pod with a gateway; None for no limit."""
    egress = group.egress
    match egress:
        case Tunnel():
            if not egress.endpoints:
                return None  # without endpoints, a rule would block the tunnel itself: a finding of class security reports it
            tunnel = [
                {"to": [{"ipBlock": {"cidr": endpoint.cidr}}], "ports": [peer_port(endpoint.port, endpoint.protocol)]}
                for endpoint in egress.endpoints
            ]
            return [*tunnel, *dns, *_networks(egress.networks)]
        case Sealed():
            return _networks(egress.networks)  # no DNS: no query for a foreign name may leave the sealed namespace
        case Direct():
            return None
        case _:
            assert_never(egress)


def _networks(networks: tuple[str, ...]) -> list[Body]:
    return [{"to": [{"ipBlock": {"cidr": network}} for network in networks]}] if networks else []


def _ingress(scope: Scope, app: App, port: Port, how: Ingress) -> Body:
    backend = {"service": {"name": backend_name(app, port), "port": {"name": dns_label(port.name)}}}
    # Without a Secret, the controller uses its own certificate: never plain HTTP.
    tls: dict[str, Any] = {"hosts": [how.host], **({"secretName": dns_label(how.tls_secret)} if how.tls_secret else {})}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": meta(
            exposure_name(app, port), scope.labels(app.name, zone=app.zone), namespace=scope.namespace, annotations=_NO_BODY_LIMIT
        ),
        "spec": {
            **({"ingressClassName": how.ingress_class} if how.ingress_class else {}),
            "rules": [{"host": how.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
            "tls": [tls],
        },
    }


def _http_route(scope: Scope, app: App, port: Port, how: GatewayRoute) -> Body:
    parent: Body = {"group": _GATEWAY_GROUP, "kind": "Gateway", "name": how.gateway}
    if how.gateway_namespace is not None:
        parent["namespace"] = how.gateway_namespace
    if how.section is not None:
        parent["sectionName"] = how.section
    backend = {"group": "", "kind": "Service", "name": backend_name(app, port), "port": port.number, "weight": 1}
    return {
        "apiVersion": f"{_GATEWAY_GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": meta(exposure_name(app, port), scope.labels(app.name, zone=app.zone), namespace=scope.namespace),
        "spec": {
            "parentRefs": [parent],
            "hostnames": [how.host],
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [backend]}],
        },
    }


def _load_balancer(scope: Scope, group: Group, app: App, port: Port, how: LoadBalancer) -> Body:
    # Only the field: MetalLB refuses a Service that also has its annotation, and other load balancers support only the field.
    address = {"loadBalancerIP": how.address} if how.address else {}
    same = [e for e in scope.plan.exposures if isinstance(e.how, LoadBalancer) and e.how.address == how.address]
    name = dns_label(f"{app.name}-{port.name}-lb")
    annotations = {SHARED_ADDRESS: how.address} if how.address and len(same) > 1 else None
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(name, scope.labels(app.name, zone=app.zone), namespace=scope.namespace, annotations=annotations),
        "spec": {
            "type": "LoadBalancer",
            # Local keeps the callers' addresses. It is impossible if several pods share one address.
            **({"externalTrafficPolicy": "Local"} if len(same) == 1 or not how.address else {}),
            **service_target(group),
            "ports": [service_port(app, port, number=how.number)],
            **address,
        },
    }
