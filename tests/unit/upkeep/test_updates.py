"""Newer images, taken and taken back, on an engine that is made up: what is done in which order, and what the file says at each moment.

A command that was killed anywhere is completed by the same command.
"""

import contextlib
import functools
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from portable.backends.prepare import prepare
from portable.engines.docker.address import Address
from portable.engines.docker.engine import Engine, EngineReader
from portable.engines.docker.errors import DockerError, UnhealthyDockerServices
from portable.engines.docker.observed import Observed, ObservedContainer, Versions
from portable.formats.emit import dump
from portable.live.compose import images
from portable.live.compose import verbs as compose
from portable.live.compose.desired import ComposeStack, stack_of
from portable.live.compose.driver import ComposeDriver, ComposeReader
from portable.live.image_updates import refuse_unready
from portable.live.place import place_of
from portable.live.restoring import Copying, mark, mark_copying
from portable.local import files
from portable.local.lock import locked
from portable.model.changes import Change
from portable.model.errors import InputError, PortableError, Refused, UsageError
from portable.model.progress import silent
from portable.model.registry import Offered
from portable.profiles.images import Images, PinnedImageFacts, UpdateFacts
from portable.profiles.load import load_images
from portable.secrets.sources import EnvironmentSource
from portable.upkeep import backup, image_file, rollbacks, updates
from portable.upkeep.backup import BackupRow
from portable.upkeep.image_file import ReopenedStack, Updated

V1, V2, V3 = (f"sha256:{digit * 64}" for digit in "123")
SEED = int(os.environ.get("PORTABLE_SEED", "20261121"))
ROUNDS = int(os.environ.get("PORTABLE_UPDATES", "25"))
AT = "2026-11-21T03:00:00Z"
BACKUP = "2026-11-21T030000.000Z"
PROFILE = """\
portable: 1
name: home
back-end: compose
apps: [alone, bare, {more}first, second]
storage:
  library: {{folder: /srv/library}}
  state: {{folder: /srv/state}}
  backups: {{folder: /srv/backups}}
waive:
  - {{field: egress.fence, class: security, apps: [seal], reason: a test}}
"""


def app(name: str, *, state: bool = True, vpn: bool = False, **volume: str) -> str:
    image = {"repository": f"registry.test/{name}", "tag": "1", "digest": V1}
    main: dict[str, Any] = {"image": image, "identity": "user", "resources": {"memory": {"request": "64Mi", "limit": "128Mi"}}}
    facts: dict[str, Any] = {"portable": 1, "name": name, "title": name, "about": name, "zone": "front"}
    if state:
        facts["volumes"] = {"config": {"holds": "state", **volume}}
        main["volumes"] = {"config": "/config"}
    return dump({**facts, "containers": {"main": main}, **({"egress": "vpn"} if vpn else {})})


real_up, real_restore = compose.up, backup.restore


class Killed(BaseException):
    """SIGKILL, as far as a test can have it."""


def composed(here: ReopenedStack) -> ComposeStack:
    """The stack of a place on Docker."""
    assert isinstance(here.stack, ComposeStack)
    return here.stack


