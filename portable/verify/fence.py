"""What a VPN app sends leaves by the tunnel or not at all (promise 2). Only looked at: nothing is sent."""

import itertools
from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from portable.model.plan import Direct, Sealed, Tunnel
from portable.verify.contract import Contract, Found, broken, holds, running_apps, unknown, untried
from portable.verify.stack import Stack

# The program for nftables or the older one: a packet passes the tables of both. Gluetun holds their lock while it writes rules.
_RULES = """\
for family in iptables ip6tables; do
  for program in $family $family-nft $family-legacy; do
    { $program -w 5 -S OUTPUT; $program -w 5 -t mangle -S POSTROUTING; } 2>/dev/null | sed "s/^/$family $program /"
  done
done
awk '$NF != "lo" {print "ipv6"; exit}' /proc/net/if_inet6 2>/dev/null
for version in 4 6; do ip -$version -o address show 2>/dev/null | awk '{print "own " $4}'; done
true
"""
_OUTSIDE = "192.0.2.1"
"""An address of the documentation; asked of the routing table only."""
_TUNNELS = ("tun", "wg")
_GUARD = "-A POSTROUTING ! -o lo -m addrtype ! --src-type LOCAL --limit-iface-out -j DROP"
"""The guard's rule as iptables tells it; one that names a device leaves open those that come later."""
_GO_ON = ("DROP", "LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "TTL", "HL", "DSCP", "TOS")
"""Targets that let no packet by the rules behind them (iptables-extensions(8))."""


def check(stack: Stack) -> Iterator[Found]:
    """Each gateway: what its rules let out, in both families, and where a foreign address would be sent."""
    there = {app.name: placed for app, placed in running_apps(stack)}
    for group in stack.plan.groups:
        egress = group.egress
        if isinstance(egress, Direct):
            continue
        gateway = egress.gateway
        if gateway not in there:
            yield broken(
                gateway, "it does not run: nothing of its group can be said to be kept in", f"`portable up -p {stack.plan.profile}`"
            )
            continue
        said = stack.inside(there[gateway], ["sh", "-c", _RULES], user="0")
        if not said.done:
            yield unknown(gateway, f"its firewall can't be looked at: {said.text or said.code}")
            continue
        closed = True
        for family in ("iptables", *(["ip6tables"] if "\nipv6" in f"\n{said.text}" else [])):
            found = _judged(gateway, egress, family, said.text, stack.plan.profile)
            closed &= found[1] == "holds"
            yield found
        if isinstance(egress, Tunnel):
            route = stack.inside(there[gateway], ["ip", "route", "get", _OUTSIDE], user="0")
            device = route.text.partition(" dev ")[2].split(" ")[0]
            if untried(route):
                yield unknown(gateway, f"where the outside is reached can't be told: {route.text or route.code}")
            elif device.startswith(_TUNNELS):
                yield holds(gateway, f"the outside is reached by the tunnel, {device}")
            elif closed:
                yield unknown(gateway, f"there is no tunnel now ({device or route.text or 'no route'}), and nothing leaves past it")
            else:
                up = f"`portable restart -p {stack.plan.profile} {gateway}`, with all that share its network"
                yield broken(gateway, f"the outside would be reached by {device or 'no known way'}, which is no tunnel", up)


def _judged(gateway: str, egress: Tunnel | Sealed, family: str, text: str, profile: str) -> Found:
    tables: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == [family] and len(words) > 2:
            tables.setdefault(words[1], []).append(words[2:])
    if not tables:
        return unknown(gateway, f"{family} tells no rules")
    own = [words[1] for line in text.splitlines() if (words := line.split())[:1] == ["own"] and len(words) == 2]
    shut = [rules for rules in tables.values() if ["-P", "OUTPUT", "DROP"] in rules]
    up = f"`portable restart -p {profile} {gateway}`, with all that share its network"
    if not shut:
        return broken(gateway, f"{family} lets out what no rule forbids: the VPN apps can leave past it", up)
    # One table that is shut stops what all others let through; the program and its own variant tell the same rules twice.
    loose = [" ".join(rule) for rule in shut[0] if rule[:2] == ["-A", "OUTPUT"] and not _is_kept_in(rule, egress, own)]
    if loose:
        return broken(gateway, f"{family} lets out past the tunnel: {'; '.join(loose)}", up)
    if isinstance(egress, Tunnel) and _lets_remains_out(tables.values()):
        # What guards it is put into a container that is made, not into one that is started again.
        anew = f"`portable up -p {profile} {gateway}`: it is made anew, with the guard of the catalog"
        return broken(gateway, f"{family} lets out what is left of the tunnel's connections when the tunnel is gone", anew)
    return holds(gateway, f"{family} drops what no rule lets out, and no rule lets out past the tunnel")


def _lets_remains_out(tables: Iterable[list[list[str]]]) -> bool:
    """Whether connections that were begun through the tunnel could go on by another device: what is established may leave by one, and
    no table drops, whichever the device, what has an address that the device has not (as the catalog's guard of Gluetun does).
    """
    found = list(tables)
    wide = any(rule[:2] == ["-A", "OUTPUT"] and _is_established(rule) and not _stays(rule) for rules in found for rule in rules)
    return wide and not any(_drops_remains(rule for rule in rules if rule[:2] == ["-A", "POSTROUTING"]) for rules in found)


def _drops_remains(rules: Iterable[list[str]]) -> bool:
    """Whether the guard's rule is met by every packet: those before it let none by."""
    for rule in rules:
        if " ".join(rule) == _GUARD:
            return True
        if any(word in ("-j", "-g") and target not in _GO_ON for word, target in itertools.pairwise(rule)):
            return False
    return False


def _stays(rule: list[str]) -> bool:
    """Whether it is about the loopback or the tunnel's own device alone."""
    device = next((name for before, word, name in zip(rule, rule[1:], rule[2:], strict=False) if word == "-o" and before != "!"), "")
    return device == "lo" or device.startswith(_TUNNELS)


def _is_established(rule: list[str]) -> bool:
    return any(
        set(states.split(",")) <= {"RELATED", "ESTABLISHED"} and before != "!"
        for before, word, states in zip(rule, rule[1:], rule[2:], strict=False)
        if word in ("--ctstate", "--state")
    )


def _is_kept_in(rule: list[str], egress: Tunnel | Sealed, own: list[str]) -> bool:
    """Whether a rule lets out only what may leave: answers, the namespace itself, the tunnel and its outside end, local networks."""

    def value(*names: str) -> str:
        return next((rule[at + 1] for at, word in enumerate(rule[:-1]) if word in names and rule[at - 1] != "!"), "")

    if value("-j") in ("DROP", "REJECT", "LOG", "RETURN", "NFLOG"):
        return True
    if value("-j") != "ACCEPT":
        return False  # another chain, which is not looked at here
    if _stays(rule) or _is_established(rule):
        return True
    if value("-p") in ("ipv6-icmp", "icmpv6"):
        return True  # neighbours are found so
    target = value("-d")
    if not target:
        return False
    to = ip_network(target, strict=False)
    if isinstance(egress, Tunnel) and to.num_addresses == 1 and value("--dport"):
        ports = {str(endpoint.port) for endpoint in egress.endpoints}
        return not ports or value("--dport") in ports
    local = [ip_network(network, strict=False) for network in (*egress.networks, *own)]
    return to.is_multicast or to.is_link_local or any(to.version == n.version and to.subnet_of(n) for n in local)  # type: ignore[arg-type]


CONTRACT = Contract(name="fence", promise="what a VPN app sends leaves by the tunnel or not at all", check=check)
