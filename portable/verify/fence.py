"""Traffic of VPN apps leaves through the tunnel or not at all (promise 2). The check reads rules and routes; it sends nothing.

A gateway with a tunnel has two fences: its own firewall in the table `filter`, and the chain of its guard in the table `mangle`. The second
one stays when the first one opens.
"""

import itertools
import shlex
from collections.abc import Iterator, Sequence
from ipaddress import ip_network

from portable.live.view import View
from portable.model.plan import Direct, Sealed, Tunnel
from portable.model.shell import script
from portable.verify.contract import Contract, Found, broken, holds, restart_with_group, running_apps, unknown, untried

_OUTSIDE = "192.0.2.1"
"""A documentation address; only looked up in the routing table."""
_REMAINS = "! -o lo -m addrtype ! --src-type LOCAL --limit-iface-out -j DROP"
"""The guard's rule for the rest of the tunnel's connections, as iptables prints it; a rule for one device leaves others open."""
_GO_ON = ("LOG", "NFLOG", "TCPMSS", "TTL", "HL", "DSCP", "TOS")
"""Targets after which iptables reads the next rule (iptables-extensions(8)); none of them changes the mark."""
_MARK = "0xca6c"
"""51820: the mark of the packets of Gluetun's own WireGuard, which only a process with NET_ADMIN or NET_RAW can set."""
_OWNERS = ("0", "51820")
"""The users that OpenVPN starts and runs as (the catalog's PUID of Gluetun)."""
_NEIGHBOURS = ("133", "134", "135", "136")
"""The ICMPv6 types of neighbour and router discovery (RFC 4861)."""
_LEAVES_REMAINS = "lets the rest of the tunnel's connections out when the tunnel is gone"
_LONGEST_JUMP = 8
"""How many jumps from chain to chain are followed."""
Rule = list[str]


def check(stack: View) -> Iterator[Found]:
    """Check for each gateway which traffic its rules allow, for IPv4 and IPv6, and the route to a foreign address."""
    gateways = {app.name: placed for app, placed in running_apps(stack)}
    for group in stack.plan.groups:
        egress = group.egress
        if isinstance(egress, Direct):
            continue
        gateway = egress.gateway
        if gateway not in gateways:
            remedy = f"run `portable up -p {stack.plan.profile}`"
            yield broken(gateway, "it does not run, so nothing keeps the traffic of its group inside", remedy)
            continue
        answer = stack.inside(gateways[gateway], ["sh", "-c", script(__name__, "fence.sh")], user="0")
        if not answer.done:
            yield unknown(gateway, f"its firewall cannot be read: {answer.text or answer.code}")
            continue
        is_closed = True
        for family in ("iptables", *(["ip6tables"] if "\nipv6" in f"\n{answer.text}" else [])):
            result = _family(stack, egress, family, answer.text)
            is_closed &= result[1] == "holds"
            yield result
        if isinstance(egress, Tunnel):
            route = stack.inside(gateways[gateway], ["ip", "route", "get", _OUTSIDE], user="0")
            device = route.text.partition(" dev ")[2].split(" ")[0]
            if untried(route):
                yield unknown(gateway, f"the route to the internet is unknown: {route.text or route.code}")
            elif device == egress.interface:
                yield holds(gateway, f"the route to the internet is the tunnel, {device}")
            elif is_closed:
                text = f"the tunnel is down ({device or route.text or 'no route'}), and the firewall lets nothing out"
                yield unknown(gateway, text)
            else:
                up = restart_with_group(stack, gateway)
                yield broken(gateway, f"the route to the internet is {device or 'unknown'}, not the tunnel", up)


