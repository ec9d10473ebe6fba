"""The order in which a restore stops, changes and starts an app; what is refused meanwhile."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.backends.compose import render
from portable.engines.docker.address import Address
from portable.engines.docker.engine import Engine, EngineReader
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import Observed, ObservedContainer, Versions
from portable.live.compose import up as up_module
from portable.live.compose import verbs as compose
from portable.live.compose.desired import ComposeStack, stack_of
from portable.live.compose.driver import ComposeDriver, ComposeReader
from portable.live.last_images import last_images, note_images
from portable.live.restoring import Copying, copying, mark, mark_copying, refuse_half_restored, restoring
from portable.local.folders import project_folder
from portable.local.lock import Lock, locked
from portable.model import plan as p
from portable.model.changes import Change
from portable.model.errors import PortableError, Refused, UsageError
from portable.secrets.sources import EnvironmentSource
from portable.secrets.values import Resolved
from portable.upkeep import backup
from tests import factories
from tests.by_hand import by_hand, services_of

real_up, real_down = compose.up, compose.down
SERVICES = {name: {"image": "x"} for name in ("backup", "seal", "torrents")}
STACK = by_hand(project="media-test", body={"name": "media-test", "services": SERVICES})


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
        self.answers, self.done, self.open = answers, list[str](), list[str]()
        self.code = 0
        self.running = {"backup", "seal", "torrents"}

    def stop(self, container: str) -> None:
        self.done.append(f"stop {container}")

    def notes(self, project: str, label: str) -> dict[str, str]:
        return {}

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        joins = {"torrents": "seal"}
        return Observed(
            containers=tuple(ObservedContainer(id=n, name=n, service=n, state="running", joins=joins.get(n)) for n in sorted(self.running))
        )

    def containers(self, project: str) -> tuple[ObservedContainer, ...]:
        return self.observe(project).containers

    def check(self) -> Versions:
        return Versions(engine="28", api="1.51", compose="2.40")

    def exec_stream(self, container: str, command: Sequence[str], on_line: Callable[[str], None], *, beats: str = "") -> int:
        assert (container, command[:2], command[-1]) == ("backup", ["python3", "/upkeep/backup.py"], "--json")
        assert beats == "`portable restart backup` ends it"
        self.done.append(" ".join(command[2:-1]))
        try:
            with locked(STACK.project, "up", wait=0):
                self.open.append(self.done[-1])
        except PortableError:
            pass
        answers = self.answers.get("abort_stopped" if "--stopped" in command and command[2] == "abort" else command[2], ())
        for row in ({"pulse": True}, *answers):
            on_line(json.dumps(row))
        return self.code


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was taken down and brought up, and what was half-restored then."""
    found: list[str] = []
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def down(engine: Keeping, _stack: object, *, apps: tuple[str, ...], **_: object) -> tuple[Change, ...]:
        found.append(f"down {' '.join(apps)}")
        engine.running -= {"seal", "torrents"}
        return ()

    def up(engine: Keeping, _stack: object, _source: object, *, apps: tuple[str, ...], held: Lock | None, **_: object) -> None:
        assert held is not None, "nobody may start an app in between"
        refuse_half_restored(STACK.project, apps)
        found.append(f"up {' '.join(apps)}")
        engine.running |= set(apps)

    def restart(_engine: object, _stack: object, *, apps: tuple[str, ...], **_: object) -> None:
        found.append(f"restart {' '.join(apps)}")

    monkeypatch.setattr(up_module, "restart", restart)
    monkeypatch.setattr(compose, "down", down)
    monkeypatch.setattr(compose, "up", up)
    return found


def row(result: str, **more: Any) -> dict[str, Any]:
    return {"app": "seal", "at": "2026-11-21T030000.000Z", "result": result, **more}


def test_a_gateway_takes_along_who_shares_its_network(calls: list[str]) -> None:
    engine = Keeping(stage=[row("staged")], swap=[row("done", before=".before-restore-x")])
    done = backup.restore(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), "seal", at="2026-11")
    assert (done.result, done.before) == ("done", ".before-restore-x")
    assert engine.done == ["stage seal --at 2026-11", "swap seal"]
    assert calls == ["down seal", "up seal torrents"]
    assert restoring(STACK.project) == {}


