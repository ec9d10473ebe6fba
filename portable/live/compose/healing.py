"""The changes that repair a project which nobody changed. Pure, like `reconcile`; it starts existing containers and creates no new app.

The engine itself restarts a container with its own network. It must not start one that shares a gateway's network: it knows no order, and
would start it before the gateway's firewall is up. Nor does the engine start a gateway that `docker kill` ended. So `heal` does both.
"""

from collections.abc import Collection, Mapping

from portable.backends.compose.services import Service
from portable.engines.docker.observed import Observed, ObservedContainer
from portable.live.compose.desired import Desired, current
from portable.live.compose.reconcile import in_order, off_network
from portable.live.results import Repairs
from portable.model.changes import Change, Kind

_BY_REQUEST = (0, 137, 143)
"""Exit codes of a container that somebody stopped: of its own, by SIGKILL, by SIGTERM. Such a container stays stopped."""


_TERMINATED = 143
"""128 + SIGTERM: the exit code of a program that does not handle the signal of an ordinary stop."""


def was_killed(gateway: ObservedContainer) -> bool:
    """Whether a signal other than that of an ordinary stop ended a gateway.

    Gateways end within seconds of SIGTERM, long before the engine's timeout: Gluetun after 5 s at the latest, with exit code 0 or 1. So
    SIGKILL (exit code 137) comes from `docker kill` or from the kernel. After `docker kill`, the engine never restarts a container.
    """
    return gateway.state == "exited" and (gateway.out_of_memory or (gateway.exit_code > 128 and gateway.exit_code != _TERMINATED))


def ailing(
    desired: Desired,
    observed: Observed,
    *,
    gateways: Collection[str] = (),
    stopped: Collection[str] = (),
    deaf: Mapping[str, str] = {},
) -> Repairs:
    """The services whose network namespace is gone, that stopped with their gateway, that crashed, or that lost their network.

    Killed services among `gateways` are started too, except containers whose ids are in `stopped`: the engine knows that somebody stopped
    them. `deaf` maps a service that must be restarted to listen on its tunnel to the cause.
    """
    seen, changes, waiting = current(observed), {}, []
    for name in in_order(desired):
        service, container = desired.service(name), seen.get(name)
        if container is None or service.once:
            continue
        if service.owner is None:
            if cause := next(filter(None, (off_network(network, container, observed) for network in service.networks)), ""):
                changes[name] = _change("recreate", service, cause)
            elif name in gateways and was_killed(container) and container.id not in stopped:
                changes[name] = _change("start", service, f"it was killed ({_ending(container)})")
            continue
        owner = seen.get(service.owner)
        if owner is None:
            continue  # it was removed on purpose
        if (above := changes.get(service.owner)) is not None and above.kind == "start":
            if container.joins != owner.id:
                waiting.append(f"{name} waits for {service.owner}, which is {owner.state}")  # recreated once the gateway runs
            elif container.state in ("running", "exited", "restarting"):
                kind: Kind = "start" if container.state == "exited" else "restart"
                changes[name] = _change(kind, service, f"it shares the network of {service.owner}, which was killed")
            continue
        change = _of_a_sharer(service, container, owner)
        if change is None and container.state == "running" and name in deaf:
            change = _change("restart", service, deaf[name])
        if change is None:
            if container.state == "exited":
                waiting.append(
                    f"{name} is not started: somebody seems to have stopped it (exit code {container.exit_code}); "
                    f"start it with `portable up {service.app}`"
                )
            continue
        if owner.state != "running" or owner.health not in (None, "healthy"):
            waiting.append(f"{name} waits for {service.owner}, which is {owner.health if owner.state == 'running' else owner.state}")
        else:
            changes[name] = change
    return Repairs(changes=tuple(changes.values()), waiting=tuple(waiting))


def _of_a_sharer(service: Service, container: ObservedContainer, owner: ObservedContainer) -> Change | None:
    if container.joins != owner.id and container.state in ("running", "exited", "restarting"):
        return _change("recreate", service, f"it shares the network of {service.owner}, which was recreated from outside")
    if container.state == "running" and owner.started_at > container.started_at:
        return _change("restart", service, f"it shares the network of {service.owner}, which was restarted")
    if container.state == "exited" and owner.started_at > container.started_at:
        return _change("start", service, f"it stopped with {service.owner}, which is running again")
    if container.state == "exited" and (container.out_of_memory or container.exit_code not in _BY_REQUEST):
        return _change("start", service, f"it crashed ({_ending(container)})")
    return None


def _ending(seen: ObservedContainer) -> str:
    return "it ran out of memory" if seen.out_of_memory else f"exit code {seen.exit_code}"


def _change(kind: Kind, service: Service, cause: str) -> Change:
    return Change(kind=kind, service=service.name, app=service.app, cause=cause)
