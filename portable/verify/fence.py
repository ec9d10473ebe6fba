"""The gateway's firewall drops what no rule allows, and what leaves goes into the tunnel (promise 2). Only looked at: nothing is sent."""

from collections.abc import Iterator

from portable.model.plan import Direct, Tunnel
from portable.verify.contract import Contract, Found, broken, holds, running_apps, unknown
from portable.verify.stack import Stack

# The program for nftables or the older one, whichever knows rules: the other lists an empty table with the policy ACCEPT.
_POLICIES = """\
for family in iptables ip6tables; do
  found=
  for program in $family $family-nft $family-legacy; do
    if rules=$($program -S 2>/dev/null); then
      found=1
      case "$rules" in *"-P OUTPUT DROP"*) echo "$family DROP"; continue 2 ;; esac
    fi
  done
  [ -n "$found" ] && echo "$family ACCEPT" || echo "$family none"
done
[ -s /proc/net/if_inet6 ] && echo "ipv6 on" || echo "ipv6 off"
"""
_OUTSIDE = "192.0.2.1"
"""An address of the documentation; asked of the routing table only."""


def check(stack: Stack) -> Iterator[Found]:
    """Each gateway: the policy of both families, and where a foreign address would be sent."""
    there = {app.name: placed for app, placed in running_apps(stack)}
    for group in stack.plan.groups:
        egress = group.egress
        if isinstance(egress, Direct) or egress.gateway not in there:
            continue
        gateway, placed = egress.gateway, there[egress.gateway]
        said = stack.inside(placed, ["sh", "-c", _POLICIES], user="0")
        words = dict(line.split(" ", 1) for line in said.text.splitlines() if " " in line)
        up = f"`portable restart -p {stack.plan.profile} {gateway}`, with all that share its network"
        if not said.done or "iptables" not in words:
            yield unknown(gateway, f"its firewall can't be looked at: {said.text or said.code}")
            continue
        for family, needed in (("iptables", True), ("ip6tables", words.get("ipv6") == "on")):
            if words.get(family) == "DROP":
                yield holds(gateway, f"{family} drops what no rule lets out")
            elif needed:
                yield broken(gateway, f"{family} lets out what no rule forbids ({words.get(family)}): the VPN apps can leave past it", up)
        if isinstance(egress, Tunnel):
            route = stack.inside(placed, ["ip", "route", "get", _OUTSIDE], user="0")
            device = route.text.partition(" dev ")[2].split(" ")[0]
            if not route.done or not device:
                yield unknown(gateway, f"its routes can't be told: {route.text}")
            elif device.startswith(("tun", "wg")):
                yield holds(gateway, f"the outside is reached by the tunnel, {device}")
            else:
                yield broken(gateway, f"the outside would be reached by {device}, which is no tunnel", up)


CONTRACT = Contract(name="fence", promise="what a VPN app sends leaves by the tunnel or not at all", check=check)