def _family(stack: View, egress: Tunnel | Sealed, family: str, text: str) -> Found:
    gateway = egress.gateway
    filters, mangles = _tables(text, family)
    if not filters:
        return unknown(gateway, f"{family} lists no rules")
    inner = ("lo", egress.interface) if isinstance(egress, Tunnel) else ("lo",)
    lines = (line.split() for line in text.splitlines() if line.startswith("own "))
    own = [words[2] for words in lines if len(words) == 3 and words[1] not in inner]
    # One closed table stops everything that the others allow; iptables and its variant print the same rules twice.
    closed = next((rules for rules in filters if ["-P", "OUTPUT", "DROP"] in rules), None)
    first = _first_fence(closed, egress, own)
    up = restart_with_group(stack, gateway)
    if isinstance(egress, Sealed):
        return broken(gateway, f"{family} {first}", up) if first else holds(gateway, f"{family} allows the local networks only")
    # The guard is added when a container is created, not when it is restarted.
    anew = f"run `portable up -p {stack.plan.profile} {gateway}`, which recreates it with the catalog's guard"
    second = min((_second_fence(rules, egress, own) for rules in mangles), key=len, default="has no second fence")
    if first:
        also = f"; {family} also {second}" if second else "; the second fence is closed"
        return broken(gateway, f"{family} {first}{also}", up)
    if second:
        text = f"{family} {second}: if Gluetun's own firewall fails to start, Gluetun lets all traffic out, and nothing else stops it"
        return broken(gateway, text, anew)
    return holds(gateway, f"{family} allows only the tunnel and local networks, in both fences")


def _tables(text: str, family: str) -> tuple[list[list[Rule]], list[list[Rule]]]:
    """Return the OUTPUT rules of each table `filter`, and all rules of each table `mangle`: a packet passes those of every program."""
    filters: dict[str, list[Rule]] = {}
    mangles: dict[str, list[Rule]] = {}
    for line in text.splitlines():
        if not line.startswith(f"{family} "):
            continue
        words = _words(line)
        if len(words) < 4:
            continue
        if words[2] == "mangle":
            mangles.setdefault(words[1], []).append(words[3:])
        else:
            filters.setdefault(words[1], []).append(words[2:])
    return list(filters.values()), list(mangles.values())


def _words(line: str) -> list[str]:
    """Split a rule into words; a comment is one word. A rule that cannot be parsed counts as an open one."""
    try:
        return shlex.split(line)
    except ValueError:
        return [*line.split()[:5], "-j", "unreadable"]


def _first_fence(rules: Sequence[Rule] | None, egress: Tunnel | Sealed, own: Sequence[str]) -> str:
    """Describe the gap in the gateway's own firewall, as the end of a sentence; empty without one."""
    if rules is None:
        return "allows everything that no rule forbids"
    loose = [" ".join(rule) for rule in rules if rule[:2] == ["-A", "OUTPUT"] and not _stays_inside(rule, egress, own)]
    return f"lets traffic past the tunnel: {'; '.join(loose)}" if loose else ""


def _second_fence(rules: Sequence[Rule], egress: Tunnel, own: Sequence[str]) -> str:
    """Describe the gap in the table `mangle`, as the end of a sentence; empty without one.

    The rules are read in the order in which a packet meets them, into the chains that they jump to.
    """
    marking = [" ".join(rule[2:]) for rule in _expanded(rules, "OUTPUT") if _value(rule, "-j", "-g") not in ("", "DROP", *_GO_ON)]
    if marking:
        return f"changes packets before its second fence: {marking[0]}"
    remains_dropped = False
    for rule in _expanded(rules, "POSTROUTING"):
        target = _value(rule, "-j", "-g")
        if " ".join(rule[2:]) == _REMAINS:
            remains_dropped = True
        elif rule[2:] == ["-j", "DROP"]:
            return "" if remains_dropped else _LEAVES_REMAINS
        elif target in ("", "DROP", *_GO_ON):  # one without a target only counts
            continue
        elif target != "ACCEPT" or not _stays_inside(rule, egress, own, second=True):
            return f"has a gap in its second fence: {' '.join(rule[2:])}"
        elif not remains_dropped and not _stays(rule, egress):
            return _LEAVES_REMAINS
    return "has no second fence"


