"""Step 1b: the tunnel: provider, protocol and endpoint of the profile's `vpn`, and what of it the gateway's file is completed with."""

import contextlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from portable.catalog.catalog import Catalog
from portable.catalog.facts import SecretFacts
from portable.catalog.gateways import (
    OpenvpnFacts,
    Ports,
    ProviderFacts,
    ProviderSecretFacts,
    ProvidersFacts,
    TunnelProtocol,
    WireguardFacts,
    providers_of,
)
from portable.model import plan as p
from portable.planning.inputs import Entry, Input, Mistakes
from portable.planning.select import Selection, runs_outside
from portable.profiles.types import EndpointFacts, VpnFacts

ANYWHERE = "0.0.0.0/0"
SECRETS = "/run/secrets"
_PART = 4
"""So many letters of a provider's name are enough to know it."""


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """The app behind the gateway that listens at a forwarded port."""

    app: str
    port: int
    """Of its interface."""
    user: str
    secret: str
    """Its password."""
    listens: int
    """Where it waits for peers unless it is told otherwise."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How the gateway reaches its provider."""

    provider: str = ""
    protocol: TunnelProtocol = "wireguard"
    interface: str = "tun0"
    port_forwarding: bool = False
    endpoints: tuple[p.Endpoint, ...] = ()
    networks: tuple[str, ...] = ()
    """Where the tunnel's own addresses lie, where the provider is known for it."""
    receiver: Receiver | None = None
    sets: Mapping[str, str] = {}
    """The variables that the gateway's file is completed with."""

    def context(self) -> dict[str, Any]:
        """What templates may say of it."""
        endpoints = [{"cidr": e.cidr, "port": e.port, "protocol": e.protocol} for e in self.endpoints]
        return {
            "provider": self.provider,
            "protocol": self.protocol,
            "interface": self.interface,
            "port_forwarding": self.port_forwarding,
            "endpoints": endpoints,
            "receiver": msgspec.structs.asdict(self.receiver) if self.receiver else None,
        }


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """What the section `vpn` comes to with a provider that the gateway knows."""

    name: str
    facts: ProviderFacts
    protocol: TunnelProtocol
    opened_by: Mapping[str, tuple[str, ...]]
    """Secrets with their keys."""
    optional: frozenset[str] = frozenset()
    """Of those secrets."""
    transport: p.Protocol
    port: int | None
    ports: Ports
    """What another port may be."""


def tunnel(given: Input, chosen: Selection, catalog: Catalog, mistakes: Mistakes) -> tuple[Selection, Way]:
    """The way out of the place, and its gateway with the variables and secrets that this takes. Facts are read where they are needed."""
    way = Way()
    apps = dict(chosen.apps)
    for name, entry in chosen.apps.items():
        if entry.facts.gateway != "tunnel":
            continue
        made, apps[name] = _completed(given, entry, chosen, providers_of(catalog.folder(name)), mistakes)
        if name == chosen.gateway or way == Way():
            way = made
    return msgspec.structs.replace(chosen, apps=apps), way


def _completed(given: Input, entry: Entry, chosen: Selection, providers: ProvidersFacts | None, mistakes: Mistakes) -> tuple[Way, Entry]:
    vpn = given.profile.vpn or VpnFacts()
    if providers is None:
        return _of_its_own(given, vpn, mistakes), entry
    picked = _picked(given, vpn, providers, mistakes)
    if picked is None:
        return Way(), entry
    _servers(given, vpn, picked, mistakes)
    forwarding = _forwarding(given, vpn, picked, providers, mistakes)
    if forwarding:
        picked = _lent(given, vpn, picked, forwarding, providers, mistakes)
    way = Way(
        provider=picked.name,
        protocol=picked.protocol,
        interface=vpn.interface,
        port_forwarding=bool(vpn.port_forwarding),
        endpoints=tuple(_endpoints(given, vpn, picked, mistakes)),
        networks=picked.facts.networks,
        receiver=_receiver(given, chosen) if vpn.port_forwarding else None,
    )
    way = msgspec.structs.replace(way, sets=dict(_sets(vpn, picked, providers, way, forwarding)))
    return way, _with(entry, picked, providers, way)


