"""How apps are found and reached: a Service for each name, Ingress and LoadBalancer for what is exposed, and the fences around pods."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, assert_never

from portable.backends.common import port_of
from portable.backends.kubernetes.names import Body, dns_label, meta, port_name
from portable.backends.kubernetes.scope import Scope, selector
from portable.model.base import Struct
from portable.model.plan import App, Direct, Exposure, Group, Ingress, Lan, LoadBalancer, Loopback, Port, Route, Sealed, Tunnel

APP_PROTOCOL = {"http": "http", "https": "https"}
KUBE_DNS: list[Body] = [
    {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
    }
]
SHARED_ADDRESS = "metallb.io/allow-shared-ip"


def services(scope: Scope, group: Group) -> Iterator[Body]:
    """A Service for each name of each app of the group, with the ports that others may use."""
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
                "spec": {"type": "ClusterIP", "selector": selector(group), "ports": ports},
            }


def service_port(app: App, port: Port, *, number: int | None = None) -> Body:
    """A port of a Service; `number` is the one that it is reached at, where that isn't the app's own."""
    protocol = {"appProtocol": APP_PROTOCOL[port.serves]} if port.serves in APP_PROTOCOL else {}
    return {
        "name": dns_label(port.name),
        "port": port.number if number is None else number,
        "protocol": port.protocol.upper(),
        "targetPort": port_name(app.name, port.name),
        **protocol,
    }


def exposed(scope: Scope, group: Group) -> Iterator[tuple[Exposure, App, Port]]:
    """The exposures of a group's apps, with what they expose."""
    for app in scope.members(group):
        for exposure in scope.exposures.get(app.name, ()):
            port = port_of(app, exposure.port)
            if port is not None:
                yield exposure, app, port


def exposures(scope: Scope, group: Group) -> Iterator[Body]:
    """The objects through which a group's apps are reached from outside; what has none here is in the ledger."""
    for exposure, app, port in exposed(scope, group):
        how = exposure.how
        match how:
            case Ingress():
                yield from private_service(scope, group, app, port)
                yield _ingress(scope, app, port, how)
            case LoadBalancer():
                yield _load_balancer(scope, group, app, port, how)
            case Loopback() | Lan() | Route():
                pass
            case _:
                assert_never(how)


class Opened(Struct, frozen=True, kw_only=True):
    """A port that others than the pods of the namespace reach."""

    number: int
    protocol: str
    peers: tuple[Body, ...] = ()
    """Who they are; none: anybody."""


def policy(scope: Scope, group: Group, *, dns: Sequence[Body], opened: Sequence[Opened]) -> Body:
    """The fence around a pod: in from the namespace, and to exposed ports from who passes them on; out, for a gateway, only where it must.

    It is the second fence: the first one is the gateway's own firewall, which can fail open when its pod outlives it
    (docs/facts/gluetun.md#it-can-fail-open).
    """
    ingress: list[Body] = [{"from": [{"podSelector": {}}]}]
    by_peers: dict[str, list[Opened]] = {}
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
) -> list[Opened]:
    """The exposed ports of a group, each for who passes it on.

    `routers` are the peers of a Route, and of an Ingress that names none; `before`, by app and port, what a Route reaches in its place.
    """
    found = []
    for exposure, app, port in exposed(scope, group):
        number = port.number
        how = exposure.how
        match how:
            case Ingress():
                peers = (_of_namespace(how.namespace),) if how.namespace else routers
            case Route():
                peers, number = routers, before.get((app.name, port.name), number)
            case LoadBalancer():
                peers = ()  # who calls keeps its own address, and may be anybody
            case Loopback() | Lan():
                continue
            case _:
                assert_never(how)
        found.append(Opened(number=number, protocol=port.protocol, peers=peers))
    return found


def _of_namespace(name: str) -> Body:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def peer_port(number: int, protocol: str) -> Body:
    """A port of a NetworkPolicy."""
    return {"port": number, "protocol": protocol.upper()}


def exposure_name(app: App, port: Port) -> str:
    """The name of the object that exposes a port."""
    return dns_label(f"{app.name}-{port.name}")


def backend_name(app: App, port: Port) -> str:
    """The Service behind an Ingress or Route: the app's own, which a private port is not part of."""
    return exposure_name(app, port) if port.private else app.name


def private_service(scope: Scope, group: Group, app: App, port: Port) -> Iterator[Body]:
    """The Service of an exposed port that other apps don't find under the app's name."""
    if port.private:
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta(exposure_name(app, port), scope.labels(app.name, zone=app.zone), namespace=scope.namespace),
            "spec": {"type": "ClusterIP", "selector": selector(group), "ports": [service_port(app, port)]},
        }


def _egress(group: Group, dns: Sequence[Body]) -> list[Body] | None:
    """Where a pod with a gateway may go; None where there is no limit."""
    egress = group.egress
    match egress:
        case Tunnel():
            if not egress.endpoints:
                return None  # nobody knows where the tunnel ends, so a fence would close it: a finding of class security says so
            tunnel = [
                {"to": [{"ipBlock": {"cidr": endpoint.cidr}}], "ports": [peer_port(endpoint.port, endpoint.protocol)]}
                for endpoint in egress.endpoints
            ]
            return [*tunnel, *dns, *_networks(egress.networks)]
        case Sealed():
            return _networks(egress.networks)  # no DNS: foreign names end in the sealed namespace
        case Direct():
            return None
        case _:
            assert_never(egress)


def _networks(networks: tuple[str, ...]) -> list[Body]:
    return [{"to": [{"ipBlock": {"cidr": network}} for network in networks]}] if networks else []


def _ingress(scope: Scope, app: App, port: Port, how: Ingress) -> Body:
    backend = {"service": {"name": backend_name(app, port), "port": {"name": dns_label(port.name)}}}
    # Without a secret, the controller's own certificate: never plain HTTP.
    tls: dict[str, Any] = {"hosts": [how.host], **({"secretName": dns_label(how.tls_secret)} if how.tls_secret else {})}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": meta(exposure_name(app, port), scope.labels(app.name, zone=app.zone), namespace=scope.namespace),
        "spec": {
            **({"ingressClassName": how.ingress_class} if how.ingress_class else {}),
            "rules": [{"host": how.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
            "tls": [tls],
        },
    }


def _load_balancer(scope: Scope, group: Group, app: App, port: Port, how: LoadBalancer) -> Body:
    # The field alone: MetalLB refuses a Service that has both it and its annotation, and other balancers know only the field.
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
            # Apps see who calls. Where pods share an address, a balancer can't keep that.
            **({"externalTrafficPolicy": "Local"} if len(same) == 1 or not how.address else {}),
            "selector": selector(group),
            "ports": [service_port(app, port, number=how.number)],
            **address,
        },
    }
