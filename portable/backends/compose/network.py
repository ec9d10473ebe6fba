"""Network namespaces, names, addresses and ports. One service owns the network of a group; the others share it."""

import ipaddress
from typing import Any, assert_never

from portable.backends.common import Index, PlacedContainer, gateway_of, main_container, note, port_of, refuse, told_by_settings
from portable.backends.compose.health import asked
from portable.backends.compose.names import app_service, owner_of
from portable.backends.compose.part import ServicePart
from portable.model.exposures import Exposure, GatewayRoute, Ingress, Lan, LoadBalancer, Loopback, Route
from portable.model.findings import Finding
from portable.model.plan import (
    App,
    Direct,
    Group,
    Port,
    Sealed,
    Tunnel,
)
from portable.model.subnets import free_block

NETWORK = "default"
_LOOPBACK = "127.0.0.1"
NO_RESOLVER = "192.0.2.53"
"""An address of the documentation range (RFC 5737). The catalog's guard of Gluetun drops everything sent to it."""


def network(placed: PlacedContainer, index: Index) -> ServicePart:
    """Return the network keys of a service: its own namespace, or the one that it shares."""
    app = placed.app
    if placed.cloud:
        return ServicePart({})
    if app is None or not (group := index.group_of.get(app.name)) or not (owner := owner_of(group, index)):
        # Fail closed: a container in no group has no network. This includes `init`.
        return ServicePart({"network_mode": "none"})
    if placed.container is owner[1]:
        return _namespace(group, index)
    return ServicePart({"network_mode": f"service:{app_service(*owner)}"})


def _namespace(group: Group, index: Index) -> ServicePart:
    """Return the network keys of a namespace's owner, which apply to all services that share it."""
    apps = [index.apps[name] for name in group.apps if name in index.apps]
    names = sorted({name for app in apps for name in (app.name, *app.aliases)})
    keys: dict[str, Any] = {
        "hostname": group.name,
        "networks": {NETWORK: {"aliases": names, **({"ipv4_address": group.address} if group.address else {})}},
        "expose": sorted({_numbered(port.number, port.protocol) for app in apps for port in app.ports if not port.private}),
    }
    if gateway_of(group):
        # Behind a gateway, the engine's resolver may be unreachable, and the firewall blocks connections through the network. Other
        # groups use the network's names, which point to the app's own address: this works even if it does not listen on loopback.
        keys["extra_hosts"] = dict.fromkeys(names, _LOOPBACK)
    if isinstance(group.egress, Sealed):
        # The engine's resolver forwards foreign names to this server, inside this namespace. Nothing answers, so it gives up after 1 s.
        keys |= {"dns": [_LOOPBACK], "dns_opt": ["timeout:1", "attempts:1"]}
    if isinstance(group.egress, Tunnel):
        # Gluetun asks the engine's resolver for local names, such as those of other apps, and the engine forwards unknown names. Without
        # this setting, it would ask a resolver on the host's loopback from the host's network: past the tunnel. Gluetun's own address
        # cannot be used: the two resolvers would ask each other endlessly.
        keys["dns"] = [NO_RESOLVER]
    published = _published(tuple(app.name for app in apps), index)
    return ServicePart({**keys, "ports": list(published.keys.get("ports", ()))}, published.findings)


def _numbered(number: int, protocol: str) -> str:
    return str(number) if protocol == "tcp" else f"{number}/{protocol}"


def _published(apps: tuple[str, ...], index: Index) -> ServicePart:
    ports: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for exposure in (exposure for app in apps for exposure in index.exposures.get(app, ())):
        port = port_of(index.apps[exposure.app], exposure.port)
        if port is None:
            text, remedy = f"App {exposure.app} has no port {exposure.port!r}.", "name a port of the app"
            path = f"{_path(exposure)}.port"
            findings.append(refuse("exposures", path, "function", text, remedy, code="network.port-unknown", app=exposure.app))
            continue
        match exposure.how:
            case Loopback(number=number):
                ports.append({"target": port.number, "published": str(number), "protocol": port.protocol, "host_ip": _LOOPBACK})
            case Lan(number=number, address=address):
                at = {"host_ip": address} if address else {}
                ports.append({"target": port.number, "published": str(number), "protocol": port.protocol, **at})
            case Ingress() | GatewayRoute() | Route() | LoadBalancer():
                how = exposure.how.__struct_config__.tag
                text = f"Compose publishes ports of the host only: port {exposure.port} of {exposure.app} cannot use `{how}`."
                remedy, path = "use `lan` or `loopback`", f"{_path(exposure)}.how"
                findings.append(refuse("exposures", path, "function", text, remedy, code="exposure.unsupported", app=exposure.app))
            case _:
                assert_never(exposure.how)
    ports.sort(key=lambda entry: (int(entry["published"]), entry["protocol"], entry.get("host_ip", "")))
    return ServicePart({"ports": ports}, tuple(findings))


def _path(exposure: Exposure) -> str:
    return f"exposures.{exposure.app}:{exposure.port}"


def networks(index: Index) -> dict[str, Any]:
    """Return the one network of the project."""
    subnet = index.plan.subnet
    return {NETWORK: {"ipam": {"config": [{"subnet": subnet, **_range(subnet, index)}]}} if subnet else {}}