def test_what_can_not_be_proven_stops_nothing(calls: list[str]) -> None:
    engine = Keeping(stage=[row("failed", notes=["its bytes changed"])])
    engine.code = 1
    refused = backup.restore(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), "seal")
    assert (refused.result, refused.code) == ("failed", "restore.failed")
    assert (engine.done, calls) == (["stage seal"], [])


@pytest.mark.parametrize(("check", "code"), [(False, "backup.failed"), (True, "backup.check-failed")])
def test_a_failed_row_of_the_program_has_the_code_of_its_command(calls: list[str], check: bool, code: str) -> None:
    engine = Keeping(backup=[row("failed", notes=["no space is left"])], check=[row("failed", notes=["no space is left"])])
    engine.code = 1
    (failed,) = (backup.check if check else backup.back_up)(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), apps=("seal",))
    assert (failed.result, failed.code) == ("failed", code)
    engine = Keeping(backup=[row("done")], check=[row("done")])
    (done,) = (backup.check if check else backup.back_up)(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), apps=("seal",))
    assert (done.result, done.code) == ("done", "")
    assert calls == []


def test_half_restored_it_is_not_started(calls: list[str]) -> None:
    engine = Keeping(stage=[row("staged")], swap=[row("failed", notes=["no space is left"])])
    assert backup.restore(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), "seal").result == "failed"
    assert calls == ["down seal"]
    said = r"seal \(to 2026-11-21T030000.000Z\) is not finished.*`portable restore seal --at 2026-11-21T030000.000Z`.*--abort"
    with pytest.raises(Refused, match=said):
        refuse_half_restored(STACK.project, ("seal", "torrents"))
    refuse_half_restored(STACK.project, ("torrents",))
    mark(STACK.project, "seal", None)
    refuse_half_restored(STACK.project, ("seal",))


def test_what_failed_before_anything_was_changed_starts_the_app_again(calls: list[str]) -> None:
    engine = Keeping(stage=[row("staged")], swap=[row("failed", unchanged=True, notes=["something is mounted there"])])
    done = backup.restore(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), "seal")
    assert (done.result, done.notes) == ("failed", ("something is mounted there",))
    assert calls == ["down seal", "up seal torrents"]
    assert restoring(STACK.project) == {}


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), DockerError("gone", "no answer")])
def test_interrupted_while_the_app_stops_it_is_known_to_be_down(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, trouble: BaseException
) -> None:
    engine, down = Keeping(stage=[row("staged")], abort=[row("given up")]), compose.down

    def half_down(*given: Any, **more: Any) -> Any:
        down(*given, **more)
        raise trouble

    with monkeypatch.context() as patched:
        patched.setattr(compose, "down", half_down)
        with pytest.raises(type(trouble)):
            backup.restore(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), "seal")
    with pytest.raises(Refused, match="the restore of seal"):
        refuse_half_restored(STACK.project, ("seal",))
    assert backup.abort(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), "seal").result == "given up"
    assert calls == ["down seal", "up seal torrents"]
    assert restoring(STACK.project) == {}


def test_given_up_where_another_machine_began_it_is_said_to_be_down(calls: list[str]) -> None:
    engine = Keeping(abort=[row("given up")])
    engine.running = {"backup"}
    assert "`portable up seal`" in backup.abort(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), "seal").notes[0]
    assert calls == []


@pytest.mark.parametrize("killed", [False, True])
def test_given_up_and_killed_before_it_was_said_it_is_not_told_to_have_the_backups_state(calls: list[str], killed: bool) -> None:
    engine = Keeping(abort=[row("not begun", at="")])
    mark(STACK.project, "seal", "2026-11-21T030000.000Z", back=killed)
    assert backup.abort(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), "seal").result == ("given up" if killed else "done")


