"""`heal`: makes the changes that `healing` decides, once or repeatedly. Other commands come first."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from portable.backends.common import main_container
from portable.backends.compose.names import app_service
from portable.engines.docker.engine import Engine, EngineReader
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import Observed, ObservedContainer
from portable.live.compose.apps import plain
from portable.live.compose.desired import ComposeStack, Desired, current
from portable.live.compose.healing import ailing, was_killed
from portable.live.compose.preflight import refuse_foreign
from portable.live.compose.restart import restart_in_order
from portable.live.compose.status import log_of, silence_of, status
from portable.live.compose.up import up
from portable.live.compose.waiting import Watch
from portable.live.listening import LISTENING, Sockets, listeners_of, look_at, parsed, peer_ports, remedy_of
from portable.live.results import Outcome, Repairs
from portable.live.tunnel import tunnels
from portable.local.lock import locked
from portable.model.base import Struct
from portable.model.changes import Change
from portable.model.errors import PortableError
from portable.model.moments import seconds_of
from portable.model.plan import App
from portable.model.progress import Deduplicated, Event, Progress, silent
from portable.secrets.sources import Source

_LONGEST_REST = 300.0
"""The longest pause, in seconds, between two restarts of a service that does not stay up."""
_WELL_SECONDS = 120.0
"""After this time of running, the pauses of a service begin short again."""
_INSIDE_SECONDS = 60.0
"""Interval of the checks inside gateways."""
_ASK_SECONDS = 10.0


class Clock(Protocol):
    """Time, so that tests do not wait."""

    def monotonic(self) -> float:
        """Seconds."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...


class Deaf(Struct, frozen=True, kw_only=True):
    """A service that does not listen on its tunnel, and will after a restart."""

    container: tuple[str, str]
    """Id and start time."""
    tunnel: tuple[str, ...]
    """Identifies the current tunnel: it differs for the previous and the next one."""
    cause: str


class Memory:
    """Facts that the next look needs: an engine forgets its events within minutes."""

    def __init__(self) -> None:
        self.stopped: set[tuple[str, str]] = set()
        """Containers that somebody stopped: id and end time."""
        self.deaf: dict[str, Deaf] = {}
        """Services that must be restarted to listen on their tunnel, from the last look inside gateways."""
        self.left: tuple[str, ...] = ()
        """Sentences about problems of that look that `heal` cannot repair."""
        self.restarted: dict[str, tuple[str, ...]] = {}
        """Services that were restarted for that, each with the tunnel: a second restart for the same tunnel would not help."""


def examine(engine: EngineReader, stack: ComposeStack, memory: Memory | None = None, *, inside: bool = True) -> Repairs:
    """The changes that `heal` would make now; needs no method that writes. `inside` also looks inside gateways, which costs more."""
    memory, observed = memory or Memory(), engine.observe(stack.project)
    refuse_foreign(observed, stack.project)
    if inside:
        _look_inside(engine, stack, observed, memory)
    else:
        memory.deaf = {}
    return _ailing(engine, stack, plain(stack), observed, memory)


def _look_inside(engine: EngineReader, stack: ComposeStack, observed: Observed, memory: Memory) -> None:
    """Note which apps listen on their tunnels, and which tunnels are silent. A gateway repairs a silent tunnel itself.

    Restarting the gateway instead would leave all its apps without a network, and the same servers would be as silent as before.
    """
    memory.deaf, absent = deaf_apps(engine, stack, observed)
    running = current(observed)
    silent = [
        f"nothing comes back through the tunnel of {name}; it restarts its VPN by itself"
        for name in tunnels(stack.plan)
        if name in running and running[name].state == "running" and silence_of(engine, running[name])[0]
    ]
    still = [
        f"{name} is not restarted again: {deaf.cause}, although it was restarted for that; check its settings"
        for name, deaf in memory.deaf.items()
        if memory.restarted.get(name) == deaf.tunnel
    ]
    memory.left = (*silent, *still, *absent)


def _ailing(engine: EngineReader, stack: ComposeStack, desired: Desired, observed: Observed, memory: Memory) -> Repairs:
    gateways = gateways_of(stack, desired)
    for name, seen in current(observed).items():
        ended = (seen.id, seen.finished_at)
        if name in gateways and was_killed(seen) and ended not in memory.stopped and engine.was_stopped(*ended):
            memory.stopped.add(ended)
    stopped = {seen.id for seen in observed.containers if (seen.id, seen.finished_at) in memory.stopped}
    containers = current(observed)
    deaf = {
        name: service.cause
        for name, service in memory.deaf.items()
        if name in containers
        and (containers[name].id, containers[name].started_at) == service.container
        and memory.restarted.get(name) != service.tunnel
    }
    decided = ailing(desired, observed, gateways=gateways, stopped=stopped, deaf=deaf)
    return Repairs(changes=decided.changes, waiting=(*decided.waiting, *memory.left))


