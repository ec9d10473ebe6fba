"""No container may do more, or reach more, than the plan says: a capability, a device, or a network more opens the fence from inside."""

from collections.abc import Iterator

from portable.live.view import View
from portable.model.rights import Rights
from portable.verify.contract import Contract, Found, about, broken, holds, running
from portable.verify.environment import anew


def check(stack: View) -> Iterator[Found]:
    """Each container against its plan; then containers outside the stack that share a gateway's network."""
    gateways = stack.plan.gateways
    for placed in running(stack):
        if wrong := list(_more(stack.look(placed).rights, stack.planned(placed).rights)):
            yield broken(about(placed), "; ".join(wrong), anew(stack, placed))
        else:
            yield holds(about(placed), "has the rights and networks of the plan, and no others")
        if placed.app and placed.app.name in gateways:
            for name in stack.guests(placed):
                text = f"container {name} shares its network and does not belong to the stack: it may change the firewall unseen"
                yield broken(about(placed), text, f"`docker rm -f {name}`")


def _more(has: Rights, planned: Rights) -> Iterator[str]:
    """Everything that a container has beside its plan, in words."""
    if has.privileged and not planned.privileged:
        yield "it is privileged: it may do all that the host's root may"
    for what, extra in (
        ("capabilities", has.capabilities - planned.capabilities),
        ("devices", has.devices - planned.devices),
        ("namespaces", has.namespaces - planned.namespaces),
        ("networks", has.networks - planned.networks),
        ("addresses of names", has.hosts - planned.hosts),
        ("security options", {option for option in has.security - planned.security if not option.startswith("no-new-privileges")}),
    ):
        if extra:
            yield f"it has {what} that the plan does not give it: {', '.join(sorted(extra))}"
    if "no-new-privileges:true" in planned.security - has.security:
        yield "its programs may gain privileges (no-new-privileges is not set)"
    if has.network != planned.network:
        yield f"it is in {_network(has)} instead of {_network(planned)}"
    if has.name_servers != planned.name_servers:
        asked, instead = (", ".join(servers) or "the engine's" for servers in (has.name_servers, planned.name_servers))
        yield f"it asks other name servers than planned: {asked} instead of {instead}"
    if folders := sorted(f"{source} at {path}" for path, source in has.folders.items() if path not in planned.folders):
        yield f"it sees folders of the host that the plan does not give it: {', '.join(folders)}"


def _network(rights: Rights) -> str:
    return {"its own": "a network of its own", "none": "no network", "the host's": "the host's network"}.get(rights.network, rights.network)


CONTRACT = Contract(name="privileges", promise="no container may do more, or reach more, than the plan says", check=check)
