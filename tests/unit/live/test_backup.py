"""The order in which a restore stops, changes and starts an app; what is refused meanwhile."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from portable.backends.compose.address import Address
from portable.backends.compose.engine import Engine, Observed, Seen
from portable.live import backup, compose
from portable.live.desired import Stack
from portable.live.restoring import mark, refuse_half_restored, restoring
from portable.live.secrets import EnvironmentSource
from portable.model import plan as p
from portable.model.changes import Change
from portable.model.errors import PortableError, Refused, UsageError
from tests import factories

STACK = Stack(project="media-test", body={"name": "media-test", "services": {}})


def plan() -> p.Plan:
    """Two apps behind a gateway, one of which is it, and the keeper of their state."""

    def one(name: str, *mounts: p.Mount) -> p.App:
        return factories.app(name, containers=(factories.container("main", mounts=mounts),))

    keeper = one("backup", p.Mount(volume="seal-config", path="/state/seal-config"), p.Mount(volume=p.BACKUPS, path="/backups"))
    return p.Plan(
        stack="media",
        profile="test",
        tools=factories.container("tools"),
        apps=(keeper, one("seal", p.Mount(volume="seal-config", path="/config")), one("torrents")),
        groups=(p.Group(name="seal", apps=("seal", "torrents"), egress=p.Sealed(gateway="seal")), p.Group(name="backup", apps=("backup",))),
    )


class Keeping(Engine):
    """An engine on which the keeper answers as told, by command."""

    def __init__(self, **answers: Sequence[dict[str, Any]]) -> None:
        super().__init__(Address(url="unix:///fake", named_by="test"))
        self.answers, self.done = answers, list[str]()
        self.code = 0

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        return Observed(containers=tuple(Seen(id=n, name=n, service=n, state="running") for n in ("backup", "seal", "torrents")))

    def containers(self, project: str) -> tuple[Seen, ...]:
        return self.observe(project).containers

    def attend(self, container: str, command: Sequence[str], on_line: Callable[[str], None], *, patient: bool = False) -> int:
        assert (container, command[:2], command[-1]) == ("backup", ["python3", "/upkeep/backup.py"], "--json")
        self.done.append(" ".join(command[2:-1]))
        for row in ({"pulse": True}, *self.answers.get(command[2], ())):
            on_line(json.dumps(row))
        return self.code


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was taken down and brought up, and what was half-restored then."""
    found: list[str] = []
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def down(_engine: object, _stack: object, *, apps: tuple[str, ...], **_: object) -> tuple[Change, ...]:
        found.append(f"down {' '.join(apps)}")
        return tuple(Change(kind="remove", service=name, app=name, cause="asked for") for name in ("seal", "torrents"))

    def up(_engine: object, _stack: object, _source: object, *, apps: tuple[str, ...], **_: object) -> None:
        refuse_half_restored(STACK.project, apps)
        found.append(f"up {' '.join(apps)}")

    def restart(_engine: object, _stack: object, *, apps: tuple[str, ...], **_: object) -> None:
        found.append(f"restart {' '.join(apps)}")

    monkeypatch.setattr(compose, "restart", restart)
    monkeypatch.setattr(compose, "down", down)
    monkeypatch.setattr(compose, "up", up)
    return found


def row(result: str, **more: Any) -> dict[str, Any]:
    return {"app": "seal", "at": "2026-11-21T030000.000Z", "result": result, **more}


def test_a_gateway_takes_along_who_shares_its_network(calls: list[str]) -> None:
    engine = Keeping(stage=[row("staged")], swap=[row("done", before=".before-restore-x")])
    done = backup.restore(engine, STACK, EnvironmentSource(), plan(), "seal", at="2026-11")
    assert (done.result, done.before) == ("done", ".before-restore-x")
    assert engine.done == ["stage seal --at 2026-11", "swap seal"]
    assert calls == ["down seal", "up seal torrents"]
    assert restoring(STACK.project) == {}


def test_what_can_not_be_proven_stops_nothing(calls: list[str]) -> None:
    engine = Keeping(stage=[row("failed", notes=["its bytes changed"])])
    engine.code = 1
    assert backup.restore(engine, STACK, EnvironmentSource(), plan(), "seal").result == "failed"
    assert (engine.done, calls) == (["stage seal"], [])


def test_half_restored_it_is_not_started(calls: list[str]) -> None:
    engine = Keeping(stage=[row("staged")], swap=[row("failed", notes=["no space is left"])])
    assert backup.restore(engine, STACK, EnvironmentSource(), plan(), "seal").result == "failed"
    assert calls == ["down seal"]
    for apps in ((), ("seal",)):
        with pytest.raises(
            Refused, match=r"seal \(to 2026-11-21T030000.000Z\) is not finished.*`portable restore seal --at 2026-11-21T030000.000Z`"
        ):
            refuse_half_restored(STACK.project, apps)
    refuse_half_restored(STACK.project, ("torrents",))
    mark(STACK.project, "seal", None)
    refuse_half_restored(STACK.project, ())


def test_stopped_while_it_is_copied_and_started_whatever_happens(calls: list[str]) -> None:
    engine = Keeping(backup=[row("done")])
    (made,) = backup.back_up(engine, STACK, EnvironmentSource(), plan(), apps=("seal",), stop=True)
    assert made.result == "done"
    assert engine.done == ["backup seal --stopped"]
    assert calls == ["down seal", "up seal torrents"]
    engine.code = 137
    with pytest.raises(PortableError, match="broke off"):
        backup.back_up(engine, STACK, EnvironmentSource(), plan(), apps=("seal",), stop=True)
    # What still copies is ended before the app writes again.
    assert calls[2:] == ["down seal", "restart backup", "up seal torrents"]


def test_what_is_not_backed_up_is_told_before_anything_is_done(calls: list[str]) -> None:
    with pytest.raises(UsageError, match="nothing of torrents is backed up"):
        backup.restore(Keeping(), STACK, EnvironmentSource(), plan(), "torrents")
    with pytest.raises(UsageError, match="keeps no backups"):
        backup.keeper_of(p.Plan(stack="media", profile="test", tools=factories.container("tools")))
    assert calls == []
