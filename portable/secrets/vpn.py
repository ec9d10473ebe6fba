"""Checks the secrets of a tunnel before anything starts. With invalid values the gateway would fail, or bypass its own tunnel."""

import base64
import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence

from portable.model.codes import Code
from portable.model.errors import Refused
from portable.model.plan import Container, Endpoint, Plan, Tunnel
from portable.model.secret_refs import called
from portable.secrets.remedies import how_to_store
from portable.secrets.sources import Source
from portable.secrets.values import Key, Resolved

ADDRESSES = "WIREGUARD_ADDRESSES_SECRETFILE"
CONFIG = "OPENVPN_CUSTOM_CONFIG"
KEYS = ("WIREGUARD_PRIVATE_KEY_SECRETFILE", "WIREGUARD_PRESHARED_KEY_SECRETFILE")
LOGIN = ("OPENVPN_USER_SECRETFILE", "OPENVPN_PASSWORD_SECRETFILE")
_KEY_BYTES = 32
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
_Mistake = tuple[Code, str, str]
"""Code, text and remedy."""


def check_tunnel(plan: Plan | None, resolved: Resolved, *, cluster: bool = False) -> None:
    """Raise Refused with all mistakes in the secrets of the gateways' tunnels, and all remedies; the code is that of the first.

    An address of IPv6 is accepted for a `cluster`, since whether its pods have IPv6 is not known here. An engine's network has IPv4 only.
    """
    mistakes = list(_mistakes(plan, resolved, cluster)) if plan else []
    if mistakes:
        text = f"the tunnel cannot work: {'; '.join(text for _, text, _ in mistakes)}"
        remedy = "; ".join(dict.fromkeys(remedy for _, _, remedy in mistakes))
        raise Refused(text, code=mistakes[0][0], where="secrets", remedy=remedy)


def _mistakes(plan: Plan, resolved: Resolved, cluster: bool) -> Iterator[_Mistake]:
    apps = {app.name: app for app in plan.apps}
    for group in plan.groups:
        if not isinstance(group.egress, Tunnel) or group.egress.gateway not in apps:
            continue
        for container in apps[group.egress.gateway].containers:
            files, source = _files(container), resolved.source
            for variable, (name, key) in files.items():
                if variable == ADDRESSES:
                    yield from _addresses(resolved.of(name, key), (name, key), cluster, group.egress, source)
                elif variable in KEYS:
                    yield from _key(resolved.of(name, key), (name, key), source)
                elif variable == CONFIG and resolved.of(name, key):  # a missing one is reported elsewhere
                    yield from _config(resolved.of(name, key), (name, key), group.egress, source)
                    missing = [files[login] for login in LOGIN if login in files and not resolved.of(*files[login])]
                    yield from _login(resolved.of(name, key), called(name, key), missing, source)


def _files(container: Container) -> Mapping[str, tuple[str, str]]:
    """The secret and key in each file that a variable of a gateway names, by variable."""
    paths = {f"{mount.path}/{key}": (mount.secret, key) for mount in container.secrets for key in mount.keys}
    return {name: paths[value] for name, value in container.env.items() if isinstance(value, str) and value in paths}


def _key(value: str, key: Key, source: Source | None) -> Iterator[_Mistake]:
    """Check a WireGuard key; an optional one may be empty. The text never quotes it."""
    try:
        is_valid = len(base64.b64decode(value.strip(), validate=True)) == _KEY_BYTES
    except ValueError:
        is_valid = False
    if value and not is_valid:
        text = f"{called(*key)} is not a WireGuard key: {_KEY_BYTES} bytes in base64, so 44 characters, the last of them `=`"
        yield "secret.wireguard-key", text, how_to_store([key], source)


def _login(value: str, secret: str, missing: Sequence[Key], source: Source | None) -> Iterator[_Mistake]:
    """Check that the login exists which an OpenVPN file asks for. It may be in the file itself."""
    lines = [line.partition("#")[0].split() for line in value.splitlines()]
    if missing and ["auth-user-pass"] in [words[:1] for words in lines]:
        names = " and ".join(called(*key) for key in missing)
        text = f"{secret} asks for a login (`auth-user-pass`), and {names} {'are' if len(missing) > 1 else 'is'} not set"
        yield "secret.openvpn-login", text, how_to_store(missing, source)


def _addresses(value: str, key: Key, ipv6: bool, egress: Tunnel, source: Source | None) -> Iterator[_Mistake]:
    """Check the tunnel's own addresses. Gluetun separates them by commas, and reads an address without a prefix as /32."""
    secret, store = called(*key), how_to_store([key], source)
    for part in (part.strip() for part in value.split(",")):
        if not part:
            continue
        try:
            address: Interface = ipaddress.ip_interface(part)
        except ValueError:
            yield (
                "secret.wireguard-address",
                f"{_harmless(part)} in {secret} is not an IP address",
                f"use a value such as 10.64.0.2/32: {store}",
            )
            continue
        if address.version == 6 and not ipv6:
            text = f"{secret} has the IPv6 address {address}, but the network of this profile has no IPv6: the gateway would not start"
            yield "secret.wireguard-ipv6", text, f"keep the IPv4 address alone: {store}"
            continue
        for network in map(ipaddress.ip_network, egress.networks):
            if address.ip in network:
                text = f"{address}, the tunnel's own address in {secret}, is in {network}, whose traffic bypasses the tunnel"
                remedy = f"remove {network} from `networks` in the profile or narrow it, or ask {egress.provider} for another address"
                yield "secret.wireguard-local", text, remedy


def _config(value: str, key: Key, egress: Tunnel, source: Source | None) -> Iterator[_Mistake]:
    """Check that the firewall allows the server of an OpenVPN file: its first `remote`, read in the way of Gluetun."""
    remote, protocol = _remote(value)
    secret, store = called(*key), how_to_store([key], source)
    if not remote:
        yield "secret.openvpn-remote", f"{secret} has no line `remote` with an address", f"add the line to the file: {store}"
        return
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        text = f"{secret} has a host name after `remote`, and names cannot be resolved before the tunnel is up"
        yield "secret.openvpn-name", text, f"write the server's IP address there: {store}"
        return
    allowed = [e for e in egress.endpoints if _leads(e, address, protocol)]
    if egress.endpoints and not allowed:
        endpoints = ", ".join(f"{e.cidr} port {e.port}/{e.protocol}" for e in egress.endpoints)
        text = f"{secret} connects by {protocol} to a server that the profile does not allow; it allows {endpoints}"
        yield "secret.openvpn-endpoint", text, "set `vpn.endpoint` in the profile to the server of the file"


def _leads(endpoint: Endpoint, address: ipaddress.IPv4Address | ipaddress.IPv6Address, protocol: str) -> bool:
    # The gateway uses the port of the profile instead of the file's.
    return endpoint.protocol == protocol and address in ipaddress.ip_network(endpoint.cidr)


def _remote(text: str) -> tuple[str, str]:
    """Address and protocol of the server in an OpenVPN file; the default is UDP."""
    remote, protocol = "", ""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["remote"] and len(words) > 1 and not remote:
            remote = words[1]
            protocol = protocol or (words[3] if len(words) > 3 else "")
        elif words[:1] == ["proto"] and len(words) > 1 and not protocol:
            protocol = words[1]
        if remote and protocol:
            break
    return remote, "tcp" if protocol.startswith("tcp") else "udp"


def _harmless(part: str) -> str:
    """A part of the addresses as it may be shown: the key may have been stored in their place."""
    return repr(part) if re.fullmatch(r"[0-9.:/]{1,50}|[a-z]{1,12}", part) else "a part"
