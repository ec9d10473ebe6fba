"""Step 2: groups that share a network namespace, their way out, and how ports are reached. The VPN is decided here."""

import contextlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from portable.catalog.facts import AppFacts, PortFacts
from portable.model import plan as p
from portable.planning.inputs import Input, Mistakes
from portable.planning.select import Selection, runs_outside
from portable.planning.tunnel import Way
from portable.profiles.types import ExposeFacts

_LONGEST_LABEL, _LONGEST_NAME = 63, 253


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Groups in start order, each app's ports, exposures, and the place's own networks."""

    groups: tuple[p.Group, ...]
    group_of: Mapping[str, p.Group]
    """The group that an app is in."""
    ports: Mapping[str, tuple[p.Port, ...]]
    exposures: tuple[p.Exposure, ...]
    networks: tuple[str, ...]

    def group_ports(self, app: str) -> tuple[int, ...]:
        """The TCP ports that others may reach in the app's group."""
        ports = (port for member in self.group_of[app].apps for port in self.ports[member])
        return tuple(sorted({port.number for port in ports if port.protocol == "tcp" and not port.private and port.serves != "raw"}))

    def group_raw_ports(self, app: str) -> tuple[int, ...]:
        """The ports of the app's group that peers on the internet call, TCP or UDP."""
        ports = (port for member in self.group_of[app].apps for port in self.ports[member])
        return tuple(sorted({port.number for port in ports if port.serves == "raw" and not port.private}))


def network(given: Input, chosen: Selection, way: Way, mistakes: Mistakes) -> Network:
    """Place apps into groups and expose their ports; every clash is a mistake with its place."""
    exposed = dict(_exposed(given, chosen, mistakes))
    by_app: dict[str, set[str]] = {}
    for app, port in exposed:
        by_app.setdefault(app, set()).add(port)
    ports = {name: _ports(entry.facts, by_app.get(name, set())) for name, entry in chosen.apps.items()}
    networks = _networks(given, mistakes)
    groups = tuple(_groups(given, chosen, way, networks))
    _addresses(given, groups, mistakes)
    _group_clashes(groups, given, chosen, ports, mistakes)
    _host_clashes(exposed, ports, given, mistakes)
    exposures = tuple(p.Exposure(app=app, port=port, how=how) for (app, port), how in sorted(exposed.items()))
    group_of = {app: group for group in groups for app in group.apps}
    return Network(groups=groups, group_of=group_of, ports=ports, exposures=exposures, networks=networks)


def _networks(given: Input, mistakes: Mistakes) -> tuple[str, ...]:
    """The place's own networks in canonical form, the subnet first."""
    found: list[str] = []
    facts = given.profile.networks
    asked = ([(facts.subnet, ("subnet",))] if facts.subnet else []) + [(cidr, ("local", i)) for i, cidr in enumerate(facts.local)]
    for cidr, at in asked:
        try:
            found.append(str(ipaddress.ip_network(cidr)))
        except ValueError as error:
            mistakes.add(
                given.profile_source("networks", *at), "networks", f"{cidr!r} is no network: {error}", "write a network as 172.20.0.0/16"
            )
    for index, endpoint in enumerate(given.profile.vpn.endpoints if given.profile.vpn else ()):
        try:
            ipaddress.ip_network(endpoint.cidr)
        except ValueError as error:
            mistakes.add(
                given.profile_source("vpn", "endpoints", index, "cidr"), "vpn.endpoints", f"{endpoint.cidr!r} is no network: {error}"
            )
    return tuple(dict.fromkeys(found))


def _addresses(given: Input, groups: Iterable[p.Group], mistakes: Mistakes) -> None:
    """Fixed addresses lie in the subnet, each is given once, and a group has one: its apps share a network."""
    cidr, addresses = given.profile.networks.subnet, given.profile.addresses
    subnet = None
    with contextlib.suppress(ValueError):  # told with the networks
        subnet = ipaddress.ip_network(cidr) if cidr else None
    taken: dict[object, str] = {}
    here = {app for group in groups for app in group.apps}
    remedy = "name another one, or none: `addresses: {{{}: null}}`"
    for app, text in addresses.items():
        if app not in here:
            continue
        source, path = given.profile_source("addresses", app), f"addresses.{app}"
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            mistakes.add(source, path, f"{text!r} is no IP address")
            continue
        if cidr is None and given.profile.traits.picks_own_addresses:
            mistakes.add(source, path, "a fixed address needs a subnet to lie in", "set `networks.subnet`")
        elif subnet is not None and address not in subnet:
            mistakes.add(source, path, f"{text} is no address of the subnet {subnet}", remedy.format(app))
        elif subnet is not None and address in (subnet[0], subnet[min(1, subnet.num_addresses - 1)], subnet[-1]):
            mistakes.add(source, path, f"{text} is not free in {subnet}: its first two addresses and its last are the network's own")
        if address in taken:
            mistakes.add(source, path, f"{text} is the address of {taken[address]} already", remedy.format(app))
        taken.setdefault(address, app)
    for group in groups:
        for app in [app for app in group.apps if app in addresses][1:]:
            text = f"{app} shares the network of {group.name}, and with it its address"
            mistakes.add(given.profile_source("addresses", app), f"addresses.{app}", text, f"remove it: `addresses: {{{app}: null}}`")


