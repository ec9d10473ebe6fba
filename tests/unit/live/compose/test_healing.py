"""What ails a project that nobody changed, and what heals it."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from portable.backends import compose
from portable.engines.docker.address import Address
from portable.engines.docker.engine import EngineReader
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import Observed, ObservedContainer, ObservedNetwork
from portable.live import listening
from portable.live.compose import heal as live
from portable.live.compose.apps import plain
from portable.live.compose.desired import ComposeStack, stack_of
from portable.live.compose.heal import Healer
from portable.live.compose.healing import ailing
from portable.live.listening import LISTENING
from portable.live.results import Outcome, Repairs
from portable.live.tunnel import TRAFFIC as TRAFFIC_QUESTION
from portable.model.changes import Change
from portable.model.errors import PortableError
from portable.model.moments import seconds_of
from portable.model.progress import Event
from portable.model.question import Question
from portable.secrets.sources import EnvironmentSource
from tests.by_hand import by_hand
from tests.factories import full_plan
from tests.unit.live.compose.test_reconcile import desired, document, observed, running
from tests.unit.verify.fake import LISTENS, TRAFFIC

LATER = "2026-01-01T01:00:00.000000000Z"


def seen(**changes: dict[str, Any]) -> dict[str, ObservedContainer]:
    """All of it running as it should, but for those fields."""
    well: dict[str, dict[str, Any]] = {"gateway": {"health": "healthy"}}
    return {name: msgspec.structs.replace(here, **well.get(name, {}) | changes.get(name, {})) for name, here in running().items()}


def sentences(there: dict[str, ObservedContainer], **options: Any) -> list[str]:
    return [change.sentence() for change in ailing(desired(), observed(there, **options)).changes]


def test_what_is_well_is_left_alone() -> None:
    assert ailing(desired(), observed(seen())) == Repairs()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"gateway": {"started_at": LATER}}, "restart torrents: it shares the network of gateway, which was restarted"),
        (
            {"gateway": {"started_at": LATER}, "torrents": {"state": "exited", "exit_code": 137}},
            "start torrents: it stopped with gateway, which is running again",
        ),
        ({"gateway": {"id": "id-other"}}, "recreate torrents: it shares the network of gateway, which was recreated from outside"),
        ({"torrents": {"state": "exited", "exit_code": 139}}, "start torrents: it crashed (exit code 139)"),
        (
            {"torrents": {"state": "exited", "exit_code": 137, "out_of_memory": True}},
            "start torrents: it crashed (it ran out of memory)",
        ),
    ],
)
def test_who_shares_a_network_follows_its_owner(changes: dict[str, Any], sentence: str) -> None:
    assert sentences(seen(**changes)) == [sentence]


@pytest.mark.parametrize("code", [0, 137, 143])
def test_what_somebody_stopped_stays_down(code: int) -> None:
    assert sentences(seen(torrents={"state": "exited", "exit_code": code})) == []


@pytest.mark.parametrize(
    "state", [{"state": "exited"}, {"state": "running", "health": "unhealthy"}, {"state": "running", "health": "starting"}]
)
def test_nothing_is_started_before_its_gateway_stands(state: dict[str, Any]) -> None:
    found = ailing(desired(), observed(seen(gateway={"started_at": LATER, **state})))
    assert found.changes == ()
    assert found.waiting == (f"torrents waits for gateway, which is {state.get('health', state['state'])}",)


@pytest.mark.parametrize("code", [0, 137, 143])
def test_who_is_left_alone_is_told(code: int) -> None:
    """Whether somebody stopped it, or its process was killed, an exit code does not say."""
    found = ailing(desired(), observed(seen(torrents={"state": "exited", "exit_code": code})))
    assert found.changes == ()
    assert found.waiting == (
        f"torrents is not started: somebody seems to have stopped it (exit code {code}); start it with `portable up torrents`",
    )


def test_what_was_taken_down_is_not_brought_back() -> None:
    there = seen()
    del there["gateway"], there["player"], there["player-tls"]
    assert ailing(desired(), observed(there)) == Repairs()


def test_who_was_taken_off_its_network_is_made_anew() -> None:
    network = ObservedNetwork(id="n", name="media-test_default", key="default")
    found = sentences(seen(player={"networks": ()}), networks=(network,))
    assert found == ["recreate player: it was taken off the network default from outside"]


KILLED = {"state": "exited", "exit_code": 137, "finished_at": LATER}


def with_gateway(there: dict[str, ObservedContainer], *, stopped: tuple[str, ...] = ()) -> Repairs:
    return ailing(desired(), observed(there), gateways=("gateway",), stopped=stopped)


@pytest.mark.parametrize(
    ("gateway", "torrents", "expected"),
    [
        # `docker kill gateway`: the app behind it goes on running, in a namespace without a tunnel.
        (
            KILLED,
            {},
            ["start gateway: it was killed (exit code 137)", "restart torrents: it shares the network of gateway, which was killed"],
        ),
        # `docker compose kill`: both.
        (
            KILLED,
            {"state": "exited", "exit_code": 137},
            ["start gateway: it was killed (exit code 137)", "start torrents: it shares the network of gateway, which was killed"],
        ),
        (
            KILLED | {"exit_code": 139},
            {},
            ["start gateway: it was killed (exit code 139)", "restart torrents: it shares the network of gateway, which was killed"],
        ),
        (
            KILLED | {"exit_code": 0, "out_of_memory": True},
            {},
            ["start gateway: it was killed (it ran out of memory)", "restart torrents: it shares the network of gateway, which was killed"],
        ),
        # `docker stop gateway`, also where its farewell failed (1) or it handles no signal (143).
        (KILLED | {"exit_code": 0}, {}, []),
        (KILLED | {"exit_code": 1}, {}, []),
        (KILLED | {"exit_code": 143}, {}, []),
        # The engine is about to start it again by itself.
        (KILLED | {"state": "restarting"}, {}, []),
    ],
)
def test_a_gateway_that_was_killed_comes_back_before_its_group(
    gateway: dict[str, Any], torrents: dict[str, Any], expected: list[str]
) -> None:
    assert [change.sentence() for change in with_gateway(seen(gateway=gateway, torrents=torrents)).changes] == expected


def test_a_gateway_that_somebody_stopped_stays_down_whatever_its_exit_code() -> None:
    """`docker stop --time 0` ends with SIGKILL too; the engine tells that it was a stop."""
    assert with_gateway(seen(gateway=KILLED), stopped=("id-gateway",)).changes == ()


def test_what_is_no_gateway_may_need_sigkill_to_stop() -> None:
    assert ailing(desired(), observed(seen(player={"state": "exited", "exit_code": 137})), gateways=("gateway",)).changes == ()


def test_who_hangs_on_another_gateway_waits_for_the_one_that_is_started() -> None:
    found = with_gateway(seen(gateway=KILLED, torrents={"joins": "id-other"}))
    assert [change.service for change in found.changes] == ["gateway"]
    assert found.waiting == ("torrents waits for gateway, which is exited",)


class Events(EngineReader):
    """An engine that remembers, or forgot, that somebody stopped the gateway."""

    def __init__(self, *, remembers: bool) -> None:
        super().__init__(Address(url="unix:///fake", named_by="test"))
        self.remembers, self.questions = remembers, 0
        self.there = seen(gateway=KILLED)

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        return observed(self.there)

    def was_stopped(self, container: str, moment: str) -> bool:
        assert (container, moment) == ("id-gateway", self.there["gateway"].finished_at)
        self.questions += 1
        return self.remembers


@pytest.fixture
def with_plan(monkeypatch: pytest.MonkeyPatch) -> ComposeStack:
    monkeypatch.setattr(live, "gateways_of", lambda *_: frozenset({"gateway"}))
    return by_hand(project="media-test", body=document())


def test_the_engine_is_asked_who_ended_a_gateway(with_plan: ComposeStack) -> None:
    assert [change.service for change in live.examine(Events(remembers=False), with_plan).changes] == ["gateway", "torrents"]
    assert live.examine(Events(remembers=True), with_plan).changes == ()


def test_that_somebody_stopped_a_gateway_is_remembered_longer_than_the_engine_does(with_plan: ComposeStack) -> None:
    engine, memory = Events(remembers=True), live.Memory()
    live.examine(engine, with_plan, memory)
    engine.remembers = False
    assert live.examine(engine, with_plan, memory).changes == ()
    assert engine.questions == 1
    engine.there = seen(gateway=KILLED | {"finished_at": "2026-01-01T02:00:00.000000000Z"})
    assert live.examine(engine, with_plan, memory).changes != (), "it was started meanwhile, and killed"


def test_gateways_are_those_of_the_plan() -> None:
    plan = full_plan("compose")
    stack = stack_of(plan, compose.render(plan))
    assert live.gateways_of(stack, plain(stack)) == {"gateway"}
    assert live.gateways_of(by_hand(project="p", body=document()), desired()) == set()


def test_who_shares_a_network_is_not_started_without_its_gateway() -> None:
    """It rests after it failed to start, and they were never tried."""
    changes = with_gateway(seen(gateway=KILLED)).changes
    assert live._chosen(desired(), changes, lambda change: change.service != "gateway") == ()
    assert live._chosen(desired(), changes, lambda _: True) == changes


def test_who_is_deaf_is_restarted_where_nothing_else_ails_it() -> None:
    why = "nothing listens on the tunnel"
    found = ailing(desired(), observed(seen()), deaf={"torrents": why})
    assert [change.sentence() for change in found.changes] == [f"restart torrents: {why}"]
    down = ailing(desired(), observed(seen(torrents={"state": "exited"})), deaf={"torrents": why})
    assert down.changes == (), "somebody stopped it"
    behind = ailing(desired(), observed(seen(gateway={"started_at": LATER})), deaf={"torrents": why})
    assert [change.cause for change in behind.changes] == ["it shares the network of gateway, which was restarted"]


class Inside(EngineReader):
    """An engine with `full_plan` on it, whose gateway is asked what listens."""

    def __init__(self, *answers: str) -> None:
        super().__init__(Address(url="unix:///fake", named_by="test"))
        self.answers, self.asked = list(answers), 0
        self.traffic = TRAFFIC
        self.log: tuple[tuple[float, str], ...] = ()
        self.seen = {
            name: ObservedContainer(
                id=f"id-{name}",
                name=name,
                service=name,
                state="running",
                health="healthy",
                started_at="2026-01-01T00:00:00.000000000Z",
                joins="id-gateway" if name == "torrents" else None,
            )
            for name in ("gateway", "torrents")
        }

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        return Observed(containers=tuple(self.seen.values()))

    def dated_logs(self, container: str, *, tail: int, since: float) -> tuple[tuple[float, str], ...]:
        return self.log

    def ask(self, container: str, question: Question, *arguments: str, seconds: float = 20.0) -> tuple[int | None, str]:
        if question == TRAFFIC_QUESTION:
            return 0, self.traffic
        assert (container, question, arguments) == ("id-gateway", LISTENING, ("6881",))
        self.asked += 1
        return 0, self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


STALE = "\n".join(line for line in LISTENS.replace("accepted", "refused").splitlines() if " udp " not in line)
NOTHING = "\n".join(line for line in LISTENS.splitlines() if "listens" not in line)


@pytest.fixture
def full_stack(monkeypatch: pytest.MonkeyPatch) -> ComposeStack:
    monkeypatch.setattr(listening, "AGAIN_SECONDS", 0)
    plan = full_plan("compose")
    return stack_of(plan, compose.render(plan))


@pytest.mark.parametrize(
    ("answers", "causes"),
    [
        ([LISTENS], []),
        ([STALE], ["it listens at port 6881 on a tunnel that is gone: the gateway has recreated its tunnel"]),
        ([NOTHING], []),  # it may listen elsewhere by its own settings
        ([NOTHING, LISTENS], []),  # it noticed the new tunnel by itself
        (["now 1795997415\nforwarded\n"], []),  # no tunnel yet: nothing could listen on it
    ],
)
def test_a_look_inside_finds_who_is_deaf(full_stack: ComposeStack, answers: list[str], causes: list[str]) -> None:
    assert [change.cause for change in live.examine(Inside(*answers), full_stack).changes] == causes


@pytest.mark.parametrize(
    "changes",
    [
        {"gateway": {"health": "unhealthy"}},
        {"gateway": {"state": "exited"}},
        {"torrents": {"state": "exited"}},
        # It started 15 s before the look.
        {"torrents": {"started_at": "2026-11-30T00:10:00.000000000Z"}},
    ],
)
def test_who_can_not_listen_yet_is_not_deaf(full_stack: ComposeStack, changes: dict[str, dict[str, Any]]) -> None:
    engine = Inside(STALE)
    engine.seen = {name: msgspec.structs.replace(seen, **changes.get(name, {})) for name, seen in engine.seen.items()}
    assert live.deaf_apps(engine, full_stack, engine.observe("")) == ({}, ())


def test_who_does_not_listen_at_its_port_is_not_restarted_at_every_call(full_stack: ComposeStack) -> None:
    """Each call of `heal` remembers nothing. The app started at 00:00, the tunnel was made at 01:00."""
    engine = Inside(NOTHING)
    made = seconds_of(LATER)
    engine.log = ((made, "INFO [wireguard] Wireguard setup is complete. Note"),)
    (change,) = live.examine(engine, full_stack).changes
    assert (change.kind, change.service) == ("restart", "torrents")
    assert change.cause.endswith("at port 6881, and it started before that tunnel was created")
    engine.seen["torrents"] = msgspec.structs.replace(engine.seen["torrents"], started_at="2026-01-01T01:00:05.000000000Z")
    found = live.examine(engine, full_stack)
    assert found.changes == ()
    (sentence,) = found.waiting
    assert sentence.startswith("torrents is not restarted: nothing listens on the tunnel (10.64.0.2) at port 6881, and a restart would not")
    assert "`ports: {torrents: {" in sentence


def test_who_is_still_deaf_after_a_restart_is_left_alone_until_the_tunnel_is_another(full_stack: ComposeStack) -> None:
    """Its port may be another one by its own settings: a restart each minute would only end its transfers."""
    engine, memory = Inside(STALE), live.Memory()
    assert [change.kind for change in live.examine(engine, full_stack, memory).changes] == ["restart"]
    memory.restarted["torrents"] = memory.deaf["torrents"].tunnel
    found = live.examine(engine, full_stack, memory)
    assert found.changes == ()
    assert found.waiting[0].startswith("torrents is not restarted again: it listens at port 6881 on a tunnel that is gone")
    engine.answers = [STALE.replace("device tun0 2", "device tun0 3")]
    assert [change.kind for change in live.examine(engine, full_stack, memory).changes] == ["restart"]


def test_a_silent_tunnel_is_told_and_nothing_is_restarted_for_it(full_stack: ComposeStack) -> None:
    engine, memory = Inside(LISTENS), live.Memory()
    engine.traffic = TRAFFIC.replace("1300", "1000")
    found = live.examine(engine, full_stack, memory)
    assert found.changes == ()
    assert found.waiting == ("nothing comes back through the tunnel of gateway; it restarts its VPN by itself",)
    assert live.examine(engine, full_stack, memory, inside=False).waiting == found.waiting, "else it would be told anew each minute"
    engine.traffic = TRAFFIC
    assert live.examine(engine, full_stack, memory) == Repairs()


def test_a_look_without_going_inside_asks_nothing(full_stack: ComposeStack) -> None:
    engine, memory = Inside(STALE), live.Memory()
    live.examine(engine, full_stack, memory)
    asked = engine.asked
    assert live.examine(engine, full_stack, memory, inside=False).changes == ()
    assert engine.asked == asked


def test_the_healer_looks_inside_once_a_minute_and_only_where_nothing_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    world, looks = World(monkeypatch), list[float]()
    start, world.found = world.found, Repairs()

    def examined(*_: Any, inside: bool = True) -> Repairs:
        looks.extend([world.clock.now - 1000] if inside else [])
        return world.found

    monkeypatch.setattr(live, "examine", examined)
    world.turns(13)
    assert looks == [0, 60, 120]
    world.found = start
    world.turns(13)
    assert looks == [0, 60, 120]


def test_a_gateway_that_can_not_be_asked_keeps_nothing_from_being_healed(full_stack: ComposeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object, **__: object) -> tuple[int | None, str]:
        raise DockerError("gone", "cut short")

    monkeypatch.setattr(Inside, "ask", cut)
    engine = Inside(LISTENS)
    engine.seen["torrents"] = msgspec.structs.replace(engine.seen["torrents"], state="exited", exit_code=139)
    assert [change.kind for change in live.examine(engine, full_stack).changes] == ["start"]


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


class World:
    """An engine on which `torrents` never stays up, and how often it was started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.healed: list[float] = []
        self.told: list[str] = []
        self.found = Repairs(changes=(Change(kind="start", service="torrents", app="torrents", cause="it crashed (exit code 1)"),))
        self.error: PortableError | None = None
        self.clock = Clock()
        self.wrong: PortableError | None = None
        self.fails, self.failed = False, list[float]()
        self.reads = 0
        self.healer = Healer(self.opened, every=10, clock=self.clock, progress=self.tell)
        monkeypatch.setattr(live, "examine", lambda *_, **__: self.examined())
        monkeypatch.setattr(live, "heal", self.heal)

    def tell(self, event: Event) -> None:
        self.told.append(event.text)

    def opened(self) -> tuple[ComposeStack, EnvironmentSource]:
        self.reads += 1
        if self.wrong:
            raise self.wrong
        return by_hand(project="p", body={}), EnvironmentSource()

    def examined(self) -> Repairs:
        if self.error:
            raise self.error
        return self.found

    def heal(self, *_: Any, only: Any, wait: bool, **__: Any) -> Outcome:
        assert not wait, "one app must not keep the others waiting"
        changes = tuple(change for change in self.found.changes if only(change))
        if self.fails:
            self.failed.append(self.clock.now - 1000)
            raise PortableError("port 8080 is taken")
        self.healed += [self.clock.now - 1000] * len(changes)
        return Outcome(changes=changes)

    def turns(self, count: int) -> None:
        left = iter(range(count))
        self.healer.run(None, ended=lambda: next(left, None) is None)  # type: ignore[arg-type]


