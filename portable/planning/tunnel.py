"""Step 1b: the tunnel: provider, protocol and endpoint of the profile's `vpn`, and the settings that they add to the gateway."""

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
from portable.model.codes import Code
from portable.planning.inputs import AppEntry, Mistakes, PlanInput
from portable.planning.select import Selection, runs_outside
from portable.profiles.types import EndpointFacts, VpnFacts

ANYWHERE = "0.0.0.0/0"
SECRETS = "/run/secrets"
_PART = 4
"""The number of letters that identify a provider."""


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """The app behind the gateway that listens on the forwarded port."""

    app: str
    port: int
    """The port of its API."""
    user: str
    secret: str
    """The secret with its password."""
    listens: int
    """Its port for peers, unless one is forwarded."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How the gateway connects to its provider."""

    provider: str = ""
    protocol: TunnelProtocol = "wireguard"
    interface: str = "tun0"
    port_forwarding: bool = False
    endpoints: tuple[p.Endpoint, ...] = ()
    networks: tuple[str, ...] = ()
    """The address ranges of the provider's tunnels, if known."""
    receiver: Receiver | None = None
    sets: Mapping[str, str] = {}
    """The variables that planning adds to the gateway's file."""

    def context(self) -> dict[str, Any]:
        """The value of `vpn` in templates."""
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
    """The section `vpn`, resolved for a provider that the gateway knows."""

    name: str
    facts: ProviderFacts
    protocol: TunnelProtocol
    opened_by: Mapping[str, tuple[str, ...]]
    """The keys of each secret."""
    optional: frozenset[str] = frozenset()
    """The optional ones of these secrets."""
    transport: p.Protocol
    port: int | None
    ports: Ports
    """The other ports that the provider accepts."""


def tunnel(given: PlanInput, chosen: Selection, catalog: Catalog, mistakes: Mistakes) -> tuple[Selection, Way]:
    """Resolve the tunnel, and complete the gateways with its variables and secrets. Reads facts of providers only if needed."""
    way = Way()
    apps = dict(chosen.apps)
    for name, entry in chosen.apps.items():
        if entry.facts.gateway != "tunnel":
            continue
        made, apps[name] = _complete(given, entry, chosen, providers_of(catalog.folder(name)), mistakes)
        if name == chosen.gateway or way == Way():
            way = made
    return msgspec.structs.replace(chosen, apps=apps), way


def _complete(
    given: PlanInput, entry: AppEntry, chosen: Selection, providers: ProvidersFacts | None, mistakes: Mistakes
) -> tuple[Way, AppEntry]:
    vpn = given.profile.vpn or VpnFacts()
    if providers is None:
        return _without_providers(given, vpn, mistakes), entry
    choice = _choose(given, vpn, providers, mistakes)
    if choice is None:
        return Way(), entry
    _check_servers(given, vpn, choice, mistakes)
    forwarding = _forwarding(given, vpn, choice, providers, mistakes)
    if forwarding:
        choice = _add_forwarding_secrets(given, vpn, choice, forwarding, providers, mistakes)
    way = Way(
        provider=choice.name,
        protocol=choice.protocol,
        interface=vpn.interface,
        port_forwarding=bool(vpn.port_forwarding),
        endpoints=tuple(_endpoints(given, vpn, choice, mistakes)),
        networks=choice.facts.networks,
        receiver=_receiver(given, chosen) if vpn.port_forwarding else None,
    )
    way = msgspec.structs.replace(way, sets=dict(_variables(vpn, choice, providers, way, forwarding)))
    return way, _add_settings(entry, choice, providers, way)


def _receiver(given: PlanInput, chosen: Selection) -> Receiver | None:
    """The first app behind the gateway that has qBittorrent's API and a port for peers."""
    for name, entry in chosen.apps.items():
        facts = entry.facts
        if facts.egress != "vpn" or facts.interface is None or facts.interface.speaks != "qbittorrent" or runs_outside(given, name):
            continue
        peers = [port.number for port in facts.ports.values() if port.serves == "raw" and not port.private]
        if peers:
            asked = facts.interface
            return Receiver(app=name, port=facts.ports[asked.port].number, user=asked.user, secret=asked.secret, listens=peers[0])
    return None