def test_nobody_starts_an_app_between_its_stop_and_its_start(calls: list[str]) -> None:
    """Neither of a restore, nor of one that is given up, nor of a backup: the project is locked from the one to the other."""
    engine = Keeping(
        stage=[row("staged")], swap=[row("done")], backup=[row("done")], abort=[row("half")], abort_stopped=[row("given up")], check=()
    )
    backup.restore(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), "seal")
    backup.back_up(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), apps=("seal",), stop=True)
    backup.abort(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), "seal")
    assert engine.done == ["stage seal", "swap seal", "backup seal --stopped", "abort seal", "abort seal --stopped"]
    assert engine.open == ["stage seal"]
    assert calls == ["down seal", "up seal torrents"] * 3


@pytest.mark.parametrize(
    ("begun", "answers", "result", "done"),
    [
        (True, {"abort": [row("half")], "abort_stopped": [row("given up")]}, "given up", ["down seal", "up seal torrents"]),
        (False, {"abort": [row("given up")]}, "given up", []),  # only proven: it is marked before it is stopped
        (True, {"abort": [row("given up")]}, "given up", ["up seal torrents"]),
        (True, {"abort": [row("not begun", at="")]}, "done", ["up seal torrents"]),  # only the last word of it was lost
        (True, {"abort": [row("half")], "abort_stopped": [row("failed")]}, "failed", ["down seal"]),
    ],
)
def test_a_restore_is_given_up(calls: list[str], begun: bool, answers: dict[str, Any], result: str, done: list[str]) -> None:
    if begun:
        mark(STACK.project, "seal", "2026-11-21T030000.000Z")
    assert backup.abort(ComposeDriver(Keeping(**answers), STACK, EnvironmentSource()), plan(), "seal").result == result
    assert calls == done
    assert bool(restoring(STACK.project)) == (result == "failed")


def test_what_was_not_begun_can_not_be_given_up(calls: list[str]) -> None:
    with pytest.raises(UsageError, match="restore of seal") as raised:
        backup.abort(ComposeDriver(Keeping(abort=[row("not begun", at="")]), STACK, EnvironmentSource()), plan(), "seal")
    assert raised.value.code == "restore.not-begun"
    assert calls == []