def _receiver(given: Input, chosen: Selection) -> Receiver | None:
    """The first app behind the gateway that has qBittorrent's interface and a port for peers."""
    for name, entry in chosen.apps.items():
        facts = entry.facts
        if facts.egress != "vpn" or facts.interface is None or facts.interface.speaks != "qbittorrent" or runs_outside(given, name):
            continue
        peers = [port.number for port in facts.ports.values() if port.serves == "raw" and not port.private]
        if peers:
            asked = facts.interface
            return Receiver(app=name, port=facts.ports[asked.port].number, user=asked.user, secret=asked.secret, listens=peers[0])
    return None


def _of_its_own(given: Input, vpn: VpnFacts, mistakes: Mistakes) -> Way:
    """For a gateway that brings no facts of providers: all that firewalls need stands in the profile."""
    for index, endpoint in enumerate(vpn.endpoints):
        if endpoint.port is None:
            source = given.profile_source("vpn", "endpoints", index)
            mistakes.add(source, f"vpn.endpoints[{index}]", f"nothing says at which port {vpn.gateway} connects", "add `port`")
    endpoints = tuple(p.Endpoint(cidr=e.cidr, port=e.port or 0, protocol=e.protocol or "udp") for e in vpn.endpoints)
    return Way(
        provider=vpn.provider or "",
        protocol=vpn.protocol or "wireguard",
        interface=vpn.interface,
        port_forwarding=bool(vpn.port_forwarding),
        endpoints=endpoints,
    )


def _picked(given: Input, vpn: VpnFacts, providers: ProvidersFacts, mistakes: Mistakes) -> Chosen | None:
    """Provider, protocol, transport and port; None where one of them is a mistake that leaves nothing to go on with."""
    name = (vpn.provider or providers.default).lower()
    facts = providers.providers.get(name)
    if facts is None:
        source, known = given.profile_source("vpn", "provider"), tuple(providers.providers)
        mistakes.unknown(source, "vpn.provider", "VPN provider", name, known, near=_meant(name, known))
        return None
    protocol = vpn.protocol or ("wireguard" if facts.wireguard else "openvpn")
    way: WireguardFacts | OpenvpnFacts | None = facts.wireguard if protocol == "wireguard" else facts.openvpn
    if way is None:
        other = "openvpn" if protocol == "wireguard" else "wireguard"
        text = f"{vpn.gateway} has no {_spoken(protocol)} for {name}"
        mistakes.add(given.profile_source("vpn", "protocol"), "vpn.protocol", text, f"write `protocol: {other}`, or leave it out")
        return None
    transport: p.Protocol = vpn.endpoint.protocol or "udp"
    ports: Ports
    if isinstance(way, OpenvpnFacts):
        carried = way.tcp if transport == "tcp" else way.udp
        if carried is None:
            text = f"{vpn.gateway} reaches {name} by UDP only"
            mistakes.add(given.profile_source("vpn", "endpoint", "protocol"), "vpn.endpoint.protocol", text, "remove it")
            return None
        port, ports = carried.port, carried.ports
    else:
        if transport == "tcp":
            source = given.profile_source("vpn", "endpoint", "protocol")
            mistakes.add(source, "vpn.endpoint.protocol", "WireGuard is UDP", "remove it, or write `protocol: openvpn`")
            return None
        port, ports = way.port, way.ports
    _endpoint(given, vpn, name, protocol, way, ports, mistakes)
    opened_by = {vpn.config if s == "openvpn-config" and vpn.config else s: keys for s, keys in way.secrets.items()}
    if vpn.config and vpn.config not in opened_by:
        text = f"{name} by {_spoken(protocol)} takes no file of its own"
        mistakes.add(given.profile_source("vpn", "config"), "vpn.config", text, "remove it, or write `provider: custom, protocol: openvpn`")
    return Chosen(
        name=name,
        facts=facts,
        protocol=protocol,
        opened_by=opened_by,
        optional=frozenset(way.optional if isinstance(way, OpenvpnFacts) else ()),
        transport=transport,
        port=vpn.endpoint.port or port,
        ports=ports,
    )


