"""How apps are found and reached: a Service for each name, Ingress and LoadBalancer for what is exposed, and the fences around pods."""

from collections.abc import Iterator, Sequence
from typing import Any, assert_never

from portable.backends.common import port_of
from portable.backends.kubernetes.names import Body, dns_label, meta, port_name
from portable.backends.kubernetes.scope import Scope, selector
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


def policy(scope: Scope, group: Group, *, dns: Sequence[Body], open_ports: Sequence[Body] | None = None) -> Body:
    """The fence around a pod: in from the namespace, and to the exposed ports from anywhere; out, for a gateway, only where it has to.

    It is the second fence: the first one is the gateway's own firewall, which can fail open when its pod outlives it (domain.md 1.6).
    """
    ports = open_ports if open_ports is not None else [_peer_port(port) for e, _, port in exposed(scope, group) if is_open(e)]
    ingress: list[Body] = [{"from": [{"podSelector": {}}]}]
    if ports:
        ingress.append({"ports": [dict(pair) for pair in sorted({tuple(sorted(port.items())) for port in ports}, key=str)]})
    spec: Body = {"podSelector": {"matchLabels": selector(group)}, "policyTypes": ["Ingress"], "ingress": ingress}
    if (egress := _egress(group, dns)) is not None:
        spec |= {"policyTypes": ["Ingress", "Egress"], "egress": egress}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(dns_label(group.name), scope.labels(group.name), namespace=scope.namespace),
        "spec": spec,
    }


def is_open(exposure: Exposure) -> bool:
    """Whether others than the pods of the namespace reach the port itself."""
    how = exposure.how
    match how:
        case Ingress() | LoadBalancer() | Route():
            return True
        case Loopback() | Lan():
            return False
        case _:
            assert_never(how)


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


def _peer_port(port: Port) -> Body:
    return peer_port(port.number, port.protocol)


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
