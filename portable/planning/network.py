"""Step 2: groups that share a network namespace, their egress, and the exposure of ports. The VPN is decided here."""

import contextlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from portable.catalog.facts import AppFacts, PortFacts
from portable.model import plan as p
from portable.model.addresses import is_ip_address
from portable.model.exposures import Exposure, GatewayRoute, Ingress, Lan, LoadBalancer, Loopback, Reach, Route, in_url
from portable.model.source import Source
from portable.model.subnets import capacity, free_block
from portable.planning.inputs import Mistakes, PlanInput
from portable.planning.lan import PUBLISHABLE, not_publishable
from portable.planning.select import Selection, runs_outside
from portable.planning.tunnel import Way
from portable.profiles.types import ExposeFacts

_LONGEST_LABEL, _LONGEST_NAME = 63, 253
_NETWORK_REMEDY = "write a network such as 172.20.0.0/16"
_SUBNET_REMEDY = "choose a subnet that no other network uses, for example `subnet: 172.29.0.0/16`"


class PlannedNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """Groups in start order, each app's ports, exposures, and the place's own networks."""

    groups: tuple[p.Group, ...]
    group_of: Mapping[str, p.Group]
    """By name of the app."""
    ports: Mapping[str, tuple[p.Port, ...]]
    exposures: tuple[Exposure, ...]
    networks: tuple[str, ...]

    def group_ports(self, app: str) -> tuple[int, ...]:
        """The TCP ports of the app's group that other apps may use."""
        ports = (port for member in self.group_of[app].apps for port in self.ports[member])
        return tuple(sorted({port.number for port in ports if port.protocol == "tcp" and not port.private and port.serves != "raw"}))

    def group_raw_ports(self, app: str) -> tuple[int, ...]:
        """The ports of the app's group for peers on the internet, TCP or UDP."""
        ports = (port for member in self.group_of[app].apps for port in self.ports[member])
        return tuple(sorted({port.number for port in ports if port.serves == "raw" and not port.private}))


def network(given: PlanInput, chosen: Selection, way: Way, mistakes: Mistakes) -> PlannedNetwork:
    """Put apps into groups and expose their ports; each conflict is a mistake with its place."""
    exposed = dict(_exposures(given, chosen, mistakes))
    by_app: dict[str, set[str]] = {}
    for app, port in exposed:
        by_app.setdefault(app, set()).add(port)
    ports = {name: _ports(entry.facts, by_app.get(name, set())) for name, entry in chosen.apps.items()}
    networks = _networks(given, mistakes)
    groups = tuple(_groups(given, chosen, way, networks))
    _addresses(given, groups, mistakes)
    _subnet(given, groups, len(chosen.clouds), mistakes)
    _group_clashes(groups, given, chosen, ports, mistakes)
    _host_clashes(exposed, ports, given, mistakes)
    exposures = tuple(Exposure(app=app, port=port, how=how) for (app, port), how in sorted(exposed.items()))
    group_of = {app: group for group in groups for app in group.apps}
    return PlannedNetwork(groups=groups, group_of=group_of, ports=ports, exposures=exposures, networks=networks)


def _networks(given: PlanInput, mistakes: Mistakes) -> tuple[str, ...]:
    """The place's own networks in canonical form, the subnet first."""
    networks: list[str] = []
    facts = given.profile.networks
    asked = ([(facts.subnet, ("subnet",))] if facts.subnet else []) + [(cidr, ("local", i)) for i, cidr in enumerate(facts.local)]
    for cidr, at in asked:
        try:
            networks.append(str(ipaddress.ip_network(cidr)))
        except ValueError as error:
            text = f"{cidr!r} is not a valid network: {error}"
            mistakes.add(given.profile_source("networks", *at), "networks", text, _NETWORK_REMEDY, code="plan.network")
    for index, endpoint in enumerate(given.profile.vpn.endpoints if given.profile.vpn else ()):
        try:
            ipaddress.ip_network(endpoint.cidr)
        except ValueError as error:
            source, text = given.profile_source("vpn", "endpoints", index, "cidr"), f"{endpoint.cidr!r} is not a valid network: {error}"
            mistakes.add(source, "vpn.endpoints", text, _NETWORK_REMEDY, code="plan.network")
    return tuple(dict.fromkeys(networks))