def deaf_apps(engine: EngineReader, stack: ComposeStack, observed: Observed) -> tuple[dict[str, Deaf], tuple[str, ...]]:
    """The services that listen on their tunnel again after a restart, and sentences about those that would not."""
    seen, deaf, absent = current(observed), dict[str, Deaf](), []
    listeners = list(listeners_of(stack.plan)) if stack.plan else []
    for gateway in dict.fromkeys(name for name, _ in listeners):
        owner = seen.get(gateway)
        behind = [app for name, app in listeners if name == gateway]
        if owner is None or owner.state != "running" or owner.health not in (None, "healthy"):
            continue
        ports = sorted({port for app in behind for port in peer_ports(app)})
        sharers = {app.name: sharer for app in behind if (sharer := _beside(app, owner, seen))}
        looks = look_at(
            [(app, seconds_of(sharers[app.name].started_at)) for app in behind if app.name in sharers],
            partial(_asked, engine, owner, ports),
            partial(log_of, engine, owner),
        )
        for look in looks:
            sharer = sharers[look.app.name]
            if look.verdict == "deaf":
                tunnel = (owner.id, owner.started_at, *look.devices)
                deaf[sharer.service] = Deaf(container=(sharer.id, sharer.started_at), tunnel=tunnel, cause=look.text)
            elif look.verdict == "absent":
                absent.append(f"{sharer.service} is not restarted: {look.text}, and a restart would not help; {remedy_of(look.app)}")
    return deaf, tuple(absent)


def _asked(engine: EngineReader, gateway: ObservedContainer, ports: Sequence[int]) -> Sockets | str:
    """The sockets behind a gateway, or why they are unknown: `verify` reports that. Other problems are repaired all the same."""
    try:
        code, text = engine.ask(gateway.id, LISTENING, *map(str, ports), seconds=_ASK_SECONDS)
    except DockerError as error:
        return error.text
    return parsed(text) if code == 0 else text


def _beside(app: App, owner: ObservedContainer, seen: Mapping[str, ObservedContainer]) -> ObservedContainer | None:
    """The running container of an app in the current network namespace of its gateway."""
    container = seen.get(app_service(app, main_container(app)))
    if container is None or container.state != "running" or container.joins != owner.id or container.started_at < owner.started_at:
        return None
    return container


def gateways_of(stack: ComposeStack, desired: Desired) -> frozenset[str]:
    """The services that own the network namespaces of VPN apps."""
    apps = stack.plan.gateways if stack.plan else frozenset[str]()
    return frozenset(service.name for service in desired.services if service.app in apps and service.owner is None)


