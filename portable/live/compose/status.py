"""`status`: one row for each service."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from portable.backends.compose.services import Service
from portable.engines.docker.address import Address
from portable.engines.docker.engine import EngineReader
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import ObservedContainer
from portable.live.compose.apps import plain
from portable.live.compose.desired import ComposeStack, current
from portable.live.compose.waiting import here_now, judge
from portable.live.results import ServiceStatus
from portable.live.tunnel import LINES, TRAFFIC, Traffic, look_through, restarts, traffic
from portable.live.tunnel import tunnels as tunnels_of
from portable.local.network import lan_addresses
from portable.model.exposures import in_url
from portable.model.moments import seconds_of

_ASK_SECONDS = 10.0


def status(engine: EngineReader, stack: ComposeStack, *, inside: bool = False) -> tuple[ServiceStatus, ...]:
    """The state of every service; orphans come last. With `inside`, gateways are also asked for the state of their tunnels."""
    observed = engine.observe(stack.project)
    desired, seen = plain(stack), current(observed)
    now, rows = here_now(), []
    tunnels = tunnel_rows(engine, stack, seen) if inside else {}
    names = {s.name for s in desired.services}
    shown: set[str] = set()
    for service in sorted(desired.services, key=lambda s: (s.app, s.name != s.app, s.name)):
        address: tuple[str, ...] = ()
        if service.app not in shown and (service.name == service.app or service.app not in names):
            reached = (typed_addresses(a, engine.address, stack.names) for a in stack.addresses.get(service.app, ()))
            address = tuple(address for addresses in reached for address in addresses)
            shown.add(service.app)
        row = _row(service, seen, now, address, tunnels.get(service.name, ("", "")))
        rows.append(msgspec.structs.replace(row, egress=stack.egress.get(service.app, "")))
    orphans = (c for c in observed.containers if c.service not in names)
    return (*rows, *map(_orphan, orphans))


def _row(
    service: Service, seen: dict[str, ObservedContainer], now: str, address: tuple[str, ...], tunnel: tuple[str, str]
) -> ServiceStatus:
    """The row of a service of the stack; `tunnel` is why its tunnel is not healthy, and a note."""
    container = seen.get(service.name)
    if container is None:
        return ServiceStatus(
            app=service.app,
            service=service.name,
            state="missing",
            health="-",
            since="",
            address=address,
            reason="not created yet; run `portable up`",
        )
    verdict = judge(service, seen, now)
    owner = seen.get(service.owner) if service.owner else None
    reason = "" if verdict.settled else verdict.reason
    if owner is not None and container.state == "running" and (container.joins != owner.id or owner.started_at > container.started_at):
        reason = f"its network namespace belongs to a previous {service.owner}; run `portable up` to repair it"
    return ServiceStatus(
        app=service.app,
        service=service.name,
        state="finished" if service.once and verdict.settled else container.state,
        health=container.health or "-",
        since=container.finished_at if container.state == "exited" else container.started_at,
        address=address,
        reason=reason or tunnel[0],
        image=container.image,
        note=tunnel[1],
    )


def _orphan(container: ObservedContainer) -> ServiceStatus:
    """The row of a container that left the stack."""
    return ServiceStatus(
        app=container.app,
        service=container.service,
        state="orphan",
        health=container.health or "-",
        since=container.started_at,
        reason="it is no longer part of the stack; `portable up` removes it",
        image=container.image,
    )


def tunnel_rows(engine: EngineReader, stack: ComposeStack, seen: Mapping[str, ObservedContainer]) -> dict[str, tuple[str, str]]:
    """For each running gateway with a tunnel: why it is not healthy, and a note; both are empty if unknown."""
    running = {name: seen[name] for name in tunnels_of(stack.plan) if name in seen and seen[name].state == "running"}
    if not running:
        return {}
    with ThreadPoolExecutor(min(8, 2 * len(running))) as pool:
        logs = {name: pool.submit(log_of, engine, gateway) for name, gateway in running.items()}
        looks = {name: pool.submit(silence_of, engine, gateway) for name, gateway in running.items()}
        states = {}
        for name, gateway in running.items():
            why, clock = looks[name].result()
            restarted = restarts(logs[name].result(), started=seconds_of(gateway.started_at), now=clock or seconds_of(here_now()))
            states[name] = (why, restarted.sentence())
    return states


def log_of(engine: EngineReader, gateway: ObservedContainer) -> Sequence[tuple[float, str]]:
    """The lines of a gateway's log since its start, as (time, text); empty if the log cannot be read."""
    try:
        return engine.dated_logs(gateway.id, tail=LINES, since=seconds_of(gateway.started_at))
    except DockerError:
        return ()


def silence_of(engine: EngineReader, gateway: ObservedContainer) -> tuple[str, float]:
    """Why a tunnel carries no traffic (empty if it does, or if unknown), and the clock of the engine's host."""

    def ask() -> Traffic | str:
        try:
            code, text = engine.ask(gateway.id, TRAFFIC, seconds=_ASK_SECONDS)
        except DockerError as error:
            return error.text
        return traffic(text) if code == 0 else text

    verdict, why, clock = look_through(ask)
    return why if verdict == "silent" else "", clock


def typed_addresses(address: str, engine: Address, names: Sequence[str]) -> tuple[str, ...]:
    """The addresses of an app that a person can type. A port on the LAN has one for each name of the engine's host, also if that is
    this machine: it is reached from others. The loopback address of another machine is marked as such.
    """
    is_here = engine.host in ("127.0.0.1", "[::1]", "localhost")
    if "{host}" not in address:
        return (address if is_here else f"{address} (on {engine.host})",)
    hosts = (*map(in_url, names), *((lan_addresses() or (engine.host,)) if is_here else (engine.host,)))
    return tuple(address.replace("{host}", host) for host in dict.fromkeys(hosts))