def _without_providers(given: PlanInput, vpn: VpnFacts, mistakes: Mistakes) -> Way:
    """For a gateway without facts of providers: the profile must name everything that firewalls need."""
    for index, endpoint in enumerate(vpn.endpoints):
        if endpoint.port is None:
            source = given.profile_source("vpn", "endpoints", index)
            text, remedy = f"the port that {vpn.gateway} connects to is missing", "add `port`, for example `port: 51820`"
            mistakes.add(source, f"vpn.endpoints[{index}]", text, remedy, code="vpn.endpoints-port")
    endpoints = tuple(p.Endpoint(cidr=e.cidr, port=e.port or 0, protocol=e.protocol or "udp") for e in vpn.endpoints)
    return Way(
        provider=vpn.provider or "",
        protocol=vpn.protocol or "wireguard",
        interface=vpn.interface,
        port_forwarding=bool(vpn.port_forwarding),
        endpoints=endpoints,
    )


def _choose(given: PlanInput, vpn: VpnFacts, providers: ProvidersFacts, mistakes: Mistakes) -> Chosen | None:
    """Provider, protocol, transport and port; None after a mistake in one of them."""
    name = (vpn.provider or providers.default).lower()
    facts = providers.providers.get(name)
    if facts is None:
        source, known = given.profile_source("vpn", "provider"), tuple(providers.providers)
        mistakes.unknown(source, "vpn.provider", "VPN provider", name, known, code="vpn.provider-unknown", near=_nearest(name, known))
        return None
    protocol = vpn.protocol or ("wireguard" if facts.wireguard else "openvpn")
    way: WireguardFacts | OpenvpnFacts | None = facts.wireguard if protocol == "wireguard" else facts.openvpn
    if way is None:
        other = "openvpn" if protocol == "wireguard" else "wireguard"
        text, remedy = f"{vpn.gateway} does not support {_title(protocol)} for {name}", f"write `protocol: {other}`, or leave it out"
        mistakes.add(given.profile_source("vpn", "protocol"), "vpn.protocol", text, remedy, code="vpn.protocol")
        return None
    transport: p.Protocol = vpn.endpoint.protocol or "udp"
    ports: Ports
    if isinstance(way, OpenvpnFacts):
        carried = way.tcp if transport == "tcp" else way.udp
        if carried is None:
            text, source = f"{vpn.gateway} connects to {name} by UDP only", given.profile_source("vpn", "endpoint", "protocol")
            mistakes.add(source, "vpn.endpoint.protocol", text, "remove it", code="vpn.transport")
            return None
        port, ports = carried.port, carried.ports
    else:
        if transport == "tcp":
            source = given.profile_source("vpn", "endpoint", "protocol")
            text, remedy = "WireGuard uses UDP only", "remove it, or write `protocol: openvpn`"
            mistakes.add(source, "vpn.endpoint.protocol", text, remedy, code="vpn.transport")
            return None
        port, ports = way.port, way.ports
    _check_endpoint(given, vpn, name, protocol, way, ports, mistakes)
    opened_by = {vpn.config if s == "openvpn-config" and vpn.config else s: keys for s, keys in way.secrets.items()}
    if vpn.config and vpn.config not in opened_by:
        text = f"{name} with {_title(protocol)} does not use a configuration file"
        remedy = "remove it, or write `provider: custom, protocol: openvpn`"
        mistakes.add(given.profile_source("vpn", "config"), "vpn.config", text, remedy, code="vpn.config")
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


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """The provider whose name is written without blanks, in part, with more words, or as initials."""
    plain = _letters(name)
    for provider in known:
        whole, initials = _letters(provider), "".join(word[0] for word in provider.split())
        if plain == whole or (len(initials) > 1 and plain == initials):
            return provider
    parts = [p for p in known if len(plain) >= _PART and (_letters(p).startswith(plain) or plain.startswith(_letters(p)))]
    return parts[0] if len(parts) == 1 else None


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _check_endpoint(
    given: PlanInput,
    vpn: VpnFacts,
    name: str,
    protocol: TunnelProtocol,
    way: WireguardFacts | OpenvpnFacts,
    ports: Ports,
    mistakes: Mistakes,
) -> None:
    """Check that `vpn.endpoint` has the required keys, and none that the provider does not accept."""
    end = vpn.endpoint

    def refuse_key(key: str, text: str, remedy: str, *, code: Code) -> None:
        mistakes.add(given.profile_source("vpn", "endpoint", key), f"vpn.endpoint.{key}", text, remedy, code=code)

    values = {"address": end.address, "port": end.port, "public-key": end.public_key}
    for key in way.required:
        if values[key] is None:
            text = f"provider `{name}` with {_title(protocol)} has no default `{key}`"
            remedy = f"add the value of the provider's file: `vpn: {{endpoint: {{{key}: ...}}}}`"
            refuse_key(key, text, remedy, code="vpn.endpoint-missing")
    if end.port is not None and ports != "any" and end.port not in ports:
        remedy = f"choose one of {', '.join(map(str, ports))}, or remove it" if ports else "remove it: the provider sets the port"
        refuse_key("port", f"{vpn.gateway} cannot use port {end.port} for {name} with {_title(protocol)}", remedy, code="vpn.endpoint-port")
    if end.public_key is not None and "public-key" not in way.required:
        text = f"{vpn.gateway} knows the keys of {name}'s servers" if protocol == "wireguard" else "OpenVPN does not use a public key"
        refuse_key("public-key", text, "remove it", code="vpn.endpoint-key")
    if end.address is not None and (problem := _unreachable(given, end.address)) is not None:
        text, remedy, code = problem
        refuse_key("address", text, remedy, code=code)