def heal(
    engine: Engine,
    stack: ComposeStack,
    source: Source,
    *,
    only: Callable[[Change], bool] = lambda _: True,
    wait: bool = True,
    deadline: float | None = None,
    memory: Memory | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Start, restart or recreate broken services, each after its gateway; with `wait`, wait until they are healthy.

    Raises PortableError if another command works on the project, and if a service cannot be repaired (after the others). `deadline` is the
    timeout of the waiting in seconds. `memory` is that of an `examine` just before; without it, the gateways are checked again.
    """
    engine.observe(stack.project)  # without an engine nothing is written, not even the lock
    with locked(stack.project, "heal", progress=progress, wait=0):
        observed = engine.observe(stack.project)
        refuse_foreign(observed, stack.project)
        desired = plain(stack)
        if memory is None:
            memory = Memory()
            memory.deaf, _ = deaf_apps(engine, stack, observed)
        changes = _chosen(desired, _ailing(engine, stack, desired, observed, memory).changes, only)
        for change in changes:
            if change.service in memory.deaf and change.cause == memory.deaf[change.service].cause:
                memory.restarted[change.service] = memory.deaf[change.service].tunnel
        for change in changes:
            progress(Event(what="doing", subject=change.service, text=f"{change.kind}: {change.cause}"))
        names = [change.service for change in changes if change.kind in ("start", "restart")]
        until = None if deadline is None else time.monotonic() + deadline
        watch = Watch(engine, desired, set(names), Deduplicated(progress), until)
        failed: PortableError | None = None
        for together in _by_namespace(desired, names):
            try:
                restart_in_order(engine, desired, observed, together, watch)
            except PortableError as error:  # a gateway that does not start must not stop the repair of others
                failed = failed or error
        if failed:
            raise failed
        if names and wait:
            watch.until_well()
    anew = tuple(sorted({change.app for change in changes if change.kind == "recreate"}))
    if anew:
        # Only Compose creates containers, and needs their secrets: this is `up` of these apps.
        up(engine, stack, source, apps=anew, deadline=deadline, progress=progress)
    return Outcome(changes=changes, rows=status(engine, stack))


def _chosen(desired: Desired, changes: Sequence[Change], only: Callable[[Change], bool]) -> tuple[Change, ...]:
    """The changes that `only` accepts. An app is not started without the change of its gateway."""
    all_names, chosen = {change.service for change in changes}, dict[str, Change]()
    for change in changes:
        owner = desired.service(change.service).owner
        if (owner not in all_names or owner in chosen) and only(change):
            chosen[change.service] = change
    return tuple(chosen.values())


def _by_namespace(desired: Desired, names: Sequence[str]) -> list[list[str]]:
    """The same names, grouped by network namespace."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(desired.service(name).owner or name, []).append(name)
    return list(groups.values())


class Healer:
    """Heals repeatedly. An app that does not stay up is restarted after longer and longer pauses."""

    def __init__(
        self, opened: Callable[[], tuple[ComposeStack, Source]], *, every: float, clock: Clock = time, progress: Progress = silent
    ) -> None:
        """`opened` reads the files of the profile. It is called again before each repair, since the images may have changed."""
        self._opened, self._every, self._clock = opened, every, clock
        self._stack, self._source = opened()
        self._progress = progress
        self._reported: set[str] = set()
        """Sentences of the last turn, which are not repeated while they stay true."""
        self._tries: dict[str, tuple[int, float]] = {}
        """By service: the number of repairs in a row (failed ones too), and the time of the last."""
        self._memory = Memory()
        self._looked_inside: float | None = None

    def run(self, engine: Engine, *, ended: Callable[[], bool] = lambda: False) -> None:
        """Look, heal, pause. An error is reported once and tried again: the engine may be away for any time."""
        while not ended():
            self.turn(engine)
            self._clock.sleep(self._every)

    def turn(self, engine: Engine) -> tuple[Change, ...]:
        """Look once and repair; returns the changes. Empty if the engine is away or another command works on the project."""
        due: list[str] = []

        def only(change: Change) -> bool:
            # A container is recreated from the files: an outdated stack could run an older image on state that a newer one wrote.
            wanted = self._is_due(change) and not (unreadable and change.kind == "recreate")
            due.extend([change.service] if wanted else [])
            return wanted

        try:
            state = examine(engine, self._stack, self._memory, inside=False)
            if not state.changes and self._looks_inside():  # stopped apps come first
                state = examine(engine, self._stack, self._memory)
            if not any(self._is_due(change) for change in state.changes):
                self._tell(*state.waiting)
                return ()
            unreadable = self._read()
            self._tell(*state.waiting, *unreadable)
            outcome = heal(engine, self._stack, self._source, only=only, wait=False, memory=self._memory, progress=self._progress)
        except PortableError as error:
            self._tell(f"not healed yet: {error.text}")
            return ()
        finally:
            now = self._clock.monotonic()
            for service in due:
                self._tries[service] = (self._in_a_row(service) + 1, now)
        return outcome.changes

    def _looks_inside(self) -> bool:
        """Whether a look inside gateways is due: it costs more than a look at the engine."""
        now = self._clock.monotonic()
        if self._looked_inside is not None and now - self._looked_inside < _INSIDE_SECONDS:
            return False
        self._looked_inside = now
        return True

    def _read(self) -> tuple[str, ...]:
        """Read the files again; returns a sentence if they cannot be read."""
        try:
            self._stack, self._source = self._opened()
        except PortableError as error:
            return (f"no container is recreated, since the files of the profile cannot be read: {error.text}",)
        return ()

    def _tell(self, *sentences: str) -> None:
        for sentence in sentences:
            if sentence not in self._reported:
                self._progress(Event(what="waiting", subject="", text=sentence))
        self._reported = set(sentences)

    def _in_a_row(self, service: str) -> int:
        tries, last = self._tries.get(service, (0, 0.0))
        return tries if self._clock.monotonic() - last < _rest(tries, self._every) + _WELL_SECONDS else 0

    def _is_due(self, change: Change) -> bool:
        tries, last = self._tries.get(change.service, (0, 0.0))
        return not tries or self._clock.monotonic() - last >= _rest(tries, self._every)


def _rest(tries: int, every: float) -> float:
    """The pause in seconds after that many repairs in a row."""
    return min(_LONGEST_REST, every * 2.0 ** min(tries, 16)) if tries else 0.0
