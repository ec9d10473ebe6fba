"""Waits until a project is healthy: reports what each service waits for, and gives up at once if a service fails. The judgement is pure."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from portable.backends.compose.services import Service
from portable.engines.docker.engine import EngineReader
from portable.engines.docker.error_rule import AGAIN, Kind
from portable.engines.docker.errors import DockerError, UnhealthyDockerServices, explain
from portable.engines.docker.observed import ObservedContainer
from portable.engines.docker.process import Running
from portable.live.compose import headline
from portable.live.compose.desired import Desired, current
from portable.live.compose.slow_start import SlowStarts
from portable.model.base import Struct
from portable.model.codes import bracketed
from portable.model.progress import Deduplicated, Event, Progress

_POLL_SECONDS = 0.4
_STEADY_SECONDS = 1.0
"""Running time after which an app without a health check counts as started."""
_STEADY_AGAIN_SECONDS = 8.0
"""The same for an app that the engine has restarted before."""
_TOO_MANY_RESTARTS = 3
_LOG_LINES = 8
_EXPLAINED: tuple[Kind, ...] = ("host", "network", "registry", "mount", "port", "space")
"""Causes why the engine cannot start a container that its own text explains."""
_CONDITIONS = {
    "service_healthy": "to be healthy",
    "service_completed_successfully": "to finish",
    "service_started": "to start",
}


class Verdict(Struct, frozen=True, kw_only=True):
    """The state of a service."""

    settled: bool
    reason: str
    """Why it is not settled, or its state."""
    failed: bool = False
    steady: str = ""
    """The reason without its seconds, by which repeated reports are recognised."""
    seconds: float | None = None
    """For how long its health has been `starting`."""


def judge(service: Service, seen: dict[str, ObservedContainer], now: str) -> Verdict:
    """Judge the state of a service; `now` is the engine's clock as text."""
    container = seen.get(service.name)
    if container is None or container.state == "created":
        if container is not None and container.error:
            return Verdict(settled=False, failed=True, reason=container.error)
        return Verdict(settled=False, reason=_waits_for(service, seen))
    if container.state == "exited":
        if container.exit_code == 0 and service.once:
            return Verdict(settled=True, reason="finished")
        why = (
            "ran out of memory"
            if container.out_of_memory
            else f"stopped with exit code {container.exit_code}" + (f": {container.error}" if container.error else "")
        )
        return Verdict(settled=False, failed=True, reason=why)
    if container.state == "restarting" or (container.restarts >= _TOO_MANY_RESTARTS and container.state != "running"):
        return Verdict(
            settled=False,
            failed=container.restarts >= _TOO_MANY_RESTARTS,
            reason=f"restarting (attempt {container.restarts}, exit code {container.exit_code})",
            steady="restarting",
        )
    if container.state != "running":
        return Verdict(settled=False, failed=container.state == "dead", reason=container.state)
    if service.once:
        return Verdict(settled=False, reason="not finished yet")
    seconds = _between(container.started_at, now)
    if container.health == "unhealthy":
        return Verdict(
            settled=False,
            failed=True,
            reason="unhealthy" + (f": {_error_line(container.health_output)}" if container.health_output else ""),
        )
    if container.health == "starting":
        return Verdict(settled=False, reason=f"starting (health: starting {seconds:.0f} s)", steady="starting", seconds=seconds)
    if container.health is None and seconds < (_STEADY_AGAIN_SECONDS if container.restarts else _STEADY_SECONDS):
        return Verdict(settled=False, reason="starting", steady="starting")
    return Verdict(settled=True, reason="healthy" if container.health else "running")


def _error_line(output: str) -> str:
    """The line of a health check's output that states the error. It may not be the last: Gluetun ends with `INFO Shutdown successful`."""
    lines = output.splitlines()
    return headline.headline(lines) or lines[-1]


def _waits_for(service: Service, seen: dict[str, ObservedContainer]) -> str:
    for name, condition in {
        **service.after,
        **({service.owner: service.after.get(service.owner, "service_started")} if service.owner else {}),
    }.items():
        other = seen.get(name)
        if (
            other is None
            or (condition == "service_healthy" and other.health != "healthy")
            or (condition == "service_completed_successfully" and not (other.state == "exited" and other.exit_code == 0))
            or (condition == "service_started" and other.state not in ("running", "exited"))
        ):
            return f"waiting for {name} {_CONDITIONS.get(condition, 'to start')}"
    return "waiting to be started"


def _between(earlier: str, later: str) -> float:
    try:
        return max(0.0, (_parsed(later) - _parsed(earlier)).total_seconds())
    except ValueError:
        return 0.0


def _parsed(moment: str) -> datetime:
    return datetime.fromisoformat(moment.removesuffix("Z")[:26]).replace(tzinfo=UTC)