def _groups(given: Input, chosen: Selection, way: Way, networks: tuple[str, ...]) -> Iterator[p.Group]:
    """The gateway's group first, then a group for each app of its own; apps in start order."""
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


def _group(given: Input, chosen: Selection, apps: tuple[str, ...], egress: p.Direct | p.Tunnel | p.Sealed) -> p.Group:
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
    """The ports of the containers that are there; a port for both protocols becomes two."""

    def there(port: PortFacts) -> bool:
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
        if there(port)
        for protocol in _protocols(port)
    )


def udp_half(name: str) -> str:
    """What the UDP half of a port for both protocols is called."""
    return f"{name}-udp"


def _protocols(port: PortFacts) -> tuple[p.Protocol, ...]:
    match port.protocol:
        case "tcp+udp":
            return ("tcp", "udp")
        case one:
            return (one,)


def _exposed(given: Input, chosen: Selection, mistakes: Mistakes) -> Iterator[tuple[tuple[str, str], p.Reach]]:
    """What the profile says port by port, else its default for every app's web port."""
    profile = given.profile
    for app, by_port in profile.exposure.apps.items():
        source = given.profile_source("exposure", "apps", app)
        if app not in chosen.apps:
            continue  # a profile may say how an app is reached that this stack does not run
        facts = chosen.apps[app].facts
        for name, asked in by_port.items():
            source = given.profile_source("exposure", "apps", app, name)
            path = f"exposure.apps.{app}.{name}"
            port = facts.ports.get(name)
            if port is None:
                mistakes.unknown(source, path, "port", name, tuple(facts.ports))
            elif port.private:
                mistakes.add(source, path, f"port {name} of {app} is private: it is not for others", "remove it")
            elif port.serves == "raw" and facts.egress == "vpn":
                mistakes.add(
                    source, path, f"port {name} of {app} is for peers, who come through the tunnel: it is never published", "remove it"
                )
            elif (how := _reach(given, asked, app, port, path, mistakes)) is not None:
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
        if (how := _reach(given, asked, app, port, "exposure.default", mistakes)) is not None:
            yield (app, "web"), how


def _reach(given: Input, asked: ExposeFacts, app: str, port: PortFacts, path: str, mistakes: Mistakes) -> p.Reach | None:
    """The way that is asked for, with what it does not say taken from the profile and the app."""
    ways = [w for w in (asked.loopback, asked.lan, asked.ingress, asked.route, asked.load_balancer) if w is not None]
    if not ways:
        return None
    at = given.profile_source(*path.split("."))
    if len(ways) > 1:
        mistakes.add(at, path, "a port is reached in one way: loopback, lan, ingress, route or load-balancer")
        return None
    if (asked.ingress or (asked.route and asked.route.termination == "edge")) and port.serves == "raw":
        mistakes.add(
            at, path, f"a name leads to HTTP only, and {path.rpartition('.')[2]} of {app} is a raw port", "use load-balancer, or lan"
        )
        return None
    if asked.load_balancer and asked.load_balancer.address and not _is_address(asked.load_balancer.address):
        mistakes.add(at, path, f"{asked.load_balancer.address!r} is no IP address")
        return None
    exposure = given.profile.exposure
    host = f"{app}.{exposure.domain}" if exposure.domain else None
    if named := asked.ingress or asked.route:
        host = named.host or host
        if host is None:
            mistakes.add(at, path, "a name is needed", "set `host` here, or `exposure.domain` for all")
            return None
        if (why := _no_name(host)) is not None:
            mistakes.add(at, path, why, "set another `host` here, or `exposure.domain` for all")
            return None
    published = asked.loopback or asked.lan or asked.load_balancer
    number = (published if isinstance(published, int) else published.number if published else None) or port.number
    if port.own_number and number != port.number:
        text = f"{app} refuses requests for another number than its own: published at {number} it would answer nobody"
        remedy = f"give it that number everywhere, in portable.yaml: `ports: {{{app}: {{{path.rpartition('.')[2]}: {number}}}}}`"
        mistakes.add(at, path, text, remedy)
    if asked.loopback is not None:
        return p.Loopback(number=number)
    if asked.lan is not None:
        return p.Lan(number=number)
    if asked.ingress:
        return p.Ingress(
            host=host or "",
            tls_secret=asked.ingress.tls_secret or exposure.tls_secret,
            ingress_class=asked.ingress.ingress_class or exposure.ingress_class,
            namespace=exposure.ingress_namespace,
        )
    if asked.route:
        return p.Route(host=host or "", termination=asked.route.termination, auth=asked.route.auth)
    balancer = asked.load_balancer
    return p.LoadBalancer(number=number, address=balancer.address) if balancer else None