def _addresses(given: PlanInput, groups: Iterable[p.Group], mistakes: Mistakes) -> None:
    """Fixed addresses are in the subnet and unique, and a group has one address, since its apps share a network."""
    cidr, addresses = given.profile.networks.subnet, given.profile.addresses
    subnet = None
    with contextlib.suppress(ValueError):  # reported by _networks
        subnet = ipaddress.ip_network(cidr) if cidr else None
    owners: dict[object, str] = {}
    planned = {app for group in groups for app in group.apps}
    for app, literal in addresses.items():
        if app not in planned:
            continue
        source, path = given.profile_source("addresses", app), f"addresses.{app}"
        remedy = f"use another address, or none: `addresses: {{{app}: null}}`"
        try:
            address = ipaddress.ip_address(literal)
        except ValueError:
            mistakes.add(source, path, f"{literal!r} is not a valid IP address", remedy, code="plan.address")
            continue
        if cidr is None and given.profile.traits.picks_own_addresses:
            text, remedy = "a fixed address needs a subnet", "set one, for example `networks: {subnet: 172.20.0.0/16}`"
            mistakes.add(source, path, text, remedy, code="plan.subnet-missing")
        elif subnet is not None and address not in subnet:
            mistakes.add(source, path, f"{literal} is not in the subnet {subnet}", remedy, code="plan.address-outside")
        elif subnet is not None and address in (subnet[0], subnet[min(1, subnet.num_addresses - 1)], subnet[-1]):
            text = f"{literal} is reserved: the network uses the first two addresses of {subnet} and the last one"
            mistakes.add(source, path, text, remedy, code="plan.address-reserved")
        if address in owners:
            mistakes.add(source, path, f"{literal} is already the address of {owners[address]}", remedy, code="plan.address-taken")
        owners.setdefault(address, app)
    for group in groups:
        for app in [app for app in group.apps if app in addresses][1:]:
            text, remedy = f"{app} shares the network of {group.name}, and so its address", f"remove it: `addresses: {{{app}: null}}`"
            mistakes.add(given.profile_source("addresses", app), f"addresses.{app}", text, remedy, code="plan.address-shared")


def _subnet(given: PlanInput, groups: tuple[p.Group, ...], clouds: int, mistakes: Mistakes) -> None:
    """The engine's network has IPv4 and an address for each group and each cloud's mounter, and does not cover a network of the host."""
    cidr = given.profile.networks.subnet
    try:
        subnet = ipaddress.ip_network(cidr or "")
    except ValueError:
        return  # reported by _networks
    if not given.profile.traits.picks_own_addresses:
        return
    source, path = given.profile_source("networks", "subnet"), "networks.subnet"
    if subnet.version == 6:
        text = f"{cidr} is a subnet of IPv6, and the network of a Compose project has IPv4 only"
        mistakes.add(source, path, text, "write a subnet of IPv4, for example `subnet: 172.20.0.0/16`", code="plan.subnet-ipv6")
        return
    for local in given.profile.networks.local:
        with contextlib.suppress(ValueError, TypeError):  # reported by _networks, or of IPv6
            network = ipaddress.ip_network(local)
            if network.subnet_of(subnet):  # type: ignore[arg-type]
                what = "is" if network == subnet else f"covers {local},"
                text = f"{cidr} {what} one of the networks under `local`: the host could no longer reach it"
                mistakes.add(source, path, text, _SUBNET_REMEDY, code="plan.subnet-local")
    fixed = {int(ipaddress.ip_address(group.address)) for group in groups if group.address and is_ip_address(group.address)}
    needed = len(groups) - sum(group.address is not None for group in groups) + clouds
    block = free_block(subnet, fixed) if fixed else None
    if needed > (room := capacity(subnet, block) - (0 if block else len(fixed))):
        of = f"the part {block} of {cidr}, without fixed addresses," if block else f"{cidr}"
        text = f"{needed} containers need an address, and {of} has {max(room, 0)}"
        remedy = "choose a larger subnet, for example `subnet: 172.20.0.0/16`" + (", or fewer fixed addresses" if fixed else "")
        mistakes.add(source, path, text, remedy, code="plan.subnet-small")