def _unreachable(given: PlanInput, text: str) -> tuple[str, str, Code] | None:
    """Text, remedy and code for an address that cannot be a VPN server; None if it can."""
    address = _address(text)
    if address is None:
        remedy = "write an address such as 198.51.100.7"
        return f"{text!r} is not a valid IP address", remedy, "vpn.endpoint-address"
    if address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
        text = f"{address} cannot be a VPN server: it is a loopback, link-local, multicast or unspecified address"
        remedy = "write the server's own address"
        return text, remedy, "vpn.endpoint-address"
    networks = given.profile.networks
    if address.version == 6 and given.profile.traits.picks_own_addresses:
        remedy = "write the server's IPv4 address"
        return f"{address} is an IPv6 address, but the network of this place has no IPv6", remedy, "vpn.endpoint-ipv6"
    for cidr in filter(None, (networks.subnet, *networks.local)):
        with contextlib.suppress(ValueError):  # reported by step 2, the network
            if address in ipaddress.ip_network(cidr):
                text = f"{address} is in {cidr}, one of the place's own networks: a tunnel to it does not reach the internet"
                return text, f"write the provider's address, or remove {cidr} from `networks`", "vpn.endpoint-local"
    return None


def _endpoints(given: PlanInput, vpn: VpnFacts, choice: Chosen, mistakes: Mistakes) -> Iterator[p.Endpoint]:
    """The allowed VPN servers. The port is always the gateway's, not that of `vpn.endpoints`: firewalls would block another one."""
    address = _address(vpn.endpoint.address)
    for index, endpoint in enumerate(vpn.endpoints):
        _check_endpoint_entry(given, index, endpoint, choice, mistakes)
        try:
            network = ipaddress.ip_network(endpoint.cidr)
        except ValueError:
            continue  # reported by step 2, the network
        if address is not None and len(vpn.endpoints) == 1 and address not in network:
            source = given.profile_source("vpn", "endpoints", index, "cidr")
            text, remedy = (
                f"the gateway connects to {address}, which is not in {network}",
                "remove `vpn.endpoints`: `vpn.endpoint` is enough",
            )
            mistakes.add(source, f"vpn.endpoints[{index}].cidr", text, remedy, code="vpn.endpoints-mismatch")
    if choice.port is None:
        return  # reported as a missing key of `vpn.endpoint`
    where = [f"{address}/{address.max_prefixlen}"] if address else [e.cidr for e in vpn.endpoints] or [ANYWHERE]
    for cidr in dict.fromkeys(where):
        yield p.Endpoint(cidr=cidr, port=choice.port, protocol=choice.transport)