def _meant(name: str, known: Sequence[str]) -> str | None:
    """The provider that is written without its blanks, in part, with more words, or by its first letters."""
    plain = _letters(name)
    for provider in known:
        whole, initials = _letters(provider), "".join(word[0] for word in provider.split())
        if plain == whole or (len(initials) > 1 and plain == initials):
            return provider
    parts = [p for p in known if len(plain) >= _PART and (_letters(p).startswith(plain) or plain.startswith(_letters(p)))]
    return parts[0] if len(parts) == 1 else None


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _endpoint(
    given: Input, vpn: VpnFacts, name: str, protocol: TunnelProtocol, way: WireguardFacts | OpenvpnFacts, ports: Ports, mistakes: Mistakes
) -> None:
    """What `vpn.endpoint` must say, may say, and can't."""
    end = vpn.endpoint

    def wrong(key: str, text: str, remedy: str) -> None:
        mistakes.add(given.profile_source("vpn", "endpoint", key), f"vpn.endpoint.{key}", text, remedy)

    values = {"address": end.address, "port": end.port, "public-key": end.public_key}
    for key in way.required:
        if values[key] is None:
            why = f"the provider `{name}` by {_spoken(protocol)} has no `{key}` of its own"
            wrong(key, why, f"add it, as the provider's file has it: `vpn: {{endpoint: {{{key}: ...}}}}`")
    if end.port is not None and ports != "any" and end.port not in ports:
        allowed = f"choose one of {', '.join(map(str, ports))}, or remove it" if ports else "remove it: the port is the provider's own"
        wrong("port", f"{vpn.gateway} does not reach {name} by {_spoken(protocol)} at port {end.port}", allowed)
    if end.public_key is not None and "public-key" not in way.required:
        known = f"{vpn.gateway} knows the keys of {name}'s servers"
        wrong("public-key", known if protocol == "wireguard" else "OpenVPN has no public key", "remove it")
    if end.address is not None and (problem := _unreachable(given, end.address)) is not None:
        wrong("address", *problem)


def _unreachable(given: Input, text: str) -> tuple[str, str] | None:
    """Why no tunnel can end at that address, and what to do; None where one can."""
    address = _address(text)
    if address is None:
        return f"{text!r} is not an IP address", "write it as 198.51.100.7"
    if address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
        return f"{address} is no address of a server: the gateway would call itself, or nobody", "write the server's own address"
    networks = given.profile.networks
    if address.version == 6 and given.profile.traits.picks_own_addresses and ":" not in (networks.subnet or ""):
        return (
            f"the network of this place has no IPv6, and {address} is one",
            "write the server's IPv4 address, or give `networks` such a subnet",
        )
    for cidr in (*((networks.subnet,) if networks.subnet else ()), *networks.local):
        with contextlib.suppress(ValueError):  # told with the networks
            if address in ipaddress.ip_network(cidr):
                text = f"{address} lies in {cidr}, a network of the place's own: a tunnel that ends there leads nowhere outside"
                return text, f"write the provider's address, or take {cidr} out of `networks`"
    return None