def _groups(given: PlanInput, chosen: Selection, way: Way, networks: tuple[str, ...]) -> Iterator[p.Group]:
    """The gateway's group, then one group for each other app; apps in start order."""
    profile = given.profile
    shared: tuple[str, ...] = ()
    if chosen.gateway:
        behind = (n for n, e in chosen.apps.items() if e.facts.egress == "vpn" and not runs_outside(given, n))
        shared = (chosen.gateway, *(n for n in behind if n != chosen.gateway))
        egress: p.Tunnel | p.Sealed = p.Sealed(gateway=chosen.gateway, networks=networks)
        if profile.vpn:
            egress = p.Tunnel(
                gateway=chosen.gateway,
                networks=networks,
                endpoints=way.endpoints,
                provider=way.provider,
                protocol=way.protocol,
                interface=way.interface,
                port_forwarding=way.port_forwarding,
            )
        yield _group(given, chosen, shared, egress)
    for name in chosen.apps:
        if name not in shared:
            yield _group(given, chosen, (name,), p.Direct())


def _group(given: PlanInput, chosen: Selection, apps: tuple[str, ...], egress: p.Direct | p.Tunnel | p.Sealed) -> p.Group:
    profile = given.profile
    zones = (chosen.apps[app].facts.zone for app in apps)
    return p.Group(
        name=apps[0],
        apps=apps,
        egress=egress,
        account=next((profile.accounts[zone] for zone in zones if zone in profile.accounts), None),
        prefer_nodes=profile.nodes.prefer,
        address=next((profile.addresses[app] for app in apps if app in profile.addresses), None),
    )


def _ports(facts: AppFacts, exposed: set[str]) -> tuple[p.Port, ...]:
    """The ports of the containers that run; a port for both protocols becomes two."""

    def is_served(port: PortFacts) -> bool:
        condition = facts.containers[port.container].only_if_exposed
        return condition is None or condition in exposed

    return tuple(
        p.Port(
            name=udp_half(name) if port.protocol == "tcp+udp" and protocol == "udp" else name,
            number=port.number,
            protocol=protocol,
            serves=port.serves,
            container=port.container,
            private=port.private,
        )
        for name, port in sorted(facts.ports.items())
        if is_served(port)
        for protocol in _protocols(port)
    )


def udp_half(name: str) -> str:
    """The name of the UDP half of a port for both protocols."""
    return f"{name}-udp"


def _protocols(port: PortFacts) -> tuple[p.Protocol, ...]:
    match port.protocol:
        case "tcp+udp":
            return ("tcp", "udp")
        case one:
            return (one,)


def _exposures(given: PlanInput, chosen: Selection, mistakes: Mistakes) -> Iterator[tuple[tuple[str, str], Reach]]:
    """The exposures that the profile sets for single ports, else its default for every app's web port."""
    profile = given.profile
    for app, by_port in profile.exposure.apps.items():
        source = given.profile_source("exposure", "apps", app)
        if app not in chosen.apps:
            continue  # a profile may expose an app that this stack does not run
        facts = chosen.apps[app].facts
        for name, asked in by_port.items():
            source = given.profile_source("exposure", "apps", app, name)
            path = f"exposure.apps.{app}.{name}"
            port = facts.ports.get(name)
            if port is None:
                mistakes.unknown(source, path, "port", name, tuple(facts.ports), code="port.unknown")
            elif port.private:
                mistakes.add(source, path, f"port {name} of {app} is private and cannot be exposed", "remove it", code="port.private")
            elif port.serves == "raw" and facts.egress == "vpn":
                text = f"port {name} of {app} is for peers, who connect through the tunnel: it is never published"
                mistakes.add(source, path, text, "remove it", code="port.peers")
            elif (how := _exposure(given, asked, app, port, path, mistakes)) is not None:
                yield (app, name), how
                if port.protocol == "tcp+udp":
                    yield (app, udp_half(name)), how
    for app, entry in chosen.apps.items():
        port = entry.facts.ports.get("web")
        if port is None or port.private or "web" in profile.exposure.apps.get(app, {}) or profile.exposure.default == "none":
            continue
        if port.serves == "raw" and entry.facts.egress == "vpn":
            continue  # for peers, as above
        asked = msgspec.convert({profile.exposure.default: {}}, ExposeFacts)
        if (how := _exposure(given, asked, app, port, "exposure.default", mistakes)) is not None:
            yield (app, "web"), how