def here_now() -> str:
    """The clock of this machine in the engine's format."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def _description(name: str, reason: str, lines: Sequence[str]) -> str:
    """The failure of a service: its reason, the log line that states the error, and the last lines without empty ones and drawings."""
    why = headline.headline(lines)
    last = [line for line in lines if any(c.isalnum() for c in line)][-_LOG_LINES:]
    return f"{name}: {reason}{f'; its log says: {why}' if why and why not in reason else ''}" + "".join(
        f"\n    {line[:400]}" for line in last
    )


class Watch:
    """Follows services until they are healthy. One object serves a whole command, so that nothing is reported twice."""

    def __init__(
        self,
        engine: EngineReader,
        desired: Desired,
        services: set[str],
        progress: Progress,
        until: float | None,
        outdated: frozenset[str] = frozenset(),
        doubted: Mapping[str, str] = {},
    ) -> None:
        """`outdated` are ids of containers that will be replaced, so their state does not matter; `until` is a monotonic time.

        `doubted` maps ids of containers to times. A health check that began before that time is ignored: the container was paused, or was
        unhealthy before this command, and may have recovered since.
        """
        self._doubted = doubted
        self._engine, self._desired, self._outdated = engine, desired, outdated
        self._services = [s for s in desired.services if s.name in services]
        self._once = progress if isinstance(progress, Deduplicated) else Deduplicated(progress)
        self._until = until
        self._slow = SlowStarts(engine, desired, self._once)
        self._first: dict[str, float] = {}

    def alongside(self, running: Running) -> None:
        """Report progress while Compose runs. Raises DockerError if it fails; ends it if a service cannot become healthy."""
        try:
            while (code := running.poll()) is None:
                verdicts = self.look()
                hopeless = [
                    (s, v) for s, v in verdicts if v.failed and (seen := self._seen.get(s.name)) is not None and seen.state == "restarting"
                ]
                if hopeless:
                    running.stop()
                    raise self._failure(hopeless)
                self._in_time(verdicts)
                time.sleep(_POLL_SECONDS)
        except BaseException:
            running.stop()
            raise
        if code != 0:
            running.stop()  # the docker command may have ended before its Compose plug-in
            output = self._engine.hide(running.output)
            failing = [(s, v) for s, v in self.look() if v.failed]
            if "dependency failed" in output and failing:
                raise self._failure(failing)
            trouble = self._engine.trouble(running.output, "starting the apps")
            if trouble.kind == "failed" and failing:
                raise self._failure(failing)
            raise trouble

    def until_well(self) -> None:
        """Wait until every service is settled. Raises DockerError as soon as one has failed."""
        while True:
            verdicts = self.look()
            if failing := [(s, v) for s, v in verdicts if v.failed]:
                raise self._failure(failing)
            if all(v.settled for _, v in verdicts):
                return
            self._in_time(verdicts)
            time.sleep(_POLL_SECONDS)

    def look(self) -> list[tuple[Service, Verdict]]:
        """Observe once, and report news."""
        self._seen = {name: self._fresh(seen) for name, seen in current(self._engine.observe(self._desired.project)).items()}
        now = here_now()
        verdicts: list[tuple[Service, Verdict]] = []
        news: list[tuple[Event, str | None]] = []
        for service in self._services:
            verdict = judge(service, self._seen, self._clock(service.name, now))
            if (seen := self._seen.get(service.name)) is not None and seen.id in self._outdated:
                verdict = Verdict(settled=False, reason="waiting to be recreated")
            verdicts.append((service, verdict))
            event = Event(what="done" if verdict.settled else "waiting", subject=service.name, text=verdict.reason)
            news.append((event, verdict.steady or None))
        self._once.together(news)
        self._slow.look((self._seen[service.name], verdict.seconds) for service, verdict in verdicts if verdict.seconds is not None)
        return verdicts

    def _fresh(self, seen: ObservedContainer) -> ObservedContainer:
        return msgspec.structs.replace(seen, health="starting") if self._stale(seen) else seen

    def _stale(self, seen: ObservedContainer) -> bool:
        return seen.health == "unhealthy" and seen.unwell_at <= self._doubted.get(seen.id, "")

    def stale(self) -> set[str]:
        """The services that are unhealthy by a check from before this command only: their present health is unknown."""
        return {name for name, seen in current(self._engine.observe(self._desired.project)).items() if self._stale(seen)}

    def look_in_time(self) -> list[tuple[Service, Verdict]]:
        """Observe once. Raises DockerError after the timeout."""
        verdicts = self.look()
        self._in_time(verdicts)
        return verdicts

    def _clock(self, name: str, now: str) -> str:
        """The time at the engine. Its clock may differ from ours, so time is counted from the first sight of the running container."""
        seen = self._seen.get(name)
        if seen is None or not seen.started_at:
            return now
        key = f"{seen.id} {seen.started_at}"
        first = self._first.setdefault(key, time.monotonic())
        if abs(_between(seen.started_at, now) - (time.monotonic() - first)) < 60:
            return now
        return (_parsed(seen.started_at) + (datetime.fromtimestamp(time.monotonic(), UTC) - datetime.fromtimestamp(first, UTC))).strftime(
            "%Y-%m-%dT%H:%M:%S.%f"
        ) + "000Z"

    def _in_time(self, verdicts: list[tuple[Service, Verdict]]) -> None:
        if self._until is not None and time.monotonic() > self._until:
            late = "; ".join(f"{s.name}: {v.reason}" for s, v in verdicts if not v.settled)
            raise DockerError(
                "slow",
                f"not healthy before the timeout: {late or 'Docker Compose is still running'}",
                code="up.timeout",
                remedy=f"pass a longer `--timeout`, {AGAIN}",
            )

    def _failure(self, failing: list[tuple[Service, Verdict]]) -> UnhealthyDockerServices:
        parts = []
        remedy = f"find the cause with `portable logs {failing[0][0].app}` and remove it, {AGAIN}"
        for service, verdict in failing:
            lines: list[str] = []
            seen = self._seen.get(service.name)
            if seen is not None and (known := explain(self._engine.hide(seen.error), _EXPLAINED)) is not None:
                # The engine could not start it, so it has no log.
                parts.append(f"{service.name}: {known.text}{bracketed(known.code)}")
                remedy = str(known.remedy)
                continue
            if seen is not None and seen.state != "created":
                try:
                    lines = list(self._engine.logs(seen.id, tail=headline.LINES))
                except DockerError:
                    lines = []
            parts.append(_description(service.name, verdict.reason, lines))
        return UnhealthyDockerServices(
            "\n".join(parts),
            apps=frozenset(service.app for service, _ in failing),
            remedy=remedy,
        )