def _endpoints(given: Input, vpn: VpnFacts, picked: Chosen, mistakes: Mistakes) -> Iterator[p.Endpoint]:
    """Where the tunnel may end: the port is the gateway's own, whatever `vpn.endpoints` says, or a firewall would cut the tunnel off."""
    address = _address(vpn.endpoint.address)
    for index, endpoint in enumerate(vpn.endpoints):
        _agrees(given, index, endpoint, picked, mistakes)
        try:
            network = ipaddress.ip_network(endpoint.cidr)
        except ValueError:
            continue  # told with the networks
        if address is not None and len(vpn.endpoints) == 1 and address not in network:
            source = given.profile_source("vpn", "endpoints", index, "cidr")
            text = f"{address}, where the gateway connects to, is not in {network}"
            mistakes.add(source, f"vpn.endpoints[{index}].cidr", text, "remove `vpn.endpoints`: the address is in `vpn.endpoint`")
    if picked.port is None:
        return  # told with what is missing
    where = [f"{address}/{address.max_prefixlen}"] if address else [e.cidr for e in vpn.endpoints] or [ANYWHERE]
    for cidr in dict.fromkeys(where):
        yield p.Endpoint(cidr=cidr, port=picked.port, protocol=picked.transport)


def _agrees(given: Input, index: int, endpoint: EndpointFacts, picked: Chosen, mistakes: Mistakes) -> None:
    for key, here, gateway in (("port", endpoint.port, picked.port), ("protocol", endpoint.protocol, picked.transport)):
        if here is not None and gateway is not None and here != gateway:
            source = given.profile_source("vpn", "endpoints", index, key)
            text = f"the gateway connects to {picked.name} at {picked.port}/{picked.transport}: {here} here would cut it off"
            remedy = f"remove `{key}` here"
            if _may_be(key, here, picked):
                remedy += f"; where the gateway is to use another one, write `vpn: {{endpoint: {{{key}: {here}}}}}`"
            mistakes.add(source, f"vpn.endpoints[{index}].{key}", text, remedy)


def _may_be(key: str, value: object, picked: Chosen) -> bool:
    """Whether the gateway would take that port or protocol under `vpn.endpoint`."""
    if key == "port":
        return picked.ports == "any" or value in picked.ports
    way = picked.facts.openvpn
    return picked.protocol == "openvpn" and way is not None and (value == "udp" or way.tcp is not None)


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text) if text else None
    except ValueError:
        return None  # told with the endpoint


def _servers(given: Input, vpn: VpnFacts, picked: Chosen, mistakes: Mistakes) -> None:
    """Filters that the provider's list of servers does not have: the gateway would not start, or choose among all."""
    for field, value in _filters(vpn):
        if value and field not in picked.facts.servers:
            known = ", ".join(picked.facts.servers) or "none"
            text = f"servers of {picked.name} can't be chosen by {field}"
            mistakes.add(given.profile_source("vpn", "servers", field), f"vpn.servers.{field}", text, f"remove it; known: {known}")


def _filters(vpn: VpnFacts) -> Iterator[tuple[str, Any]]:
    for field in vpn.servers.__struct_fields__:
        yield field.replace("_", "-"), getattr(vpn.servers, field)


def _forwarding(given: Input, vpn: VpnFacts, picked: Chosen, providers: ProvidersFacts, mistakes: Mistakes) -> str | None:
    """The provider whose way of forwarding a port is to be used, where it is another one than the tunnel's."""
    asked = vpn.port_forwarding
    if not asked:
        return None
    known, source = ", ".join(providers.forwarding), given.profile_source("vpn", "port-forwarding")
    if picked.facts.forwards is None:
        text, remedy = f"{picked.name} forwards no port", f"remove it, or choose a provider that does: {known}"
        if picked.facts.reserves:
            text = f"{picked.name} forwards the ports that you reserve on its site, and none that the gateway asks for"
            remedy = (
                "remove it, reserve a port there, and write it as the app's own: `override: {qbittorrent: {ports: {peer: {number: N}}}}`"
            )
        mistakes.add(source, "vpn.port-forwarding", text, remedy)
    elif picked.facts.forwards == "named":
        if asked in providers.forwarding:
            return str(asked)
        text = f"whose way of forwarding a port the provider `{picked.name}` has, nothing says"
        mistakes.add(source, "vpn.port-forwarding", text, f"name it: `port-forwarding: {providers.forwarding[-1]}`; known: {known}")
    elif asked is not True and asked != picked.name:
        text = f"{picked.name} forwards a port by its own way, not by that of {asked!r}"
        mistakes.add(source, "vpn.port-forwarding", text, "write `port-forwarding: true`")
    return None