def _range(subnet: str, index: Index) -> dict[str, str]:
    """Return the address range for services without a fixed address: a part of the subnet that contains no fixed one.

    Docker assigns the lowest addresses first, so it could assign a gateway's address before the gateway starts.
    """
    try:
        whole = ipaddress.ip_network(subnet)
        fixed = [int(ipaddress.ip_address(group.address)) for group in index.plan.groups if group.address]
    except ValueError:
        return {}  # planning refuses such addresses
    block = free_block(whole, fixed) if fixed else None
    return {"gateway": str(whole[1]), "ip_range": str(block)} if block else {}


def network_findings(index: Index) -> tuple[Finding, ...]:
    """Return findings on groups, ports, exposures and egress that a project does not translate."""
    plan = index.plan
    findings: list[Finding] = []
    for group in plan.groups:
        findings += _group(group, index)
    if any(app.ports for app in plan.apps):
        for field, text in (
            ("name", "Compose ports have no names."),
            ("serves", "Compose does not record the protocol of a port: callers choose http or https."),
            ("container", "Compose does not record which container listens: containers of one network namespace share their ports."),
        ):
            findings.append(note(f"ports.{field}", f"apps.*.ports.*.{field}", "cosmetic", text, code="compose.metadata"))
    for app in plan.apps:
        if app.name not in index.group_of:
            text, remedy = f"{app.name} belongs to no group, so it gets no network.", "add the app to a group"
            findings.append(refuse("groups", f"apps.{app.name}", "security", text, remedy, code="network.group-missing", app=app.name))
        findings += [_private(app, port, index) for port in app.ports if port.private]
    for exposure in plan.exposures:
        if exposure.app not in index.group_of or exposure.app not in index.apps:
            text, remedy = f"App {exposure.app!r} does not exist.", "name an app of the stack"
            findings.append(refuse("exposures", f"{_path(exposure)}.app", "function", text, remedy, code="config.app-unknown"))
    return tuple(findings)


def _private(app: App, port: Port, index: Index) -> Finding:
    path = f"apps.{app.name}.ports.{port.name}"
    group = index.group_of.get(app.name)
    if group and isinstance(group.egress, Tunnel):
        text = f"Port {port.number} is private, but Compose cannot block it: only the gateway's firewall keeps other containers out."
        remedy = f"run `portable exec {group.egress.gateway} iptables -S`: no rule may accept the port"
        return note("ports.private", path, "cosmetic", text, remedy, code="compose.private-port", app=app.name)
    text = f"Port {port.number} is private, but Compose cannot block it: every container of the network can reach it."
    remedy = "make the app listen on 127.0.0.1 only, or require a password"
    return note("ports.private", path, "security", text, remedy, code="compose.private-port", app=app.name)


def _group(group: Group, index: Index) -> list[Finding]:
    path = f"groups.{group.name}"
    findings: list[Finding] = []
    if group.account is not None:
        text = "Compose has no service accounts."
        findings.append(note("groups.account", f"{path}.account", "cosmetic", text, code="compose.cluster-setting"))
    if group.prefer_nodes:
        text = "A Compose engine is one node, so node preferences have no effect."
        findings.append(note("groups.prefer_nodes", f"{path}.prefer_nodes", "cosmetic", text, code="compose.cluster-setting"))
    if group.address and not index.plan.subnet:
        text = f"Group {group.name} has a fixed address, but the network has no subnet."
        remedy = "set `networks: {subnet: ...}` in the profile"
        findings.append(refuse("groups.address", f"{path}.address", "function", text, remedy, code="network.subnet-missing"))
    if unknown := [name for name in group.apps if name not in index.apps]:
        text = f"App {unknown[0]!r} does not exist."
        findings.append(refuse("groups", f"{path}.apps", "function", text, "name apps of the stack", code="config.app-unknown"))
    match group.egress:
        case Direct():
            return findings
        case Tunnel():
            limits: tuple[str, ...] = ("networks", "endpoints")
        case Sealed():
            limits = ("networks",)
        case _:
            assert_never(group.egress)
    for limit in limits:
        text = "Compose has no network policies: only firewall rules in the gateway's network namespace confine the apps."
        if isinstance(group.egress, Tunnel):
            text += " Names without a public suffix, such as nas.lan, resolve only if they belong to apps of the stack."
        findings.append(
            note(
                "egress.fence",
                f"{path}.egress.{limit}",
                "security",
                text,
                f"check its rules: `portable exec {group.egress.gateway} iptables -S`",
                code="compose.network-policy",
                app=group.egress.gateway,
            )
        )
    findings += told_by_settings(group)
    findings += _gateway(group, group.egress.gateway, index)
    return findings


def _gateway(group: Group, gateway: str, index: Index) -> list[Finding]:
    path = f"groups.{group.name}.egress.gateway"
    if gateway not in group.apps or gateway not in index.apps:
        text = f"Gateway {gateway!r} is not in its group {group.name}, so nothing would confine the apps."
        remedy = "add the gateway to its group"
        return [refuse("egress.gateway", path, "security", text, remedy, code="network.gateway-outside", app=gateway)]
    if not asked(main_container(index.apps[gateway])) and gateway_of(group) and len(group.apps) > 1:
        text = f"Gateway {gateway} has no probe, so its apps may start before its firewall is up."
        return [refuse("egress.gateway", path, "security", text, "add a probe to the gateway", code="health.probe-missing", app=gateway)]
    return []