def _check_endpoint_entry(given: PlanInput, index: int, endpoint: EndpointFacts, choice: Chosen, mistakes: Mistakes) -> None:
    for key, value, gateway in (("port", endpoint.port, choice.port), ("protocol", endpoint.protocol, choice.transport)):
        if value is not None and gateway is not None and value != gateway:
            source = given.profile_source("vpn", "endpoints", index, key)
            text = f"the gateway connects to {choice.name} at {choice.port}/{choice.transport}: {key} {value} here would block it"
            remedy = f"remove `{key}` here"
            if _is_accepted(key, value, choice):
                remedy += f"; to make the gateway use {value}, write `vpn: {{endpoint: {{{key}: {value}}}}}`"
            mistakes.add(source, f"vpn.endpoints[{index}].{key}", text, remedy, code="vpn.endpoints-mismatch")


def _is_accepted(key: str, value: object, choice: Chosen) -> bool:
    """Whether the gateway accepts that port or protocol under `vpn.endpoint`."""
    if key == "port":
        return choice.ports == "any" or value in choice.ports
    way = choice.facts.openvpn
    return choice.protocol == "openvpn" and way is not None and way.tcp is not None  # the other protocol than the gateway's own


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text) if text else None
    except ValueError:
        return None  # reported by _check_endpoint


def _check_servers(given: PlanInput, vpn: VpnFacts, choice: Chosen, mistakes: Mistakes) -> None:
    """Report filters that the provider's list of servers does not support: the gateway would not start, or would ignore them."""
    for field, value in _filters(vpn):
        if value and field not in choice.facts.servers:
            known = ", ".join(choice.facts.servers) or "none"
            text, remedy = f"servers of {choice.name} cannot be filtered by {field}", f"remove it; known filters: {known}"
            mistakes.add(given.profile_source("vpn", "servers", field), f"vpn.servers.{field}", text, remedy, code="vpn.servers")


def _filters(vpn: VpnFacts) -> Iterator[tuple[str, Any]]:
    for field in vpn.servers.__struct_fields__:
        yield field.replace("_", "-"), getattr(vpn.servers, field)


def _forwarding(given: PlanInput, vpn: VpnFacts, choice: Chosen, providers: ProvidersFacts, mistakes: Mistakes) -> str | None:
    """The provider whose method of port forwarding is used, if it is not the tunnel's own."""
    asked = vpn.port_forwarding
    if not asked:
        return None
    known, source = ", ".join(providers.forwarding), given.profile_source("vpn", "port-forwarding")
    if choice.facts.forwards is None:
        code: Code = "vpn.forwarding-unsupported"
        text, remedy = f"{choice.name} does not support port forwarding", f"remove it, or choose a provider that does: {known}"
        if choice.facts.reserves:
            code, text = "vpn.forwarding-reserved", f"{choice.name} forwards only ports that you reserve on its website"
            remedy = "remove it, reserve a port there, and set it: `override: {qbittorrent: {ports: {peer: {number: N}}}}`"
        mistakes.add(source, "vpn.port-forwarding", text, remedy, code=code)
    elif choice.facts.forwards == "named":
        if asked in providers.forwarding:
            return str(asked)
        text = f"provider `{choice.name}` needs the name of the provider whose port forwarding it uses"
        remedy = f"name it: `port-forwarding: {providers.forwarding[-1]}`; known: {known}"
        mistakes.add(source, "vpn.port-forwarding", text, remedy, code="vpn.forwarding-method")
    elif asked is not True and asked != choice.name:
        text = f"{choice.name} uses its own port forwarding, not that of {asked!r}"
        mistakes.add(source, "vpn.port-forwarding", text, "write `port-forwarding: true`", code="vpn.forwarding-method")
    return None