def _lent(given: Input, vpn: VpnFacts, picked: Chosen, forwarding: str, providers: ProvidersFacts, mistakes: Mistakes) -> Chosen:
    """With the secrets that another provider's way of forwarding a port takes."""
    lent = providers.providers[forwarding].lent
    filters = dict(_filters(vpn))
    for field in lent.servers:
        if len(filters.get(field) or ()) != 1:
            source, path = given.profile_source("vpn", "servers", field), f"vpn.servers.{field}"
            text = f"{forwarding} forwards a port of a server that it is told the name of"
            mistakes.add(source, path, text, f"add the one: `vpn: {{servers: {{{field}: [NAME]}}}}`")
    return msgspec.structs.replace(picked, opened_by={**picked.opened_by, **lent.secrets})


def _sets(vpn: VpnFacts, picked: Chosen, providers: ProvidersFacts, way: Way, forwarding: str | None) -> Iterator[tuple[str, str]]:
    """The variables that the provider takes; a later one of a name counts."""
    for key, value in _values(vpn, picked, forwarding):
        if key in providers.variables:  # what the protocol does not take is a mistake, told with the endpoint
            yield providers.variables[key], value
    for name, keys in picked.opened_by.items():
        yield from ((_known(providers, name).files[key], f"{SECRETS}/{name}/{key}") for key in keys)
    if way.receiver is not None:
        yield from providers.receiver.environment.items()


def _known(providers: ProvidersFacts, secret: str) -> ProviderSecretFacts:
    """Facts of a secret; a name that the person chose is that of an OpenVPN file."""
    return providers.secrets[secret if secret in providers.secrets else "openvpn-config"]


def _with(entry: Entry, picked: Chosen, providers: ProvidersFacts, way: Way) -> Entry:
    """The gateway's facts with the variables and secrets that its provider takes; what its file itself sets stays, but for its files."""
    main = entry.facts.containers["main"]
    secrets, mounts = dict(entry.facts.secrets), dict(main.secrets)
    stays = set(main.environment) - {variable for secret in providers.secrets.values() for variable in secret.files.values()}
    stays -= set(providers.receiver.environment)
    environment = main.environment | {name: value for name, value in way.sets.items() if name not in stays}
    for name, keys in picked.opened_by.items():
        known = _known(providers, name)
        about = known.about
        if "addresses" in keys and picked.facts.ipv6:
            about += "; the IPv4 address alone where the place has no IPv6"
        public = tuple(key for key in known.public if key in keys)
        secrets[name] = SecretFacts(about=about, keys=keys, public=public, optional=known.optional or name in picked.optional)
        mounts[name] = f"{SECRETS}/{name}"
    files = (*main.files, *(providers.receiver.files if way.receiver is not None else ()))
    main = msgspec.structs.replace(main, environment=environment, secrets=mounts, files=files)
    containers = {**entry.facts.containers, "main": main}
    return msgspec.structs.replace(entry, facts=msgspec.structs.replace(entry.facts, containers=containers, secrets=secrets))


def _values(vpn: VpnFacts, picked: Chosen, forwarding: str | None) -> Iterator[tuple[str, str]]:
    """What of the section is set, by key of `variables`, as the gateway wants it."""
    for field, value in _filters(vpn):
        if value:
            yield f"servers.{field}", "on" if value is True else ",".join(map(str, value))
    end = vpn.endpoint
    for key, value in (("address", end.address), ("port", end.port), ("public-key", end.public_key), ("protocol", end.protocol)):
        if value is not None:
            yield f"endpoint.{picked.protocol}.{key}", str(value)
    if forwarding:
        yield "forwarding-provider", forwarding


def _spoken(protocol: TunnelProtocol) -> str:
    return {"wireguard": "WireGuard", "openvpn": "OpenVPN"}[protocol]