def _exposure(given: PlanInput, asked: ExposeFacts, app: str, port: PortFacts, path: str, mistakes: Mistakes) -> Reach | None:
    """The exposure of a port, completed from the profile and the app; None after a mistake."""
    ways = [w for w in (asked.loopback, asked.lan, asked.ingress, asked.gateway, asked.route, asked.load_balancer) if w is not None]
    if not ways:
        return None
    at = given.profile_source(*path.split("."))
    if len(ways) > 1:
        text = "a port has only one exposure: loopback, lan, ingress, gateway, route or load-balancer"
        mistakes.add(at, path, text, _one_exposure(given, asked, path), code="port.several-exposures")
        return None
    if (asked.ingress or asked.gateway or (asked.route and asked.route.termination == "edge")) and port.serves == "raw":
        text = f"host names route HTTP only; port {path.rpartition('.')[2]} of {app} is raw TCP/UDP"
        mistakes.add(at, path, text, "use load-balancer or lan", code="port.raw-host")
        return None
    if asked.load_balancer and asked.load_balancer.address and not is_ip_address(asked.load_balancer.address):
        text = f"{asked.load_balancer.address!r} is not a valid IP address"
        mistakes.add(at, path, text, "write an address such as 192.168.1.50, or remove it", code="port.balancer-address")
        return None
    exposure = given.profile.exposure
    host = f"{app}.{exposure.domain}" if exposure.domain else None
    if named := asked.ingress or asked.gateway or asked.route:
        host = named.host or host
        if host is None:
            mistakes.add(at, path, "a host name is required", "set `host` here, or `exposure.domain` for all", code="port.host-missing")
            return None
        if (why := _host_problem(host)) is not None:
            mistakes.add(at, path, why, "set another `host` here, or `exposure.domain` for all", code="port.host-name")
            return None
    published = asked.loopback or asked.lan or asked.load_balancer
    number = (published if isinstance(published, int) else published.number if published else None) or port.number
    if port.own_number and number != port.number:
        text = f"{app} rejects requests for any port number but its own: published at {number}, it would reject them all"
        remedy = f"use that number everywhere, in portable.yaml: `ports: {{{app}: {{{path.rpartition('.')[2]}: {number}}}}}`"
        mistakes.add(at, path, text, remedy, code="port.own-number")
    if asked.loopback is not None:
        return Loopback(number=number)
    if asked.lan is not None:
        own = None if isinstance(asked.lan, int) else asked.lan.address
        if own is not None and (why := not_publishable(own)) is not None:
            mistakes.add(at, f"{path}.lan.address", why, PUBLISHABLE, code="port.lan-address")
            return None
        return Lan(number=number, address=own or exposure.lan_address)
    if asked.ingress:
        return Ingress(
            host=host or "",
            tls_secret=asked.ingress.tls_secret or exposure.tls_secret,
            ingress_class=asked.ingress.ingress_class or exposure.ingress_class,
            namespace=exposure.ingress_namespace,
        )
    if asked.gateway:
        return _gateway_route(given, host or "", at, path, mistakes)
    if asked.route:
        return Route(host=host or "", termination=asked.route.termination, auth=asked.route.auth)
    balancer = asked.load_balancer
    return LoadBalancer(number=number, address=balancer.address) if balancer else None


def _gateway_route(given: PlanInput, host: str, at: Source, path: str, mistakes: Mistakes) -> GatewayRoute | None:
    gateway = given.profile.exposure.gateway
    if gateway is None:
        remedy = "name it: `exposure: {gateway: {name: ..., namespace: ...}}`"
        mistakes.add(at, path, "the profile names no Gateway", remedy, code="port.gateway-missing")
        return None
    return GatewayRoute(
        host=host,
        gateway=gateway.name,
        gateway_namespace=gateway.namespace,
        section=gateway.section,
        namespace=given.profile.exposure.ingress_namespace,
    )


def _one_exposure(given: PlanInput, asked: ExposeFacts, path: str) -> str:
    """The remedy for several exposures: the inherited ones become null."""
    steps = path.split(".")
    named = {key.replace("_", "-"): value for key, value in msgspec.structs.asdict(asked).items()}
    files = {key: given.profile_source(*steps, key).file for key, value in named.items() if value is not None}
    top = next((file for file in files.values() if file.startswith("--set ")), given.profile_source("name").file)
    inherited = {key: file for key, file in files.items() if file != top}
    if not inherited or len(inherited) == len(files):
        return "keep one of them"
    nulls = ", ".join(f"{key}: null" for key in inherited)
    sources = " and ".join(f"`{key}` comes from {Path(file).name}" for key, file in inherited.items())
    if top.startswith("--set "):
        return f"{sources}: add {' '.join(f'`--set {path}.{key}=null`' for key in inherited)}"
    return f"{sources}: write `exposure: {{apps: {{{steps[2]}: {{{steps[3]}: {{{nulls}}}}}}}}}` beside your own"