def _add_forwarding_secrets(
    given: PlanInput, vpn: VpnFacts, choice: Chosen, forwarding: str, providers: ProvidersFacts, mistakes: Mistakes
) -> Chosen:
    """Add the secrets for another provider's method of port forwarding."""
    lent = providers.providers[forwarding].lent
    filters = dict(_filters(vpn))
    for field in lent.servers:
        if len(filters.get(field) or ()) != 1:
            source, path = given.profile_source("vpn", "servers", field), f"vpn.servers.{field}"
            text = f"port forwarding of {forwarding} needs exactly one entry in {field}"
            mistakes.add(source, path, text, f"name one: `vpn: {{servers: {{{field}: [NAME]}}}}`", code="vpn.forwarding-server")
    return msgspec.structs.replace(choice, opened_by={**choice.opened_by, **lent.secrets})


def _variables(vpn: VpnFacts, choice: Chosen, providers: ProvidersFacts, way: Way, forwarding: str | None) -> Iterator[tuple[str, str]]:
    """The variables for the provider; a later one of the same name wins."""
    for key, value in _values(vpn, choice, forwarding):
        if key in providers.variables:  # _check_endpoint reports keys that the protocol does not use
            yield providers.variables[key], value
    for name, keys in choice.opened_by.items():
        yield from ((_secret_facts(providers, name).files[key], f"{SECRETS}/{name}/{key}") for key in keys)
    if way.receiver is not None:
        yield from providers.receiver.environment.items()


def _secret_facts(providers: ProvidersFacts, secret: str) -> ProviderSecretFacts:
    """Facts of a secret; any other name is that of an OpenVPN file."""
    return providers.secrets[secret if secret in providers.secrets else "openvpn-config"]


def _add_settings(entry: AppEntry, choice: Chosen, providers: ProvidersFacts, way: Way) -> AppEntry:
    """Add the provider's variables and secrets to the gateway. Variables of its own file win, except those that name secret files."""
    main = entry.facts.containers["main"]
    secrets, mounts = dict(entry.facts.secrets), dict(main.secrets)
    stays = set(main.environment) - {variable for secret in providers.secrets.values() for variable in secret.files.values()}
    stays -= set(providers.receiver.environment)
    environment = main.environment | {name: value for name, value in way.sets.items() if name not in stays}
    for name, keys in choice.opened_by.items():
        known = _secret_facts(providers, name)
        about = known.about
        if "addresses" in keys and choice.facts.ipv6:
            about += "; the IPv4 address alone where the place has no IPv6"
        public = tuple(key for key in known.public if key in keys)
        secrets[name] = SecretFacts(about=about, keys=keys, public=public, optional=known.optional or name in choice.optional)
        mounts[name] = f"{SECRETS}/{name}"
    files = (*main.files, *(providers.receiver.files if way.receiver is not None else ()))
    main = msgspec.structs.replace(main, environment=environment, secrets=mounts, files=files)
    containers = {**entry.facts.containers, "main": main}
    return msgspec.structs.replace(entry, facts=msgspec.structs.replace(entry.facts, containers=containers, secrets=secrets))


def _values(vpn: VpnFacts, choice: Chosen, forwarding: str | None) -> Iterator[tuple[str, str]]:
    """The set values of the section `vpn` in the gateway's form, by key of `variables`."""
    for field, value in _filters(vpn):
        if value:
            yield f"servers.{field}", "on" if value is True else ",".join(map(str, value))
    end = vpn.endpoint
    for key, value in (("address", end.address), ("port", end.port), ("public-key", end.public_key), ("protocol", end.protocol)):
        if value is not None:
            yield f"endpoint.{choice.protocol}.{key}", str(value)
    if forwarding:
        yield "forwarding-provider", forwarding


def _title(protocol: TunnelProtocol) -> str:
    """The protocol as its makers write it."""
    return {"wireguard": "WireGuard", "openvpn": "OpenVPN"}[protocol]
