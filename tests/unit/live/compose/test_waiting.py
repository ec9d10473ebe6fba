"""How a service is doing, and the words for it."""

import time
from collections.abc import Iterable, Iterator

import pytest

from portable.backends.compose.services import Service
from portable.engines.docker.address import Address
from portable.engines.docker.containers import moment
from portable.engines.docker.engine import Engine
from portable.engines.docker.errors import DockerError, UnhealthyDockerServices
from portable.engines.docker.observed import Observed, ObservedContainer
from portable.live.compose.desired import Desired
from portable.live.compose.restart import restart_in_order
from portable.live.compose.waiting import Watch, judge
from portable.model.progress import Deduplicated, Event, silent

NOW = "2026-01-01T00:00:20.000000000Z"
DEMO = Service(
    name="demo", app="demo", image="x", owner="gateway", after={"gateway": "service_healthy", "init": "service_completed_successfully"}
)
JOB = Service(name="init", app="init", image="x", once=True)


def seen(service: str = "demo", **more: object) -> ObservedContainer:
    defaults = {"id": service, "name": service, "service": service, "state": "running", "started_at": "2026-01-01T00:00:08.000000000Z"}
    return ObservedContainer(**(defaults | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("here", "others", "settled", "failed", "reason"),
    [
        (seen(), [], True, False, "running"),
        (seen(health="healthy"), [], True, False, "healthy"),
        (seen(health="starting"), [], False, False, "starting (health: starting 12 s)"),
        (seen(health="unhealthy", health_output="a\nno route"), [], False, True, "unhealthy: no route"),
        (
            seen(
                health="unhealthy", health_output="2026-11-29T20:00:00Z ERROR 500: no answer\n2026-11-29T20:00:00Z INFO Shutdown successful"
            ),
            [],
            False,
            True,
            "unhealthy: ERROR 500: no answer",
        ),
        (seen(started_at="2026-01-01T00:00:19.900000000Z"), [], False, False, "starting"),
        (seen(started_at="2026-01-01T00:00:15.000000000Z", restarts=1), [], False, False, "starting"),
        (seen(state="restarting", restarts=1, exit_code=1), [], False, False, "restarting (attempt 1, exit code 1)"),
        (seen(state="restarting", restarts=3, exit_code=1), [], False, True, "restarting (attempt 3, exit code 1)"),
        (seen(state="exited", exit_code=0), [], False, True, "stopped with exit code 0"),
        (seen(state="exited", exit_code=137, out_of_memory=True), [], False, True, "ran out of memory"),
        (seen(state="created", error="no such device"), [], False, True, "no such device"),
        (None, [], False, False, "waiting for gateway to be healthy"),
        (None, [seen("gateway", health="starting")], False, False, "waiting for gateway to be healthy"),
        (None, [seen("gateway", health="healthy")], False, False, "waiting for init to finish"),
        (None, [seen("gateway", health="healthy"), seen("init", state="exited")], False, False, "waiting to be started"),
    ],
)
def test_verdicts(here: ObservedContainer | None, others: list[ObservedContainer], settled: bool, failed: bool, reason: str) -> None:
    verdict = judge(DEMO, {c.service: c for c in [*([here] if here else []), *others]}, NOW)
    assert (verdict.settled, verdict.failed, verdict.reason) == (settled, failed, reason)


def test_a_job_is_done_when_it_ended_well() -> None:
    assert judge(JOB, {"init": seen("init", state="exited")}, NOW).settled
    assert not judge(JOB, {"init": seen("init")}, NOW).settled
    assert judge(JOB, {"init": seen("init", state="exited", exit_code=1)}, NOW).failed


def test_nothing_is_told_twice() -> None:
    told: list[str] = []
    once = Deduplicated(lambda event: told.append(event.sentence()))
    for seconds in (1, 2, 3):
        once(Event(what="waiting", subject="demo", text=f"starting ({seconds} s)"), same_as="starting")
    once(Event(what="done", subject="demo", text="healthy"))
    assert told == ["demo: starting (1 s)", "demo: healthy"]


def test_moments_compare_as_texts() -> None:
    earlier, later = moment("2026-01-01T00:00:00.1Z"), moment("2026-01-01T00:00:00.12Z")
    assert earlier < later
    assert moment("2026-01-01T00:00:00Z") < earlier
    assert moment("0001-01-01T00:00:00Z") == moment(None) == ""
    assert moment("2026-01-01T02:30:00.5+02:30") == moment("2025-12-31T21:00:00.5-03:00") == "2026-01-01T00:00:00.500000000Z"


class Starting(Engine):
    """An engine whose gateway is never healthy; the rest is stopped."""

    def __init__(self) -> None:
        super().__init__(Address(url="unix:///fake", named_by="test"))

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        return Observed(containers=(seen("gateway", health="starting"), seen("demo", state="exited", joins="gateway")))

    def stop(self, container: str) -> None:
        pass

    start = stop


def test_a_restart_gives_up_on_a_gateway_when_its_time_is_over() -> None:
    desired = Desired(project="media-test", body={}, services=(DEMO, Service(name="gateway", app="gateway", image="x")))
    watch = Watch(Starting(), desired, {"demo", "gateway"}, silent, time.monotonic() + 0.5)
    with pytest.raises(DockerError, match=r"gateway: starting.*\[up\.timeout\]"):
        restart_in_order(Starting(), desired, Starting().observe(""), ["gateway", "demo"], watch)


class Thawed(Starting):
    """An engine whose app is unhealthy at first, since it was paused."""

    moments = ("08", "08", "12")

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        self.looks = getattr(self, "looks", -1) + 1
        checked = f"2026-01-01T00:00:{self.moments[min(self.looks, 2)]}.000000000Z"
        return Observed(containers=(seen(health="healthy" if self.looks > 2 else "unhealthy", unwell_at=checked),))

    def logs(self, container: str, **_: object) -> Iterator[str]:
        return iter(())


def test_health_from_before_an_unpause_says_nothing() -> None:
    desired = Desired(project="media-test", body={}, services=(DEMO,))
    watch = Watch(Thawed(), desired, {"demo"}, silent, None, doubted={"demo": "2026-01-01T00:00:10.000000000Z"})
    assert [watch.look()[0][1].failed for _ in range(4)] == [False, False, True, False]
    with pytest.raises(UnhealthyDockerServices, match="demo: unhealthy") as caught:
        Watch(Thawed(), desired, {"demo"}, silent, None).until_well()
    assert caught.value.code == "up.unhealthy"
    assert caught.value.apps == {"demo"}, "who does not get well is told, for who would put it back"


def test_services_with_the_same_news_share_a_line() -> None:
    events: list[Event] = []
    once = Deduplicated(events.append)

    def news(*pairs: tuple[str, str]) -> list[tuple[Event, str | None]]:
        return [(Event(what="waiting", subject=name, text=text), None) for name, text in pairs]

    once.together(news(("a", "starting"), ("b", "not created"), ("c", "starting")))
    once.together(news(("a", "starting"), ("b", "starting"), ("c", "healthy")))
    once.together(news(("a", "starting"), ("b", "starting"), ("c", "healthy")))
    assert [event.sentence() for event in events] == ["a, c: starting", "b: not created", "b: starting", "c: healthy"]


class Refusing(Starting):
    """An engine that cannot start its app, for a reason that it gives."""

    why = ""

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        return Observed(containers=(seen(state="created", error=self.why),))

    def logs(self, container: str, **_: object) -> Iterator[str]:
        raise AssertionError(container)


def test_a_container_that_the_engine_cannot_start_has_the_remedy_of_its_text() -> None:
    desired = Desired(project="media-test", body={}, services=(DEMO,))
    engine = Refusing()
    engine.why = f"{'failed to create task: ' * 40}open sysctl net.ipv4.ip_unprivileged_port_start file: reopen fd 8: permission denied"
    with pytest.raises(UnhealthyDockerServices, match=r"reopen fd 8: permission denied \[host\.sysctl\]") as caught:
        Watch(engine, desired, {"demo"}, silent, None).until_well()
    assert (caught.value.code, "lxc-pve" in str(caught.value.remedy)) == ("up.unhealthy", True)
    engine.why = "nobody foresaw this"
    with pytest.raises(UnhealthyDockerServices, match="demo: nobody foresaw this") as caught:
        Watch(engine, desired, {"demo"}, silent, None).until_well()
    assert "portable logs demo" in str(caught.value.remedy)