def _no_name(host: str) -> str | None:
    """Why a host can't be a DNS name (RFC 1035: labels of 63, a name of 253; RFC 1123 for what is in a label); None where it can."""
    labels = host.split(".")
    if len(host) > _LONGEST_NAME or any(len(label) > _LONGEST_LABEL for label in labels):
        return f"{host!r} is too long for a name: {_LONGEST_LABEL} characters between dots, {_LONGEST_NAME} in all"
    if any(not label or label.startswith("-") or label.endswith("-") for label in labels):
        return f"{host!r} is no name: each part begins and ends with a letter or digit"
    return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _group_clashes(
    groups: Iterable[p.Group], given: Input, chosen: Selection, ports: Mapping[str, tuple[p.Port, ...]], mistakes: Mistakes
) -> None:
    """Two apps of one namespace can't listen on one port, and nothing can remap it (docs/facts/gluetun.md#ports-it-occupies)."""
    for group in groups:
        taken: dict[tuple[int, str], tuple[str, str]] = {}
        for app in group.apps:
            for port in ports[app]:
                key = (port.number, port.protocol)
                if key in taken:
                    other = " ".join(taken[key])
                    asked = given.stack_document is not None and port.name in given.stack.ports.get(app, {})
                    document = chosen.apps[app].document
                    source = given.stack_source("ports", app, port.name) if asked else document.source(("ports", port.name, "number"))
                    text = f"{app} {port.name} and {other} both listen on {port.number}/{port.protocol} in the namespace of {group.name}"
                    mistakes.add(
                        source,
                        f"ports.{port.name}.number",
                        text,
                        f"give one another port in portable.yaml: `ports: {{{app}: {{{port.name}: N}}}}`",
                    )
                else:
                    taken[key] = (app, port.name)


def _host_clashes(
    exposed: Mapping[tuple[str, str], p.Reach], ports: Mapping[str, tuple[p.Port, ...]], given: Input, mistakes: Mistakes
) -> None:
    """Two ports can't be published at one number of the host, nor two apps at one name."""
    taken: dict[object, str] = {}
    for (app, name), how in sorted(exposed.items()):
        port = next((q for q in ports[app] if q.name == name), None)
        if port is None:
            continue
        match how:
            case p.Loopback(number=number) | p.Lan(number=number):
                key: object = (number, port.protocol)
                what = f"the host's port {number}/{port.protocol}"
            case p.LoadBalancer(number=number, address=address):
                key, what = (address, number, port.protocol), f"{address or 'the load balancer'}:{number}"
                if address is None:
                    continue
            case p.Ingress(host=host) | p.Route(host=host):
                key, what = host, f"the name {host}"
        if key in taken:
            source = given.profile_source("exposure", "apps", app, name)
            mistakes.add(
                source,
                f"exposure.apps.{app}.{name}",
                f"{app} {name} and {taken[key]} both ask for {what}",
                "give one another number or host",
            )
        else:
            taken[key] = f"{app} {name}"


def address_of(exposure: p.Exposure, port: p.Port, host: str | None) -> str | None:
    """The address that a person types; `host` is the place's name on the LAN. None where only the load balancer will know it."""
    scheme = {"http": "http", "https": "https", "raw": port.protocol}[port.serves]
    match exposure.how:
        case p.Loopback(number=number):
            return f"{scheme}://127.0.0.1:{number}"
        case p.Lan(number=number):
            return f"{scheme}://{host or 'localhost'}:{number}"
        case p.Ingress(host=name, tls_secret=tls):
            return f"{'https' if tls else 'http'}://{name}"
        case p.Route(host=name):
            return f"https://{name}"
        case p.LoadBalancer(number=number, address=address):
            return f"{scheme}://{address}:{number}" if address else None
