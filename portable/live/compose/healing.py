"""What ails a project that nobody changed, and what heals it. Pure, as `reconcile`; it starts what is there and never what was never made.

An engine restarts by itself what stands alone. Who shares a gateway's network it must not start, since it knows no order and would do so
before the gateway's firewall stands; so somebody has to. Nor does it start a gateway that `docker kill` ended.
"""

from collections.abc import Collection, Mapping

from portable.backends.compose.services import Service
from portable.engines.docker.observed import Observed, Seen
from portable.live.compose.desired import Desired, current
from portable.live.compose.reconcile import in_order, off_network
from portable.live.results import Ailing
from portable.model.changes import Change, Kind

_BY_REQUEST = (0, 137, 143)
"""Exit codes of what was told to end: by itself, by SIGKILL, by SIGTERM. Whoever told it is not worked against."""


_TERMINATED = 143
"""128 + SIGTERM: how a program ends that does not handle the signal of an ordinary stop."""


def was_killed(gateway: Seen) -> bool:
    """Whether a gateway that is down was ended by a signal that is none of an ordinary stop.

    Gateways end within seconds of SIGTERM, long before the engine loses patience: Gluetun after 5 s at the latest, with exit code 0 or 1.
    So SIGKILL, exit code 137, comes from `docker kill` or from the kernel. After `docker kill` the engine never starts a container again.
    """
    return gateway.state == "exited" and (gateway.out_of_memory or (gateway.exit_code > 128 and gateway.exit_code != _TERMINATED))


def ailing(
    desired: Desired,
    observed: Observed,
    *,
    gateways: Collection[str] = (),
    stopped: Collection[str] = (),
    deaf: Mapping[str, str] = {},
) -> Ailing:
    """Who hangs on a network that is gone, was left behind by its gateway, ended by itself, or was taken off its network.

    Of the services `gateways` those that were killed are started too, but for containers of which the engine knows that somebody stopped
    them: their ids are in `stopped`. `deaf` says of services why they have to be restarted to listen on the tunnel.
    """
    seen, changes, waiting = current(observed), {}, []
    for name in in_order(desired):
        service, here = desired.service(name), seen.get(name)
        if here is None or service.once:
            continue
        if service.owner is None:
            if cause := next(filter(None, (off_network(network, here, observed) for network in service.networks)), ""):
                changes[name] = _change("recreate", service, cause)
            elif name in gateways and was_killed(here) and here.id not in stopped:
                changes[name] = _change("start", service, f"it was killed ({_ending(here)})")
            continue
        owner = seen.get(service.owner)
        if owner is None:
            continue  # it was taken down, not lost
        if (above := changes.get(service.owner)) is not None and above.kind == "start":
            if here.joins != owner.id:
                waiting.append(f"{name} waits for {service.owner}, which is {owner.state}")  # made anew, once the gateway runs
            elif here.state in ("running", "exited", "restarting"):
                kind: Kind = "start" if here.state == "exited" else "restart"
                changes[name] = _change(kind, service, f"it shares the network of {service.owner}, which was killed")
            continue
        found = _of_a_sharer(service, here, owner)
        if found is None and here.state == "running" and name in deaf:
            found = _change("restart", service, deaf[name])
        if found is None:
            if here.state == "exited":
                waiting.append(f"{name} is left alone: it ended as what somebody stops does (exit code {here.exit_code}); `up` starts it")
            continue
        if owner.state != "running" or owner.health not in (None, "healthy"):
            waiting.append(f"{name} waits for {service.owner}, which is {owner.health if owner.state == 'running' else owner.state}")
        else:
            changes[name] = found
    return Ailing(changes=tuple(changes.values()), waiting=tuple(waiting))


def _of_a_sharer(service: Service, here: Seen, owner: Seen) -> Change | None:
    if here.joins != owner.id and here.state in ("running", "exited", "restarting"):
        return _change("recreate", service, f"it shares the network of {service.owner}, which was recreated from outside")
    if here.state == "running" and owner.started_at > here.started_at:
        return _change("restart", service, f"it shares the network of {service.owner}, which was started anew")
    if here.state == "exited" and owner.started_at > here.started_at:
        return _change("start", service, f"it went down with {service.owner}, which runs again")
    if here.state == "exited" and (here.out_of_memory or here.exit_code not in _BY_REQUEST):
        return _change("start", service, f"it ended by itself ({_ending(here)})")
    return None


def _ending(seen: Seen) -> str:
    return "it ran out of memory" if seen.out_of_memory else f"exit code {seen.exit_code}"


def _change(kind: Kind, service: Service, cause: str) -> Change:
    return Change(kind=kind, service=service.name, app=service.app, cause=cause)
