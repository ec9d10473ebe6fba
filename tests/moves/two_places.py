"""Two places without an engine. Apps are files, so that they survive a killed command; each writes its state when it starts."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from portable.live.driver import StackDriver
from portable.live.drivers import OpenedStack
from portable.live.fences import Fence, refuse_fenced
from portable.live.place import Place
from portable.live.results import Outcome
from portable.live.stack import Stack
from portable.local.lock import Lock
from portable.migrate.sides import MoveSide
from portable.migrate.stack_ending import StackMoveEnd, confirm_stack, roll_back_stack
from portable.migrate.stack_journal import StackMoveJournal
from portable.migrate.stack_move import StackMover
from portable.model import plan as p
from portable.model.findings import Finding
from portable.model.progress import Progress, silent
from portable.secrets.needs import Need
from portable.secrets.sources import EnvironmentSource, Source
from tests import factories
from tests.unit.live.fake_driver import FakeApp, FakeDriver, World

APPS = ("one", "two")


class FileStates(dict[str, str]):
    """States of apps, in a file."""

    def __init__(self, file: Path) -> None:
        super().__init__(json.loads(file.read_text()) if file.exists() else {})
        self._file = file

    def __setitem__(self, name: str, state: str) -> None:
        super().__setitem__(name, state)
        self._file.write_text(json.dumps(self))

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._file.write_text(json.dumps(self))


class PlaceDriver(FakeDriver):
    """A place: starting an app writes into its folders; a fenced app does not start."""

    def __init__(self, folder: Path, stack: Stack, images: Mapping[str, str]) -> None:
        assert stack.plan is not None
        apps = {app.name: FakeApp(image=images.get(app.name, "registry.test/app:1.0")) for app in stack.plan.apps}
        super().__init__(World(apps), stack, EnvironmentSource())
        self.folder, self.plan, self.fails = folder, stack.plan, ""
        self.world.states = FileStates(folder / f"{stack.project}.json")

    def _fence_file(self, fence: Fence) -> Path:
        return self.folder / f"{self.stack.project}.{fence.name}.fence"

    def fences(self) -> tuple[Fence, ...]:
        return tuple(msgspec.json.decode(f.read_bytes(), type=Fence) for f in sorted(self.folder.glob(f"{self.stack.project}.*.fence")))

    def add_fence(self, fence: Fence) -> None:
        self._fence_file(fence).write_text(fence.text())

    def remove_fence(self, fence: Fence) -> None:
        self._fence_file(fence).unlink(missing_ok=True)

    def up(
        self, *, apps: tuple[str, ...] = (), deadline: float | None = None, progress: Progress = silent, held: Lock | None = None
    ) -> Outcome:
        refuse_fenced(self.fences(), apps or self.apps(), self.stack.project)
        if self.fails:
            raise RuntimeError(self.fails)
        outcome = super().up(apps=apps, deadline=deadline, progress=progress, held=held)
        for volume in self.plan.volumes:
            if (
                volume.holds == "state"
                and isinstance(volume.place, p.Folder)
                and volume.id.removesuffix("-config") in (apps or self.apps())
            ):
                path = Path(volume.place.path)
                path.mkdir(parents=True, exist_ok=True)
                with (path / "ran").open("a") as file:
                    file.write(f"{self.stack.project}\n")
        return outcome


class TwoPlaces:
    """A stack at `old`, up, and a profile `new` with other folders on the same engine."""

    def __init__(self, folder: Path, *, shared: bool = False, **target: Any) -> None:
        self.folder = folder
        (folder / "library").mkdir(parents=True)
        (folder / "library" / "film").write_text("a film")
        self.shared, self.target_changes = shared, target
        self.images: dict[str, str] = {}
        self.ledgers: dict[str, tuple[Finding, ...]] = {}
        self.source_of_secrets: dict[str, Source] = {}
        self.needs: tuple[Need, ...] = ()
        self.here().up()
        for name in APPS:
            (self.state("old", name) / "app.db").write_text(f"what {name} knows")

    def state(self, place: str, app: str) -> Path:
        return self.folder / ("old" if self.shared else place) / "state" / app

    def plan(self, place: str) -> p.Plan:
        """The plan of a place; the changes of the target apply to `new`."""
        volumes = tuple(p.Volume(id=f"{a}-config", holds="state", place=p.Folder(path=str(self.state(place, a)))) for a in APPS)
        cache = p.Volume(id="one-cache", holds="cache", place=p.Folder(path=str(self.folder / place / "cache")))
        library = p.Volume(id="library", holds="library", place=p.Folder(path=str(self.folder / "library")))
        apps = tuple(self.app(name) for name in APPS)
        changes: dict[str, Any] = {
            "profile": place,
            "library": p.Library(volume="library"),
            "volumes": (library, cache, *volumes),
            **(self.target_changes if place == "new" else {}),
        }
        return factories.plan(*changes.pop("apps", apps), **changes)

    @staticmethod
    def app(name: str, tag: str = "1.0", **changes: Any) -> p.App:
        mounts = [p.Mount(volume=f"{name}-config", path="/config"), p.Mount(volume="library", path="/mnt/media")]
        mounts += [p.Mount(volume="one-cache", path="/cache")] if name == "one" else []
        made: dict[str, Any] = {"image": factories.image(tag=tag), "mounts": tuple(mounts), "identity": p.Identity(how="puid-pgid")}
        return factories.app(name, containers=(factories.container(**(made | changes)),))

    def side(self, place: str) -> MoveSide:
        stack = Stack(project=f"media-{place}", plan=self.plan(place), secrets=self.needs)
        driver: Callable[[Any], StackDriver] = lambda _hide: self.driver(place)  # noqa: E731 - as OpenedStack takes it
        opened = OpenedStack(stack=stack, where="fake://engine", is_local=True, reader=driver, driver=driver)
        source = self.source_of_secrets.get(place, EnvironmentSource())
        return MoveSide(profile=place, plan=self.plan(place), place=Place(source=source, opened=opened), ledger=self.ledgers.get(place, ()))

    def driver(self, place: str) -> PlaceDriver:
        return PlaceDriver(self.folder, Stack(project=f"media-{place}", plan=self.plan(place)), self.images)

    def here(self) -> PlaceDriver:
        return self.driver("old")

    def there(self) -> PlaceDriver:
        return self.driver("new")

    def mover(self, **changes: Any) -> StackMover:
        return StackMover(self.side("old"), self.side("new"), self.here(), self.there(), **changes)

    def begin(self, *names: str, **changes: Any) -> StackMoveJournal:
        return self.mover().begin(names, **changes)

    def resume(self) -> StackMoveJournal:
        return self.mover().resume()

    def roll_back(self) -> StackMoveEnd:
        return roll_back_stack(self.side("old"), self.side("new"), self.here(), self.there())

    def confirm(self, **changes: Any) -> StackMoveEnd:
        return confirm_stack(self.side("old"), self.side("new"), self.here(), **changes)

    def running(self, place: str) -> tuple[str, ...]:
        return tuple(sorted(self.driver(place).world.states))

    def ran(self, place: str, app: str) -> list[str]:
        """The places at which the app of this state ran, in order."""
        return (self.state(place, app) / "ran").read_text().split()
