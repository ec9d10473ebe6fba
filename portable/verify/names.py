"""VPN apps resolve names through their tunnel (promise 2). The check only reads; it sends no queries."""

from collections.abc import Iterator
from ipaddress import ip_address

from portable.live.view import View
from portable.model.plan import Tunnel
from portable.verify.contract import Contract, Found, about, broken, holds, restart_with_group, running, unknown

_GATEWAY = "127.0.0.1"
"""Gluetun's own name server, in the network namespace that it shares with its apps."""


def check(stack: View) -> Iterator[Found]:
    """Check the name servers of every container behind a tunnel, including the gateway."""
    group_of = {app: group for group in stack.plan.groups if isinstance(group.egress, Tunnel) for app in group.apps}
    for placed in running(stack):
        if placed.app is None or placed.app.name not in group_of:
            continue
        gateway = group_of[placed.app.name].name
        answer = stack.inside(placed, ["cat", "/etc/resolv.conf"], user="0")
        if not answer.done:
            yield unknown(about(placed), f"its /etc/resolv.conf cannot be read: {answer.text or answer.code}")
            continue
        servers = [words[1] for line in answer.text.splitlines() if (words := line.split())[:1] == ["nameserver"] and len(words) > 1]
        past = [server for server in servers if server != _GATEWAY and not _is_public(server)]
        if past:
            remedy = restart_with_group(stack, gateway)
            text = f"its name server {', '.join(past)} is not its gateway, so lookups may leave outside the tunnel"
            yield broken(about(placed), text, remedy)
        elif servers == [_GATEWAY]:
            yield holds(about(placed), "its name server is its gateway")
        elif servers:
            yield holds(about(placed), f"its name server {', '.join(servers)} is reachable through the tunnel only")
        else:
            yield unknown(about(placed), "its /etc/resolv.conf has no name server")


def _is_public(server: str) -> bool:
    """Whether an address is reachable through the tunnel or not at all, since the fence blocks it otherwise."""
    try:
        return ip_address(server).is_global
    except ValueError:
        return False


CONTRACT = Contract(name="names", promise="VPN apps resolve names through their tunnel", check=check)
