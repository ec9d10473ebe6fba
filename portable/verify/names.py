"""Names that VPN apps look up are asked through their tunnel (promise 2). Only looked at: nothing is asked."""

from collections.abc import Iterator
from ipaddress import ip_address

from portable.live.view import View
from portable.model.plan import Tunnel
from portable.verify.contract import Contract, Found, about, broken, holds, restart_with_group, running, unknown

_GATEWAY = "127.0.0.1"
"""Gluetun's own name server, in the network namespace that it shares with its apps."""


def check(stack: View) -> Iterator[Found]:
    """The name servers of every container behind a tunnel, the gateway's own included."""
    group_of = {app: group for group in stack.plan.groups if isinstance(group.egress, Tunnel) for app in group.apps}
    for placed in running(stack):
        if placed.app is None or placed.app.name not in group_of:
            continue
        gateway = group_of[placed.app.name].name
        said = stack.inside(placed, ["cat", "/etc/resolv.conf"], user="0")
        if not said.done:
            yield unknown(about(placed), f"its /etc/resolv.conf cannot be read: {said.text or said.code}")
            continue
        servers = [words[1] for line in said.text.splitlines() if (words := line.split())[:1] == ["nameserver"] and len(words) > 1]
        past = [server for server in servers if server != _GATEWAY and not _is_public(server)]
        if past:
            remedy = restart_with_group(stack, gateway)
            yield broken(
                about(placed), f"it asks {', '.join(past)} for names, which is not its gateway: they may leave past the tunnel", remedy
            )
        elif servers == [_GATEWAY]:
            yield holds(about(placed), "it asks its gateway for names")
        elif servers:
            yield holds(about(placed), f"it asks {', '.join(servers)} for names, which only the tunnel leads to")
        else:
            yield unknown(about(placed), "its /etc/resolv.conf names no server")


def _is_public(server: str) -> bool:
    """Whether an address is reached through the tunnel or not at all; the fence lets nothing out to it."""
    try:
        return ip_address(server).is_global
    except ValueError:
        return False


CONTRACT = Contract(name="names", promise="names that VPN apps look up are asked through their tunnel", check=check)