def _host_problem(host: str) -> str | None:
    """Return why `host` is not a valid DNS name, or None if it is valid.

    A label has at most 63 characters and a name at most 253 (RFC 1035). RFC 1123 defines the allowed characters.
    """
    labels = host.split(".")
    if len(host) > _LONGEST_NAME or any(len(label) > _LONGEST_LABEL for label in labels):
        return f"{host!r} is too long for a host name: {_LONGEST_LABEL} characters between dots, {_LONGEST_NAME} in all"
    if any(not label or label.startswith("-") or label.endswith("-") for label in labels):
        return f"{host!r} is not a valid host name: each part must begin and end with a letter or digit"
    return None


def _group_clashes(
    groups: Iterable[p.Group], given: PlanInput, chosen: Selection, ports: Mapping[str, tuple[p.Port, ...]], mistakes: Mistakes
) -> None:
    """Two apps of one namespace cannot share a port, and nothing can remap it (docs/facts/gluetun.md#ports-it-occupies)."""
    for group in groups:
        owners: dict[tuple[int, str], tuple[str, str]] = {}
        for app in group.apps:
            for port in ports[app]:
                key = (port.number, port.protocol)
                if key in owners:
                    other = " ".join(owners[key])
                    asked = given.stack_document is not None and port.name in given.stack.ports.get(app, {})
                    document = chosen.apps[app].document
                    source = given.stack_source("ports", app, port.name) if asked else document.source(("ports", port.name, "number"))
                    number = f"{port.number}/{port.protocol}"
                    text = f"{app} {port.name} and {other} both listen on {number} in the network namespace of {group.name}"
                    remedy = f"give one of them another port in portable.yaml: `ports: {{{app}: {{{port.name}: N}}}}`"
                    mistakes.add(source, f"ports.{port.name}.number", text, remedy, code="port.clash")
                else:
                    owners[key] = (app, port.name)


def _host_clashes(
    exposed: Mapping[tuple[str, str], Reach], ports: Mapping[str, tuple[p.Port, ...]], given: PlanInput, mistakes: Mistakes
) -> None:
    """Two ports cannot share one number of the host, nor two apps one host name."""
    owners: dict[object, str] = {}
    for (app, name), how in sorted(exposed.items()):
        port = next((q for q in ports[app] if q.name == name), None)
        if port is None:
            continue
        match how:
            case Loopback(number=number) | Lan(number=number):
                key: object = (number, port.protocol)
                what = f"the host's port {number}/{port.protocol}"
            case LoadBalancer(number=number, address=address):
                key, what = (address, number, port.protocol), f"{address or 'the load balancer'}:{number}"
                if address is None:
                    continue
            case Ingress(host=host) | GatewayRoute(host=host) | Route(host=host):
                key, what = host, f"the host name {host}"
        if key in owners:
            source = given.profile_source("exposure", "apps", app, name)
            text, remedy = f"{app} {name} and {owners[key]} both use {what}", "give one of them another number or host name"
            mistakes.add(source, f"exposure.apps.{app}.{name}", text, remedy, code="port.taken")
        else:
            owners[key] = f"{app} {name}"


def address_of(exposure: Exposure, port: p.Port, host: str | None) -> str | None:
    """The address for a browser; `host` is the place's name on the LAN. None if only the load balancer will know it."""
    scheme = {"http": "http", "https": "https", "raw": port.protocol}[port.serves]
    match exposure.how:
        case Loopback(number=number):
            return f"{scheme}://127.0.0.1:{number}"
        case Lan(number=number, address=own):
            return f"{scheme}://{in_url(own) if own else host or 'localhost'}:{number}"
        case Ingress(host=name, tls_secret=tls):
            return f"{'https' if tls else 'http'}://{name}"
        case Route(host=name) | GatewayRoute(host=name):
            return f"https://{name}"
        case LoadBalancer(number=number, address=address):
            return f"{scheme}://{address}:{number}" if address else None


def at_this_host(addresses: Mapping[tuple[str, str], str], exposures: Iterable[Exposure]) -> dict[tuple[str, str], str]:
    """The addresses for other machines: `localhost` is none, so a port on the LAN of a host without a name is described."""
    nameless = {
        (e.app, e.port): f"port {e.how.number} of this host's address"
        for e in exposures
        if isinstance(e.how, Lan) and "://localhost:" in addresses.get((e.app, e.port), "")
    }
    return {**addresses, **nameless}