@pytest.mark.parametrize("apps", [(), ("gateway",), ("torrents",)])
def test_up_asks_what_is_half_restored_of_all_that_it_would_start(apps: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a gateway that nobody named; and it asks when nobody else can begin a restore any more."""
    made = factories.full_plan("compose")
    stack = stack_of(made, render(made))
    monkeypatch.setattr(up_module, "resolve", lambda *_: Resolved({}))
    monkeypatch.setattr(ComposeStack, "environment", lambda *_: {})
    order: list[str] = []

    @contextlib.contextmanager
    def lock(*_: object, **__: object) -> Iterator[None]:
        order.append("locked")
        mark(stack.project, "gateway", "2026")
        yield

    monkeypatch.setattr(up_module, "locked", lock)
    with pytest.raises(Refused, match="the restore of gateway"):
        real_up(Keeping(), stack, EnvironmentSource(), apps=apps)
    assert order == ["locked"]


def test_stopped_while_it_is_copied_and_started_whatever_happens(calls: list[str]) -> None:
    engine = Keeping(backup=[row("done")])
    (made,) = backup.back_up(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), apps=("seal",), stop=True)
    assert made.result == "done"
    assert engine.done == ["backup seal --stopped"]
    assert calls == ["down seal", "up seal torrents"]
    engine.code = 137
    with pytest.raises(PortableError, match=r"backup .*\(exit 137\)") as raised:
        backup.back_up(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), apps=("seal",), stop=True)
    assert raised.value.code == "backup.ended-early"
    # What still copies is ended before the app writes again.
    assert calls[2:] == ["down seal", "restart backup", "up seal torrents"]
    assert copying(STACK.project) == {}


class Running(Keeping):
    """An engine whose containers run images."""

    images: dict[str, tuple[str, str]] = {  # noqa: RUF012
        "seal": ("seal", "seal:2@sha256:ab"),
        "seal-database": ("seal", "postgres:17"),
        "torrents": ("torrents", "torrents:5"),
    }

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        made = [
            ObservedContainer(id=n, name=n, service=n, state="running", image=image, labels={"portable.app": app})
            for n, (app, image) in self.images.items()
            if app in self.running
        ]
        return Observed(containers=(ObservedContainer(id="backup", name="backup", service="backup", state="running"), *made))


IMAGES = '--images {"seal": {"seal": "seal:2", "seal-database": "postgres:17"}}'


@pytest.mark.parametrize("stop", [False, True])
def test_the_program_is_told_the_images_of_each_container(calls: list[str], stop: bool) -> None:
    engine = Running(backup=[row("done")])
    for _ in range(2):
        backup.back_up(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), apps=("seal",), stop=stop)
    assert engine.done == [f"backup seal{' --stopped' if stop else ''} {IMAGES}"] * 2


def test_after_a_kill_the_images_are_still_known(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Running(backup=[row("done")])

    def ended(*_: object, **__: object) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        for name in ("up", "end_copies"):
            patched.setattr(compose, name, ended)
        patched.setattr(backup, "run", ended)
        with pytest.raises(Killed):
            backup.back_up(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), apps=("seal",), stop=True)
    assert "seal" not in engine.running
    backup.back_up(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), apps=("seal",), stop=True)
    assert engine.done == [f"backup seal --stopped {IMAGES}"]


def test_an_older_program_in_the_container_is_named(calls: list[str]) -> None:
    engine = Running()
    engine.code = 2
    with pytest.raises(PortableError, match="runs an older program") as raised:
        backup.back_up(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), apps=("seal",))
    assert (raised.value.code, raised.value.remedy) == (
        "backup.outdated",
        "run `portable up -p test backup`, then this command again",
    )


@pytest.mark.parametrize(
    ("more", "noted"),
    [
        ({"image": "seal:3"}, {"seal": "seal:3"}),
        (
            {"image": "seal:3", "images": {"seal": "seal:2", "seal-database": "postgres:17"}},
            {"seal": "seal:2", "seal-database": "postgres:17"},
        ),
        ({}, {}),
    ],
)
def test_a_restored_app_has_the_images_of_its_backup(calls: list[str], more: dict[str, Any], noted: dict[str, str]) -> None:
    note_images(STACK.project, {"seal": ("seal", "seal:9"), "seal-cache": ("seal", "redis:8"), "torrents": ("torrents", "torrents:5")})
    backup.restore(ComposeDriver(Keeping(stage=[row("staged")], swap=[row("done", **more)]), STACK, EnvironmentSource()), plan(), "seal")
    assert {name: last.image for name, last in last_images(STACK.project).items()} == {"torrents": "torrents:5", **noted}


class Killed(BaseException):
    """SIGKILL, as far as a test can have it: nothing that comes after it does anything."""


@pytest.mark.parametrize("moment", ["the stop", "the copy", "the start"])
@pytest.mark.parametrize("dead", [False, True])
@pytest.mark.parametrize("trouble", [Killed, KeyboardInterrupt, functools.partial(DockerError, "gone", "no answer")])
def test_what_ran_before_it_was_stopped_runs_again_whenever_it_is_ended(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, moment: str, dead: bool, trouble: Callable[[], BaseException]
) -> None:
    """Whether it can still start it itself, or was killed and the same command does."""
    engine, down = Keeping(backup=[row("done")]), compose.down
    with monkeypatch.context() as patched:

        def ended(*_: object, **__: object) -> Any:
            if dead:
                for name in ("up", "end_copies"):
                    patched.setattr(compose, name, ended)
            raise trouble()

        def half_down(*given: Any, **more: Any) -> Any:
            down(*given, **more)
            ended()

        where = {"the stop": (compose, "down", half_down), "the copy": (backup, "run", ended), "the start": (compose, "up", ended)}
        patched.setattr(*where[moment])
        with pytest.raises(type(trouble())):
            backup.back_up(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), apps=("seal",), stop=True)
    if dead or moment == "the start":
        assert engine.running == {"backup"}
        assert copying(STACK.project)["seal"].again == ("seal", "torrents")
        (made,) = backup.back_up(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), apps=("seal",), stop=True)
        assert made.result == "done"
    assert engine.running == {"backup", "seal", "torrents"}
    assert copying(STACK.project) == {}


def test_one_app_that_can_not_be_backed_up_keeps_no_other_from_it(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Keeping(backup=[row("done")])
    engine.code = 137
    monkeypatch.setattr(backup, "kept_of", lambda _: ("seal", "torrents"))
    made = backup.back_up(ComposeDriver(engine, STACK, EnvironmentSource()), plan(), stop=True)
    assert [(one.app, one.result) for one in made] == [("seal", "failed"), ("torrents", "failed")]
    assert "(exit 137)" in made[0].notes[0]
    assert made[0].notes[0].endswith("[backup.ended-early]")
    assert [call for call in calls if call.startswith("up")] == ["up seal torrents", "up torrents"]


def test_what_is_not_backed_up_is_told_before_anything_is_done(calls: list[str]) -> None:
    with pytest.raises(UsageError, match="torrents") as raised:
        backup.restore(ComposeDriver(Keeping(), STACK, EnvironmentSource()), plan(), "torrents")
    assert (raised.value.code, raised.value.remedy) == ("backup.not-covered", "use one of: seal")
    with pytest.raises(UsageError, match="test") as raised:
        backup.backup_runner_of(p.Plan(stack="media", profile="test", tools=factories.container("tools")))
    assert raised.value.code == "backup.not-set-up"
    assert calls == []


def test_who_still_copies_an_app_is_ended_before_it_is_started(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`backup --stop` was killed, and its lock went with it: the program in the keeper's container goes on."""
    made = factories.full_plan("compose")
    stack = stack_of(made, render(made))
    monkeypatch.setattr(up_module, "resolve", lambda *_: Resolved({}))
    monkeypatch.setattr(ComposeStack, "environment", lambda *_: {})
    body = {**stack.body, "services": {**stack.body["services"], "backup": {"image": "x"}}}
    stack = msgspec.structs.replace(stack, body=body, services=services_of(body))

    def ended(*_: object) -> None:
        raise PortableError("here the images would be asked for")

    monkeypatch.setattr(up_module, "images_of", ended)
    mark_copying(stack.project, "player", Copying(backup_runner="backup"))
    for apps, done in ((("gateway",), []), (("player",), ["restart backup"]), (("player",), ["restart backup"])):
        with pytest.raises(PortableError, match="here the images"):
            real_up(Keeping(), stack, EnvironmentSource(), apps=apps)
        assert calls == done
    assert copying(stack.project) == {}


def test_what_a_killed_one_left_down_is_started_by_who_asks(calls: list[str]) -> None:
    """Before newer images are asked for: an app that is down would not be what its files say."""
    engine = Keeping()
    reader = EngineReader(Address(url="unix:///fake", named_by="test"))
    assert not backup.finish(ComposeDriver(engine, STACK, EnvironmentSource()), apps=("seal",))
    mark_copying(STACK.project, "seal", Copying(backup_runner="backup", again=("gone since", "seal", "torrents")))
    assert not backup.finish(ComposeDriver(engine, STACK, EnvironmentSource()), apps=("lone",))
    assert backup.finish(ComposeReader(reader, STACK, EnvironmentSource()), apps=("torrents",)) >= {"seal", "torrents"}
    assert calls == []
    backup.finish(ComposeDriver(engine, STACK, EnvironmentSource()), apps=("torrents",))
    assert calls == ["up seal torrents"]
    assert copying(STACK.project)["seal"].again == ()


def test_what_a_person_takes_down_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    mark_copying(STACK.project, "seal", Copying(backup_runner="backup", again=("seal", "torrents")))
    engine = Keeping()
    monkeypatch.setattr(engine, "remove", lambda _: None)
    real_down(engine, STACK, apps=("torrents",))
    assert copying(STACK.project) == {"seal": Copying(backup_runner="backup", again=("seal",))}
    real_down(engine, STACK, apps=("seal",))
    assert copying(STACK.project) == {"seal": Copying(backup_runner="backup")}


def test_a_keeper_that_left_the_profile_is_ended_too() -> None:
    engine = Keeping()
    bare = by_hand(project=STACK.project, body={"name": STACK.project, "services": {"seal": {"image": "x"}}})
    (project_folder(STACK.project) / "copying.json").write_text('{"seal": "backup"}')  # as an earlier version wrote it
    with locked(STACK.project, "up") as held:
        compose.end_copies(engine, bare, ("seal",), held=held)
    assert engine.done == ["stop backup"]
    assert copying(STACK.project) == {}