class World(Engine):
    """A registry, an engine with its containers, and the keeper of backups: made up, but for files and planning."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Address(url="unix:///fake", named_by="test"))
        self.folder = folder
        self.registry: dict[str, str] = {}
        self.silent = False
        self.broken: set[str] = set()
        """Images that never get healthy."""
        self.running: dict[str, str] = {}
        self.state: dict[str, str] = {}
        """What last wrote the state of each app."""
        self.kept: dict[tuple[str, str], str] = {}
        self.done: list[str] = []
        self.full: set[str] = set()
        """Apps that nothing can be put back for."""
        self.half: set[str] = set()
        """Apps whose restore breaks off half-way."""
        self.kill_at: int | None = None

    def step(self, text: str) -> None:
        """One thing done; killed before or after it, where a test says so."""
        if self.kill_at is not None and len(self.done) == self.kill_at:
            self.kill_at = None
            raise Killed
        self.done.append(text)

    def driver(self) -> ComposeDriver:
        """A driver of the world, for the stack as its files say it now."""
        here = self.opened()
        return ComposeDriver(self, composed(here), here.source)

    def opened(self) -> ReopenedStack:
        prepared = prepare("home", folder=self.folder)
        planned = prepared.planned
        return ReopenedStack(stack=place_of(prepared, {"HOME": str(self.folder)}).stack, source=EnvironmentSource(), planned=planned)

    @property
    def file(self) -> Path:
        return self.folder / "profiles" / "home.images.yaml"

    @property
    def taken(self) -> Images:
        return load_images(self.file)[0]

    def wanted(self) -> dict[str, str]:
        """What the files say that each app of a registry runs."""
        return {a.name: a.containers[0].image.reference for a in self.opened().planned.plan.apps}

    def offered(self, reference: str) -> Offered:
        if not reference.startswith("registry.test/") or self.silent:
            return Offered(why="unknown")
        return Offered(digest=self.registry.get(reference, V1))

    def notes(self, project: str, label: str) -> dict[str, str]:
        return {}

    def check(self) -> Versions:
        return Versions(engine="28", api="1.51", compose="2.40")

    def observe(self, project: str, images: Any = ()) -> Observed:
        return Observed(
            containers=tuple(
                ObservedContainer(id=a, name=a, service=a, image=i, state="running", health="unhealthy" if i in self.broken else "healthy")
                for a, i in self.running.items()
            )
        )

    def up(self, _engine: Any, stack: Any, _source: Any, *, apps: tuple[str, ...], **_: Any) -> None:
        self.step(f"up {' '.join(apps)}")
        wanted = {a.name: a.containers[0].image.reference for a in stack.plan.apps}
        for name in apps:
            self.running[name] = wanted[name]
            self.state[name] = wanted[name]
        if sick := [name for name in apps if wanted[name] in self.broken]:
            raise UnhealthyDockerServices(f"{sick[0]}: unhealthy\n    its last line", apps=frozenset(sick))

    def diff(self, _engine: Any, _stack: Any, _source: Any, *, apps: tuple[str, ...]) -> tuple[Change, ...]:
        wanted = self.wanted()
        return tuple(
            Change(kind="recreate", service=name, app=name, cause="its image changed")
            for name in apps
            if self.running.get(name) != wanted[name]
        )

    def back_up(self, _driver: Any, _plan: Any, *, apps: Sequence[str], stop: bool, **_: Any) -> tuple[BackupRow, ...]:
        self.step(f"back up {' '.join(apps)}{' stopped' if stop else ''}")
        self.kept |= {(name, BACKUP): self.state[name] for name in apps}
        return tuple(BackupRow(app=name, at=BACKUP, result="done") for name in apps)

    def restore(self, _driver: Any, _plan: Any, name: str, *, at: str, start: bool, **_: Any) -> BackupRow:
        assert not start
        self.step(f"restore {name}")
        if not self.kept:
            return BackupRow(app=name, at=at, result="failed", notes=("there is no such backup",))
        self.running.pop(name, None)
        if name in self.full:
            return BackupRow(app=name, at=at, result="failed", unchanged=True, notes=("no space is left",))
        if name in self.half:
            mark("media-home", name, at)
            return BackupRow(app=name, at=at, result="failed", notes=("something is mounted there",))
        self.state[name] = self.kept[name, at]
        return BackupRow(app=name, at=at, result="done", before=".before-restore-x")

    def listed(self, _driver: Any, _plan: Any, *, apps: Sequence[str]) -> tuple[BackupRow, ...]:
        return tuple(BackupRow(app=name, at=at, result="sound") for name, at in self.kept if name in apps)

    def bring(self, _engine: Any, needs: Any, **_: Any) -> None:
        self.step(f"bring {' '.join(need.reference.rpartition('/')[2].replace('sha256:', '')[:9] for need in needs)}")

    def write(self, opened: Any, images: Images, **held: Any) -> None:
        self.step("write")
        self.real_write(opened, images, **held)

    real_write: Callable[..., None]

    # --- the commands

    def apply(self, *names: str, **options: Any) -> list[Updated]:
        return list(updates.apply(self.driver(), self.opened, names, now=lambda: AT, **options))

    def back(self, *names: str, **options: Any) -> list[Updated]:
        return list(rollbacks.back(self.driver(), self.opened, names, **options))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Everything up, and nothing newer anywhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = World(tmp_path)
    made.real_write = image_file.write
    for module, name, fake in (
        (compose, "up", made.up),
        (compose, "diff", made.diff),
        (backup, "back_up", made.back_up),
        (backup, "restore", made.restore),
        (backup, "listed", made.listed),
        (images, "resolve", made.bring),
        (image_file, "write", made.write),
    ):
        monkeypatch.setattr(module, name, fake)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "portable.yaml").write_text("portable: 1\n")
    profile(made)
    for text in (app("alone"), app("bare", state=False), app("first", vpn=True), app("second", vpn=True)):
        own(made, text)
    made.running = made.wanted()
    made.state = dict(made.running)
    return made


def profile(world: World, more: str = "backup, ") -> None:
    (world.folder / "profiles" / "home.yaml").write_text(PROFILE.format(more=more))


def own(world: World, text: str) -> None:
    folder = world.folder / "catalog" / text.partition("name: ")[2].partition("\n")[0]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.yaml").write_text(text)


def newer(world: World, *names: str, digest: str = V2) -> None:
    world.registry |= {f"registry.test/{name}:1": digest for name in names}


def image(name: str, digest: str) -> str:
    return f"registry.test/{name}:1@{digest}"


@contextlib.contextmanager
def refused(code: str, text: str) -> Iterator[None]:
    """Expect a refusal with that code, and a text and remedy that match."""
    with pytest.raises(Refused, match=text) as raised:
        yield
    assert raised.value.code == code


def results(rows: Sequence[Updated]) -> dict[str, str]:
    return {row.app: row.result for row in rows if row.image.startswith("registry.test")}


# --- taking


@pytest.mark.parametrize("there_is_one", [False, True])
def test_what_a_backup_left_down_that_was_killed_runs_before_it_is_asked_about(
    world: World, monkeypatch: pytest.MonkeyPatch, there_is_one: bool
) -> None:
    """Else the same command would find that the app does not run what its files say."""
    if there_is_one:
        newer(world, "alone")
    del world.running["alone"]
    mark_copying(world.opened().stack.project, "alone", Copying(again=("alone",)))
    engine = EngineReader(world.address)
    monkeypatch.setattr(engine, "offered", world.offered)
    updates.foresee(ComposeReader(engine, composed(world.opened()), EnvironmentSource()), world.opened(), ["alone"])
    assert world.done == []
    assert results(world.apply("alone")) == {"alone": "taken" if there_is_one else "same"}
    assert world.done[0] == "up alone"


def test_nothing_newer_is_nothing_done(world: World) -> None:
    rows = world.apply()
    assert results(rows) == dict.fromkeys(("alone", "bare", "first", "second"), "same")
    assert (world.done, world.file.exists()) == ([], False)


def test_a_group_is_brought_backed_up_written_down_and_started(world: World) -> None:
    newer(world, "alone")
    (row,) = world.apply("alone")
    assert (row.result, row.before, row.digest, row.backup) == ("taken", V1, V2, BACKUP)
    assert world.done == ["bring alone:1@2", "back up alone", "write", "up alone", "write"]
    assert world.taken.images["alone"] == UpdateFacts(
        at=AT, backup=BACKUP, containers={"main": PinnedImageFacts(instead_of=image("alone", V1), digest=V2, before=V1)}
    )
    assert world.running["alone"] == image("alone", V2)
    assert world.file.stat().st_mode & 0o777 == 0o644
    assert results(world.apply("alone")) == {"alone": "same"}


def test_an_app_stands_for_its_group_and_all_for_every_one_in_order(world: World) -> None:
    newer(world, "first", "alone", "bare")
    rows = world.apply()
    assert results(rows) == {"alone": "taken", "bare": "taken", "first": "taken", "second": "same"}
    assert [text for text in world.done if text != "write"] == [
        *("bring alone:1@2", "back up alone", "up alone"),
        *("bring bare:1@22", "up bare"),
        *("bring first:1@2", "back up first", "up first seal second"),
    ]
    newer(world, "second", digest=V3)
    assert results(world.apply("first"))["second"] == "taken"
    assert world.done[-3:] == ["write", "up first seal second", "write"]


def test_what_does_not_get_well_is_put_back_with_its_state(world: World) -> None:
    newer(world, "alone", "first", digest=V2)
    world.broken = {image("alone", V2)}
    rows = world.apply()
    (row,) = [row for row in rows if row.result == "failed"]
    assert row.why == "alone: unhealthy\n    its last line"
    assert BACKUP in row.text
    assert ".before-restore-x of its folder" in row.text
    assert world.done == ["bring alone:1@2", "back up alone", "write", "up alone", "write", "restore alone", "write", "up alone", "write"]
    assert world.running["alone"] == image("alone", V1)
    assert world.state["alone"] == image("alone", V1)
    assert not world.file.exists(), "nothing is taken any more"
    assert world.running["first"] == image("first", V1), "groups after one that failed are left alone"


def test_without_a_backup_state_stays_and_that_is_said(world: World) -> None:
    newer(world, "alone")
    world.broken = {image("alone", V2)}
    (row,) = world.apply("alone", without_backup=True)
    assert row.text == "its state is kept, and the older program may not be able to read it"
    assert world.done == ["bring alone:1@2", "write", "up alone", "write", "up alone", "write"]


def test_a_second_update_remembers_the_first(world: World) -> None:
    newer(world, "alone")
    world.apply("alone")
    newer(world, "alone", digest=V3)
    world.apply("alone")
    (entry,) = world.taken.images["alone"].containers.values()
    assert entry == PinnedImageFacts(instead_of=image("alone", V1), digest=V3, before=V2)
    (row,) = world.back("alone")
    assert (row.result, row.before, row.digest) == ("back", V3, V2)
    (entry,) = world.taken.images["alone"].containers.values()
    assert entry == PinnedImageFacts(instead_of=image("alone", V1), digest=V2)
    with refused("update.no-record", "no update of alone "):
        world.back("alone")


def test_an_entry_that_became_void_gives_way(world: World) -> None:
    """The catalog pins another digest now: that is what an update replaces, and what going back brings."""
    newer(world, "alone")
    world.apply("alone")
    own(world, app("alone").replace(V1, V3))
    world.running["alone"] = image("alone", V3)
    assert world.wanted()["alone"] == image("alone", V3)
    with refused("update.no-record", "no update of alone "):
        world.back("alone")
    (row,) = world.apply("alone")
    assert (row.result, row.before, row.digest) == ("taken", V3, V2)
    assert world.taken.images["alone"].containers["main"] == PinnedImageFacts(instead_of=image("alone", V3), digest=V2, before=V3)


def test_the_file_stays_a_link_where_it_is_one(world: World) -> None:
    elsewhere = world.folder / "kept"
    elsewhere.mkdir()
    world.file.symlink_to(elsewhere / "images.yaml")
    with pytest.raises(InputError, match=r"\[file\.unreadable\]$"):  # a link that leads nowhere says nothing
        world.apply("alone")
    (elsewhere / "images.yaml").write_text("portable: 1\n")
    newer(world, "alone")
    world.apply("alone")
    assert world.file.is_symlink()
    assert "alone" in (elsewhere / "images.yaml").read_text()
    world.back("alone")
    assert world.file.is_symlink()
    assert world.taken == Images()


# --- going back by hand


def test_back_by_hand_leaves_state_alone_unless_asked(world: World) -> None:
    newer(world, "alone")
    world.apply("alone")
    world.done.clear()
    (row,) = world.back("alone")
    assert row.text.endswith(f"`portable restore alone --at {BACKUP}`")
    assert world.done == ["bring alone:1@1", "write", "up alone", "write"]
    assert (world.running["alone"], world.file.exists()) == (image("alone", V1), False)
    world.apply("alone")
    world.done.clear()
    (row,) = world.back("alone", with_state=True)
    assert ".before-restore-x of its folder" in row.text
    assert world.done == ["bring alone:1@1", "write", "restore alone", "write", "up alone", "write"]


def test_state_that_is_not_there_any_more_is_refused_with_nothing_changed(world: World) -> None:
    newer(world, "alone")
    world.apply("alone")
    world.kept.clear()
    world.done.clear()
    foreseen = functools.partial(rollbacks.foresee_back, names=("alone",), state_by=world.driver())
    for command in (lambda: world.back("alone", with_state=True), lambda: foreseen(world.opened())):
        with refused("update.backup-gone", f"the backup of alone of {BACKUP} "):
            command()
    world.back("alone")
    world.apply("alone", without_backup=True)
    for command in (lambda: world.back("alone", with_state=True), lambda: foreseen(world.opened())):
        with refused("update.no-state", "the update of alone .*`--with-state`"):
            command()


# --- what is refused before anything is done


def test_nothing_is_risked_without_a_word(world: World) -> None:
    newer(world, "alone", "bare")
    profile(world, more="")
    with refused("update.no-backups", r"the state of alone .*`--without-backup`"):
        world.apply()
    assert results(world.apply("bare")) == {"bare": "taken"}, "what keeps nothing needs no backup"
    assert results(world.apply("alone", without_backup=True)) == {"alone": "taken"}


def test_what_can_be_copied_only_while_it_is_stopped(world: World) -> None:
    own(world, app("alone", copied="stopped"))
    newer(world, "alone")
    with refused("update.needs-stop", r"alone .*`--stop`"):
        world.apply("alone")
    assert world.done == []
    assert results(world.apply("alone", stop=True)) == {"alone": "taken"}
    assert "back up alone stopped" in world.done


def test_a_group_that_does_not_run_what_its_files_say(world: World) -> None:
    newer(world, "alone")
    del world.running["alone"]
    with refused("update.drift", r"alone, .*`portable up alone`"):
        world.apply("alone")
    assert world.done == []


def test_names_that_nothing_has_and_a_registry_that_is_silent(world: World) -> None:
    with pytest.raises(UsageError, match="alon in profile home") as raised:
        world.apply("alon")
    assert raised.value.code == "usage.unknown-app"
    world.silent = True
    (row,) = world.apply("alone")
    assert (row.result, row.silent) == ("unknown", True)
    assert row.text.startswith("registry.test ")


def test_a_shipped_profile_without_a_stack(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.folder / "portable.yaml").unlink()
    prepared = prepare("local", folder=world.folder)
    here = ReopenedStack(stack=stack_of(prepared.planned.plan, prepared.rendering), source=EnvironmentSource(), planned=prepared.planned)
    with refused("update.no-stack", r"local .*write a `portable\.yaml`"):
        list(updates.apply(ComposeDriver(world, composed(here), here.source), lambda: here, ()))


def test_a_backup_that_is_not_sound_ends_it_before_anything_is_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    newer(world, "alone")
    failed = (BackupRow(app="alone", result="failed", notes=("a.db: malformed",)),)
    monkeypatch.setattr(backup, "back_up", lambda *_, **__: failed)
    with pytest.raises(PortableError, match=r"alone: a.db: malformed") as raised:
        world.apply("alone")
    assert raised.value.code == "update.backup-failed"
    assert world.done == ["bring alone:1@2"]


def test_an_engine_that_went_away_leaves_what_the_same_command_completes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    newer(world, "alone")
    with monkeypatch.context() as away:
        away.setattr(compose, "up", lambda *_, **__: (_ for _ in ()).throw(DockerError("gone", "the engine went away")))
        with pytest.raises(DockerError):
            world.apply("alone")
    assert world.taken.images["alone"].step == "taking"
    assert results(world.apply("alone")) == {"alone": "taken"}
    assert world.done[-2:] == ["up alone", "write"]


@pytest.mark.parametrize(
    "trouble",
    [
        PortableError("home is locked by `portable up`"),
        Refused("the restore of other is not finished"),
        UsageError("the secret x is not set"),
        DockerError("slow", "not well in the time given"),
        DockerError("space", "no space left"),
        DockerError("port", "port 80/tcp is taken"),
        DockerError("failed", "Docker Compose left undone: recreate alone"),
        UnhealthyDockerServices("other: unhealthy", apps=frozenset({"other"})),
    ],
    ids=str,
)
def test_only_what_does_not_get_well_is_put_back(world: World, monkeypatch: pytest.MonkeyPatch, trouble: PortableError) -> None:
    newer(world, "alone")
    with monkeypatch.context() as passing:
        passing.setattr(compose, "up", lambda *_, **__: (_ for _ in ()).throw(trouble))
        with pytest.raises(type(trouble)) as caught:
            world.apply("alone")
        assert caught.value is trouble
    assert world.taken.images["alone"].step == "taking"
    assert "restore alone" not in world.done
    assert results(world.apply("alone")) == {"alone": "taken"}


def killed_before_it_is_noted(world: World) -> None:
    """The newer one runs, and the file still says that it is being taken."""
    newer(world, "alone")
    world.kill_at = 4
    with pytest.raises(Killed):
        world.apply("alone")
    assert (world.running["alone"], world.taken.images["alone"].step) == (image("alone", V2), "taking")
    world.done.clear()


def test_what_runs_already_and_is_well_is_taken_whatever_an_up_would_say(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_before_it_is_noted(world)
    monkeypatch.setattr(compose, "up", lambda *_, **__: (_ for _ in ()).throw(UsageError("the secret x is not set")))
    assert results(world.apply("alone")) == {"alone": "taken"}
    assert (world.done, list(world.taken.unfinished())) == (["write"], [])


def test_state_that_a_newer_one_may_have_written_for_weeks_is_not_put_aside_by_itself(world: World) -> None:
    killed_before_it_is_noted(world)
    world.broken = {image("alone", V2)}
    with pytest.raises(PortableError, match=r"alone (.|\n)*its last line") as caught:
        world.apply("alone")
    assert caught.value.code == "update.undecided"
    assert "`portable rollback alone --with-state`" in str(caught.value)
    assert (world.done, world.state["alone"], world.taken.images["alone"].step) == (["up alone"], image("alone", V2), "taking")
    world.broken = set()
    assert results(world.apply("alone")) == {"alone": "taken"}


def test_what_ran_before_does_not_get_well_either(world: World) -> None:
    newer(world, "alone")
    world.broken = {image("alone", V1), image("alone", V2)}
    with pytest.raises(PortableError, match=r"the rollback: alone: unhealthy(.|\n)*the update had failed: alone: unhealthy"):
        world.apply("alone")
    assert world.taken.images["alone"].step == "restored"
    world.broken = {image("alone", V2)}
    (row,) = world.apply("alone")
    assert (row.result, world.running["alone"], world.file.exists()) == ("failed", image("alone", V1), False)
    assert BACKUP in row.text
    assert "`.before-restore-<time>` of its folder" in row.text
    assert world.done.count("restore alone") == 1


def test_state_that_can_not_be_put_back_keeps_nobody_from_going_back_without(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    newer(world, "alone")
    world.broken = {image("alone", V2)}
    with monkeypatch.context() as lost:
        lost.setattr(world, "kept", {})
        lost.setattr(backup, "back_up", lambda *_, **__: (BackupRow(app="alone", at=BACKUP, result="done"),))
        parts = (
            r"there is no such backup; nothing was changed, but .*: alone: unhealthy(.|\n)*without that state: `portable rollback alone`"
        )
        with pytest.raises(PortableError, match=parts) as raised:
            world.apply("alone")
        assert raised.value.code == "update.state-not-restored"
        assert (world.running["alone"], world.taken.images["alone"].step) == (image("alone", V2), "taking")
        (row,) = world.back("alone")
    assert (row.result, world.running["alone"], world.file.exists()) == ("back", image("alone", V1), False)


def test_a_healthy_app_whose_state_can_not_be_put_back_runs_as_before(world: World) -> None:
    newer(world, "alone", "first")
    world.apply("alone")
    before = world.file.read_text()
    world.full = {"alone"}
    with pytest.raises(PortableError, match=r"no space is left; nothing was changed, and alone runs ") as raised:
        world.back("alone", with_state=True)
    assert raised.value.code == "update.state-not-restored"
    assert (world.running["alone"], world.state["alone"], world.file.read_text()) == (image("alone", V2), image("alone", V2), before)


def test_half_restored_is_told_to_be_stopped_and_another_ones_state_is_not_left_behind(world: World) -> None:
    newer(world, "first", "second")
    world.apply("first")
    world.full = {"second"}
    parts = r"second: .*no space is left; first, second are stopped.*without that state: `portable rollback second`"
    with pytest.raises(PortableError, match=parts) as raised:
        world.back("first", with_state=True)
    assert raised.value.code == "update.state-not-restored"
    assert {name: update.step for name, update in world.taken.images.items()} == {"first": "restored", "second": "restoring"}
    world.full = set()
    rows = world.back("first", with_state=True)
    assert all(BACKUP in row.text and ".before-restore-" in row.text for row in rows)
    assert (world.state["first"], world.state["second"]) == (image("first", V1), image("second", V1))
    assert world.done.count("restore first") == 1

    world.apply("first")
    world.half = {"first"}
    with pytest.raises(PortableError, match=r"something is mounted there; first is stopped \(run the same command again") as raised:
        world.back("first", with_state=True)
    assert raised.value.code == "update.state-not-restored"
    assert world.taken.images["first"].step == "restoring"
    with pytest.raises(Refused, match=r"\[up\.rollback-unfinished\]"):
        real_up(world, composed(world.opened()), EnvironmentSource(), apps=("first",))


def test_going_back_is_about_the_newest_update_of_a_group(world: World) -> None:
    newer(world, "first")
    world.apply("first")
    newer(world, "second")
    list(updates.apply(world.driver(), world.opened, ("second",), now=lambda: "2026-11-22T03:00:00Z"))
    _, steps = rollbacks.foresee_back(world.opened(), ("first",))
    assert steps[0] == f"seal: write the previous images of second to {world.file}"
    assert [row.app for row in world.back("first")] == ["second"]
    assert (world.running["first"], world.running["second"]) == (image("first", V2), image("second", V1))
    assert [row.app for row in world.back("second")] == ["first"], "and then about the one before"


def test_half_way_without_its_backup_there_is_a_way_back_without_it(world: World) -> None:
    restoring_is_written(world)
    world.kept.clear()
    with refused("update.backup-gone", r"first of .* \(roll back without `--with-state`"):
        world.back("first", with_state=True)
    assert world.taken.images["first"].step == "restoring"
    (row,) = world.back("first")
    assert row.text.startswith("its state is kept, and the older program may not be able to read it")
    assert (world.running["first"], world.file.exists()) == (image("first", V1), False)
    assert "restore first" not in world.done


def test_half_way_an_entry_that_became_void_is_completed_too(world: World) -> None:
    restoring_is_written(world)
    own(world, app("first", vpn=True).replace(V1, V3))
    world.back("first", with_state=True)
    assert (world.running["first"], world.state["first"], list(world.taken.unfinished())) == (image("first", V3), image("first", V3), [])
    assert "restore first" in world.done


# --- killed anywhere


def completed(world: World, *names: str) -> list[Updated]:
    """The same command again; and where it was killed while it waited for what does not get well, what it then names."""
    try:
        return world.apply(*names)
    except PortableError as error:
        assert error.code == "update.undecided"  # noqa: PT017
        world.back(*names, with_state=True)
    return world.apply(*names)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("at", range(9))
def test_killed_anywhere_the_same_command_completes_it(world: World, fails: bool, at: int) -> None:
    """Killed before its n-th step, run again: the same end, the state as it should be, nothing half-done in the file."""
    newer(world, "first", "second")
    world.broken = {image("second", V2)} if fails else set()
    world.kill_at = at
    try:
        first = results(world.apply("first"))
    except Killed:
        first = {}
    # One that had failed and was put back is tried once more; only the last word counts.
    rows = first or results(completed(world, "first"))
    assert rows["first"] == rows["second"] == ("failed" if fails else "taken")
    digest = V1 if fails else V2
    assert (world.running["first"], world.running["second"]) == (image("first", digest), image("second", digest))
    assert world.state["second"] == image("second", digest)
    assert list(world.taken.unfinished()) == []
    assert world.file.exists() != fails


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("at", range(7))
def test_killed_anywhere_going_back_is_completed(world: World, with_state: bool, at: int) -> None:
    newer(world, "alone")
    world.apply("alone")
    world.done.clear()
    world.kill_at = at
    try:
        world.back("alone", with_state=with_state)
    except Killed:
        world.back("alone", with_state=with_state)
    assert world.running["alone"] == image("alone", V1)
    assert world.state["alone"] == image("alone", V1)
    assert not world.file.exists()
    # Killed after the state was put back and before that was noted, it is put back once more.
    assert world.done.count("restore alone") == (0 if not with_state else 2 if at == 3 else 1)


def test_any_sequence_of_updates_kills_and_ways_back(world: World) -> None:
    """Whatever was done, once it is completed: what runs is what the files say, it can read its state, and nothing is half-done."""
    chance = random.Random(SEED)
    for turn in range(ROUNDS):
        digest = f"sha256:{turn + 10:064x}"
        newer(world, *chance.sample(["alone", "first", "second"], 2), digest=digest)
        world.broken = {image(name, digest) for name in ("alone", "first") if chance.random() < 0.3}
        names = chance.choice([("alone",), ("second",), ()])
        goes_back = chance.random() < 0.4
        command = functools.partial(world.back, *names, with_state=True) if goes_back else functools.partial(world.apply, *names)
        world.done.clear()
        world.kill_at = chance.choice([None, chance.randrange(12)])
        world.full = {name for name in ("alone", "first") if chance.random() < 0.2}
        with contextlib.suppress(Refused) if goes_back else contextlib.nullcontext():  # there may be nothing to go back to
            try:
                command()
            except (Killed, PortableError) as error:
                if isinstance(error, Refused) or (isinstance(error, PortableError) and not world.full):
                    raise
                world.kill_at, world.full = None, set()
                command() if goes_back else completed(world, *names)
        world.kill_at, world.full = None, set()
        said = f"turn {turn}, seed {SEED}"
        assert list(world.taken.unfinished()) == [], said
        wanted = {name: reference for name, reference in world.wanted().items() if name in ("alone", "first", "second")}
        assert {name: world.running[name] for name in wanted} == wanted, said
        assert {name: world.state[name] for name in wanted} == wanted, said
        assert not {*wanted.values()} & world.broken, said


# --- what others do meanwhile


def restoring_is_written(world: World) -> None:
    """Killed when the state of before is about to be put back: the newer one runs, what shall run is the older one."""
    newer(world, "first")
    world.apply("first")
    world.kill_at = len(world.done) + 2
    with pytest.raises(Killed):
        world.back("first", with_state=True)
    assert (world.running["first"], world.taken.images["first"].step) == (image("first", V2), "restoring")
    world.done.clear()


def test_nobody_starts_the_older_one_on_what_the_newer_one_wrote(world: World) -> None:
    restoring_is_written(world)
    here = world.opened()
    for apps in ((), ("first",)):
        with pytest.raises(Refused, match=r"\bfirst\b.*`portable rollback first --with-state`.*\[up\.rollback-unfinished\]"):
            real_up(world, composed(here), here.source, apps=apps)
    refuse_unready(here.stack.taken, ("alone", "seal", "second"))
    world.back("first", with_state=True)
    refuse_unready(world.opened().stack.taken, ("first",))
    assert (world.running["first"], world.state["first"]) == (image("first", V1), image("first", V1))


def test_what_stops_an_app_to_start_it_again_is_refused_before_it_stops_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    restoring_is_written(world)
    here, done = world.opened(), list[str]()
    monkeypatch.setattr(compose, "down", lambda *_, **__: done.append("down"))
    monkeypatch.setattr(backup, "run", lambda *_, **__: (BackupRow(app="first", at=BACKUP, result="staged"),))
    plan = here.planned.plan
    with pytest.raises(Refused, match=r"\[up\.rollback-unfinished\]"):
        backup._stopped(world.driver(), plan, "first", silent)
    with pytest.raises(Refused, match=r"\[up\.rollback-unfinished\]"):
        real_restore(world.driver(), plan, "first", at=BACKUP)
    assert (done, world.done) == ([], [])


def test_a_restore_that_is_given_up_while_an_update_goes_back_starts_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    restoring_is_written(world)
    here, answers = (
        world.opened(),
        iter([BackupRow(app="first", at=BACKUP, result="half"), BackupRow(app="first", at=BACKUP, result="given up")]),
    )
    monkeypatch.setattr(compose, "down", lambda *_, **__: None)
    monkeypatch.setattr(backup, "run", lambda *_, **__: (next(answers),))
    given_up = backup.abort(world.driver(), here.planned.plan, "first")
    assert given_up.result == "given up"
    assert given_up.notes[-1].startswith("not started, because first ")
    assert "`portable rollback first" in given_up.notes[-1]
    assert world.done == []


def test_who_read_the_files_before_an_update_starts_nothing_after_it(world: World) -> None:
    """`portable up` that waited while an update was at work would start the older one on what the newer one wrote."""
    newer(world, "alone")
    before = world.opened()
    world.apply("alone")
    with pytest.raises(PortableError, match=r"\balone\b.*\[up\.image-changed\]"):
        real_up(world, composed(before), before.source, apps=("alone",))
    refuse_unready(before.stack.taken, ("first",))
    refuse_unready(world.opened().stack.taken, ("alone",))


def test_the_file_is_written_only_while_nobody_else_is_at_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    newer(world, "alone")
    world.broken = {image("alone", V2)}
    written: list[bool] = []

    def write_private(*arguments: Any, **more: Any) -> None:
        with pytest.raises(PortableError, match=r"\[file\.locked\]$"), locked("media-home", "up", wait=0):
            pass
        written.append(True)
        files.write_private(*arguments, **more)

    assert world.opened().stack.project == "media-home"
    monkeypatch.setattr(image_file, "write_private", write_private)
    assert results(world.apply("alone")) == {"alone": "failed"}
    assert len(written) == 3


# --- only said


def test_what_would_be_done(world: World) -> None:
    newer(world, "first")
    rows, steps = updates.foresee(world.driver(), world.opened(), ("first",))
    assert results(rows) == {"first": "newer", "second": "same"}
    assert steps == (
        f"seal: pull registry.test/first:1@{V2} while first runs",
        "seal: back up first",
        f"seal: write the new images of first to {world.file}",
        "seal: recreate first, and wait until all of seal is healthy; roll back if it is not",
    )
    assert (world.done, world.file.exists()) == ([], False)
    world.apply("first")
    world.done.clear()
    _, steps = rollbacks.foresee_back(world.opened(), ("first",), state_by=world.driver())
    assert steps == (
        f"seal: write the previous images of first to {world.file}",
        f"seal: restore the state of first from {BACKUP}",
        "seal: recreate first, and wait until all of seal is healthy",
    )
    assert world.done == []