def _expanded(rules: Sequence[Rule], chain: str, depth: int = 0) -> Iterator[Rule]:
    """Yield the rules of a chain; a jump without a condition is replaced by the rules of its target."""
    chains = {rule[1] for rule in rules if rule[0] == "-N"}
    for rule in rules:
        if rule[:2] != ["-A", chain]:
            continue
        if rule[2:3] == ["-j"] and rule[3] in chains and depth < _LONGEST_JUMP:
            yield from _expanded(rules, rule[3], depth + 1)
        else:
            yield rule


def _value(rule: Rule, *names: str) -> str:
    return next(
        (after for (before, word), after in zip(itertools.pairwise(rule), rule[2:], strict=False) if word in names and before != "!"), ""
    )


def _stays(rule: Rule, egress: Tunnel | Sealed) -> bool:
    """Whether a rule is limited to the loopback or the tunnel's own device."""
    return _value(rule, "-o") in ("lo", *((egress.interface,) if isinstance(egress, Tunnel) else ()))


def _is_openvpns(rule: Rule, egress: Tunnel) -> bool:
    """Whether a rule is limited to OpenVPN's own packets: to an endpoint, and from the users that only OpenVPN has in this network."""
    return _is_to_endpoint(rule, egress) and _value(rule, "--uid-owner") in _OWNERS


def _is_to_endpoint(rule: Rule, egress: Tunnel) -> bool:
    """Whether a rule is limited to one of the plan's endpoints; a rule without `-d` matches an endpoint at any address."""
    target = ip_network(_value(rule, "-d") or "0.0.0.0/0", strict=False)
    ends = ((ip_network(e.cidr, strict=False), e) for e in egress.endpoints)
    return any(
        (_value(rule, "-p"), _value(rule, "--dport")) == (end.protocol, str(end.port))
        and target.version == network.version
        and target.subnet_of(network)  # type: ignore[arg-type]
        for network, end in ends
    )


def _is_established(rule: Rule) -> bool:
    states = _value(rule, "--ctstate", "--state")
    return bool(states) and set(states.split(",")) <= {"RELATED", "ESTABLISHED"}


def _stays_inside(rule: Rule, egress: Tunnel | Sealed, own: Sequence[str], *, second: bool = False) -> bool:
    """Whether a rule allows permitted traffic only: answers, the namespace itself, the tunnel and its endpoint, local networks.

    In the second fence, only answers to calls from outside count, and a mark identifies the tunnel's own packets.
    """
    if _value(rule, "-j") in ("DROP", "REJECT", "LOG", "RETURN", "NFLOG"):
        return True
    if _value(rule, "-j") != "ACCEPT":
        return False  # a jump to another chain, which is not checked here
    if _stays(rule, egress) or (_is_established(rule) and (not second or _value(rule, "--ctdir") == "REPLY")):
        return True
    if _value(rule, "-p") in ("ipv6-icmp", "icmpv6") and _value(rule, "--icmpv6-type") in _NEIGHBOURS:
        return True
    if second and isinstance(egress, Tunnel):
        own_packets = _value(rule, "--mark") == _MARK if egress.protocol == "wireguard" else _is_openvpns(rule, egress)
        if own_packets:
            return True
    target = _value(rule, "-d")
    if not target:
        return False
    to = ip_network(target, strict=False)
    if not second and isinstance(egress, Tunnel) and to.num_addresses == 1 and _value(rule, "--dport"):
        return not egress.endpoints or _is_to_endpoint(rule, egress)
    local = [ip_network(network, strict=False) for network in (*egress.networks, *own)]
    return to.is_multicast or to.is_link_local or any(to.version == n.version and to.subnet_of(n) for n in local)  # type: ignore[arg-type]


CONTRACT = Contract(name="fence", promise="traffic of VPN apps leaves through the tunnel or not at all", check=check)
