"""What the values of a tunnel's secrets would do to it: found before anything starts, or the gateway would fail or leave its own tunnel."""

import ipaddress
from collections.abc import Iterator, Mapping

from portable.live.secrets import Resolved
from portable.model.errors import Refused
from portable.model.plan import Container, Endpoint, Plan, Tunnel, called

ADDRESSES = "WIREGUARD_ADDRESSES_SECRETFILE"
CONFIG = "OPENVPN_CUSTOM_CONFIG"
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def check_tunnel(plan: Plan | None, resolved: Resolved) -> None:
    """Raise Refused with everything that is wrong with the values that the gateways' tunnels are made from."""
    wrong = list(_wrong(plan, resolved)) if plan else []
    if wrong:
        text = "; ".join(text for text, _ in wrong)
        raise Refused(f"the tunnel would not work: {text}", where="secrets", remedy=wrong[0][1])


def _wrong(plan: Plan, resolved: Resolved) -> Iterator[tuple[str, str]]:
    """(what is wrong, remedy)."""
    apps = {app.name: app for app in plan.apps}
    for group in plan.groups:
        if not isinstance(group.egress, Tunnel) or group.egress.gateway not in apps:
            continue
        for container in apps[group.egress.gateway].containers:
            for variable, (name, key) in _files(container).items():
                if variable == ADDRESSES:
                    yield from _addresses(resolved.of(name, key), called(name, key), plan, group.egress)
                elif variable == CONFIG:
                    yield from _config(resolved.of(name, key), called(name, key), group.egress)


def _files(container: Container) -> Mapping[str, tuple[str, str]]:
    """By variable of a gateway that names a file: the secret, and the key, whose value lies there."""
    paths = {f"{mount.path}/{key}": (mount.secret, key) for mount in container.secrets for key in mount.keys}
    return {name: paths[value] for name, value in container.env.items() if isinstance(value, str) and value in paths}


def _addresses(value: str, secret: str, plan: Plan, egress: Tunnel) -> Iterator[tuple[str, str]]:
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
        if address.version == 6 and not _has_ipv6(plan):
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
