"""No container has more rights or networks than planned: one more capability, device or network can open the fence from inside."""

from collections.abc import Iterator

from portable.live.view import View
from portable.model.rights import Rights
from portable.verify.contract import Contract, Found, about, broken, holds, running
from portable.verify.environment import anew


def check(stack: View) -> Iterator[Found]:
    """Compare each container with its plan; then find containers outside the stack that share a gateway's network namespace."""
    gateways = stack.plan.gateways
    for placed in running(stack):
        if extras := list(_extras(stack.look(placed).rights, stack.planned(placed).rights)):
            yield broken(about(placed), "; ".join(extras), anew(stack, placed))
        else:
            yield holds(about(placed), "has the rights and networks of the plan, and no others")
        if placed.app and placed.app.name in gateways:
            for name in stack.guests(placed):
                text = f"container {name} shares its network but is not part of the stack: it can change the firewall unnoticed"
                yield broken(about(placed), text, stack.guest_remedy(placed, name))


def _extras(has: Rights, planned: Rights) -> Iterator[str]:
    """Describe each right that a container has beyond its plan."""
    if has.privileged and not planned.privileged:
        yield "it is privileged: it has all rights of the host's root"
    for what, extra in (
        ("capabilities", has.capabilities - planned.capabilities),
        ("devices", has.devices - planned.devices),
        ("namespaces", has.namespaces - planned.namespaces),
        ("networks", has.networks - planned.networks),
        ("host names", has.hosts - planned.hosts),
        ("security options", {option for option in has.security - planned.security if not option.startswith("no-new-privileges")}),
    ):
        if extra:
            yield f"unplanned {what}: {', '.join(sorted(extra))}"
    if "no-new-privileges:true" in planned.security - has.security:
        yield "its programs may gain privileges (no-new-privileges is not set)"
    if has.network != planned.network:
        yield f"it is in {_network(has)} instead of {_network(planned)}"
    if has.name_servers != planned.name_servers:
        actual, expected = (", ".join(servers) or "the engine's" for servers in (has.name_servers, planned.name_servers))
        yield f"its name servers are {actual} instead of {expected}"
    if folders := sorted(f"{source} at {path}" for path, source in has.folders.items() if path not in planned.folders):
        yield f"unplanned folders of the host: {', '.join(folders)}"


def _network(rights: Rights) -> str:
    return {"its own": "a network of its own", "none": "no network", "the host's": "the host's network"}.get(rights.network, rights.network)


CONTRACT = Contract(name="privileges", promise="no container has more rights or networks than the plan gives it", check=check)
