"""A start that takes long: what the app says, that it may take hours, and that leaving is safe."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from portable.backends.compose.services import Service
from portable.engines.docker.address import Address
from portable.engines.docker.engine import Engine
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import Observed, ObservedContainer
from portable.live.compose import slow_start
from portable.live.compose.desired import Desired
from portable.live.compose.waiting import Watch
from portable.model.progress import Deduplicated, Event

SERVICES = (Service(name="jellyfin", app="jellyfin", image="x"), Service(name="sonarr", app="sonarr", image="x"))
BODY = {"services": {"jellyfin": {"healthcheck": {"start_period": "86400s"}}, "sonarr": {"healthcheck": {"start_period": "180s"}}}}
DESIRED = Desired(project="media-test", body=BODY, services=SERVICES)
LEAVE = "; Ctrl-C ends only the waiting: the app goes on, and the same command continues"


class Migrating(Engine):
    """An engine with one app whose health is `starting` since a while."""

    def __init__(self, service: str, minutes: float, *lines: str, health: str = "starting") -> None:
        super().__init__(Address(url="unix:///fake", named_by="test"))
        began = (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        self.lines = list(lines)
        self.seen = ObservedContainer(id="1", name=service, service=service, state="running", started_at=began, health=health)

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        return Observed(containers=(self.seen,))

    def logs(
        self, container: str, *, tail: int | None = None, timestamps: bool = False, hidden: bool = True, since: float = 0.0
    ) -> Iterator[str]:
        assert hidden, "no value of a secret"
        if not self.lines:
            raise DockerError("failed", "its logs are written elsewhere")
        return iter(self.lines[-(tail or 1) :])


def watched(engine: Migrating, monkeypatch: pytest.MonkeyPatch, looks: int = 1) -> list[tuple[str, str]]:
    """The notes and signs of life of that many watches of one command."""
    # The clock of the engine is this machine's: else the time would count from the first look.
    monkeypatch.setattr(Watch, "_clock", lambda _watch, _name, now: now)
    events: list[Event] = []
    once = Deduplicated(events.append)
    for _ in range(looks):
        Watch(engine, DESIRED, {engine.seen.service}, once, None).look()
    return [(event.what, event.text) for event in events if event.what in ("note", "beat")]


def test_a_migration_is_explained_once_then_a_sign_of_life_has_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Migrating("jellyfin", 65, "Migrating 10%", "Migrating 40%", "  ", "-----")
    first, second = watched(engine, monkeypatch, 2)
    slow = "; a new version may migrate its state for hours, and must not be stopped"
    assert first == ("note", f"still starting after 1 h 5 min; its log ends with: Migrating 40%{slow}{LEAVE}")
    assert second == ("beat", "still starting after 1 h 5 min; its log ends with: Migrating 40%")


def test_another_app_that_hangs_has_no_excuse(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched(Migrating("sonarr", 3.5, "waiting for the database"), monkeypatch) == [
        ("note", f"still starting after 3 min; its log ends with: waiting for the database{LEAVE}")
    ]
    assert watched(Migrating("sonarr", 3.5), monkeypatch) == [("note", f"still starting after 3 min{LEAVE}")]


def test_colours_and_commands_of_a_terminal_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Migrating("sonarr", 3.5, "\x1b[32m[INF]\x1b[0m Migrating\t40%\x07", "\x1b]0;title\x07\x1b[2J", "\x1b[0m")
    ((_, text),) = watched(engine, monkeypatch)
    assert text.isprintable()
    engine.lines = engine.lines[:1]
    assert "its log ends with: [INF] Migrating 40%;" in watched(engine, monkeypatch)[0][1]


@pytest.mark.parametrize(("minutes", "health"), [(1.5, "starting"), (60, "healthy")])
def test_a_short_start_and_a_healthy_app_need_no_words(monkeypatch: pytest.MonkeyPatch, minutes: float, health: str) -> None:
    assert watched(Migrating("jellyfin", minutes, "x", health=health), monkeypatch) == []


def test_its_log_is_not_read_at_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    engine = Migrating("jellyfin", 65, "Migrating")
    slow = slow_start.SlowStarts(engine, DESIRED, Deduplicated(events.append))
    for _ in range(5):
        slow.look([(engine.seen, 130.0)])
    assert len(events) == 1
