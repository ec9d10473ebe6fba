"""What the values of a tunnel's secrets would do to it: found before anything starts, or the gateway would fail or leave its own tunnel."""

import base64
import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from portable.model.errors import Refused
from portable.model.plan import Container, Endpoint, Plan, Tunnel, called
from portable.secrets.values import Resolved

ADDRESSES = "WIREGUARD_ADDRESSES_SECRETFILE"
CONFIG = "OPENVPN_CUSTOM_CONFIG"
KEYS = ("WIREGUARD_PRIVATE_KEY_SECRETFILE", "WIREGUARD_PRESHARED_KEY_SECRETFILE")
LOGIN = ("OPENVPN_USER_SECRETFILE", "OPENVPN_PASSWORD_SECRETFILE")
_KEY_BYTES = 32
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def check_tunnel(plan: Plan | None, resolved: Resolved, *, cluster: bool = False) -> None:
    """Raise Refused with everything that is wrong with the values that the gateways' tunnels are made from.

    Whether the pods of a `cluster` have IPv6 is not known here.
    """
    wrong = list(_wrong(plan, resolved, cluster)) if plan else []
    if wrong:
        text = "; ".join(text for text, _ in wrong)
        raise Refused(f"the tunnel would not work: {text}", where="secrets", remedy=wrong[0][1])


def _wrong(plan: Plan, resolved: Resolved, cluster: bool) -> Iterator[tuple[str, str]]:
    """(what is wrong, remedy)."""
    apps = {app.name: app for app in plan.apps}
    for group in plan.groups:
        if not isinstance(group.egress, Tunnel) or group.egress.gateway not in apps:
            continue
        for container in apps[group.egress.gateway].containers:
            files = _files(container)
            for variable, (name, key) in files.items():
                if variable == ADDRESSES:
                    yield from _addresses(resolved.of(name, key), called(name, key), cluster or _has_ipv6(plan), group.egress)
                elif variable in KEYS:
                    yield from _key(resolved.of(name, key), called(name, key))
                elif variable == CONFIG and resolved.of(name, key):  # one that is missing is told as such
                    yield from _config(resolved.of(name, key), called(name, key), group.egress)
                    missing = [called(*files[login]) for login in LOGIN if login in files and not resolved.of(*files[login])]
                    yield from _login(resolved.of(name, key), called(name, key), missing)


def _files(container: Container) -> Mapping[str, tuple[str, str]]:
    """By variable of a gateway that names a file: the secret, and the key, whose value lies there."""
    paths = {f"{mount.path}/{key}": (mount.secret, key) for mount in container.secrets for key in mount.keys}
    return {name: paths[value] for name, value in container.env.items() if isinstance(value, str) and value in paths}


def _key(value: str, secret: str) -> Iterator[tuple[str, str]]:
    """A key of WireGuard: none that is optional is empty. No word of it is said."""
    try:
        well = len(base64.b64decode(value.strip(), validate=True)) == _KEY_BYTES
    except ValueError:
        well = False
    if value and not well:
        text = f"{secret} is no key of WireGuard, which is {_KEY_BYTES} bytes as base64: 44 characters, the last of them `=`"
        yield text, f"`portable secrets set {secret}` stores another value"


def _login(value: str, secret: str, missing: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Whether an OpenVPN file asks for a login that nobody gave. One that stands in the file itself is well."""
    lines = [line.partition("#")[0].split() for line in value.splitlines()]
    if missing and ["auth-user-pass"] in [words[:1] for words in lines]:
        text = f"{secret} asks for a login by its line `auth-user-pass`, and there is no {' and no '.join(missing)}"
        yield text, "; ".join(f"`portable secrets set {name}` stores it" for name in missing)


def _addresses(value: str, secret: str, ipv6: bool, egress: Tunnel) -> Iterator[tuple[str, str]]:
    """The tunnel's own addresses, as Gluetun reads them: by comma, a lone address counts as /32."""
    again = f"`portable secrets set {secret}` stores another value"
    for part in (part.strip() for part in value.split(",")):
        if not part:
            continue
        try:
            address: Interface = ipaddress.ip_interface(part)
        except ValueError:
            yield f"{part!r} in {secret} is not an IP address", f"{again}, for example 10.64.0.2/32"
            continue
        if address.version == 6 and not ipv6:
            text = f"{secret} has the IPv6 address {address}, and the network of this place has no IPv6: the gateway would not start"
            yield text, f"leave it out: {again}, with the IPv4 address alone"
            continue
        for network in map(ipaddress.ip_network, egress.networks):
            if address.ip in network:
                text = f"{address}, the tunnel's own address in {secret}, lies in {network}, which is reached past the tunnel"
                yield text, f"take {network} out of `networks` in the profile or narrow it, or ask {egress.provider} for another address"


def _has_ipv6(plan: Plan) -> bool:
    """Whether a container of this place gets an address of IPv6: an engine's network has IPv4 alone unless its subnet says otherwise."""
    return plan.subnet is not None and ":" in plan.subnet


def _config(value: str, secret: str, egress: Tunnel) -> Iterator[tuple[str, str]]:
    """Whether an OpenVPN file connects to where the firewall lets it: the first `remote`, read as Gluetun does."""
    remote, protocol = _remote(value)
    again = f"`portable secrets set {secret}` stores another file"
    if not remote:
        yield f"{secret} has no line `remote` with an address", again
        return
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        text = f"{secret} has a name after `remote`, and names can't be looked up before there is a tunnel"
        yield text, f"write the server's IP address there: {again}"
        return
    allowed = [e for e in egress.endpoints if _leads(e, address, protocol)]
    if egress.endpoints and not allowed:
        there = ", ".join(f"{e.cidr} port {e.port}/{e.protocol}" for e in egress.endpoints)
        text = f"{secret} connects by {protocol} to a server that the profile does not let the gateway out to: that is {there}"
        yield text, "write `vpn.endpoint` of the profile as the file has it"


def _leads(endpoint: Endpoint, address: ipaddress.IPv4Address | ipaddress.IPv6Address, protocol: str) -> bool:
    # The port is the profile's: the gateway is told it, and takes it in the place of the file's.
    return endpoint.protocol == protocol and address in ipaddress.ip_network(endpoint.cidr)


def _remote(text: str) -> tuple[str, str]:
    """Address and protocol of an OpenVPN file; UDP where it says none."""
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