def test_what_does_not_stay_up_is_tried_after_longer_and_longer_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.turns(120)
    rests = [b - a for a, b in zip(world.healed, world.healed[1:], strict=False)]
    assert rests == [20, 40, 80, 160, 300, 300]


def test_who_stayed_up_for_long_is_started_at_once_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.turns(3)
    assert world.healed == [0, 20]
    world.clock.now += 1000
    world.turns(1)
    assert world.healed[-1] == 1030
    world.turns(3)
    assert world.healed[-1] == 1050, "the count begins anew"


def test_what_keeps_it_from_healing_is_told_once_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.error = PortableError("the engine does not answer")
    world.turns(5)
    assert world.told == ["not healed yet: the engine does not answer"]
    world.error = None
    world.turns(1)
    assert len(world.healed) == 1
    world.error = PortableError("the engine does not answer")
    world.turns(1)
    assert len(world.told) == 2, "it went away again"


def test_what_can_not_be_started_is_tried_after_longer_and_longer_rests_too(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.fails = True
    world.turns(32)
    assert world.failed == [0, 20, 60, 140, 300]


def test_who_waits_is_told_as_long_as_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.found = Repairs(waiting=("a waits for g, which is exited", "b waits for g, which is exited"))
    world.turns(3)
    assert world.told == ["a waits for g, which is exited", "b waits for g, which is exited"]


def test_files_are_read_again_before_anything_is_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may say a newer image than when the service began; where they can't be read, what needs no settings is healed all the same."""
    world = World(monkeypatch)
    world.turns(1)
    assert (world.reads, world.healed) == (2, [0])
    world.wrong = PortableError("an unknown key")
    world.clock.now += 1000
    start, recreate = world.found.changes[0], Change(kind="recreate", service="films", app="films", cause="its network is gone")
    world.found = Repairs(changes=(start, recreate))
    world.turns(1)
    assert len(world.healed) == 2, "started, and not made anew"
    assert world.told == ["no container is recreated, since the files of the profile cannot be read: an unknown key"]
    world.wrong = None
    world.turns(1)
    assert len(world.healed) == 3
