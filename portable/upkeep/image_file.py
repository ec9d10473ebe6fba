"""The file of images of a place: reading the place with it, and recording each step of an update or a rollback in it."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from portable.live.driver import StackDriver, StackReader
from portable.live.image_needs import ImageNeed
from portable.live.stack import Stack
from portable.local.files import write_private
from portable.local.lock import Lock, locked
from portable.model.base import Struct
from portable.model.errors import Refused
from portable.model.plan import Group
from portable.model.progress import Progress
from portable.planning import Planned
from portable.profiles.images import Images
from portable.secrets.sources import Source
from portable.upkeep.updating import replaced

Result = Literal["same", "unknown", "newer", "taken", "back", "failed"]

D = TypeVar("D", bound=StackReader)


class ReopenedStack(msgspec.Struct, frozen=True, kw_only=True):
    """A place as its files describe it now."""

    stack: Stack
    source: Source
    planned: Planned

    @property
    def images(self) -> Images:
        """The recorded updates."""
        return self.planned.given.images

    def on(self, driver: D) -> D:
        """The driver, for the stack as it is here."""
        # An update and a rollback ask for their backups themselves, and put the state back with the image.
        accepted = msgspec.structs.replace(self.stack, accepted_versions=tuple(app.name for app in self.planned.plan.apps))
        return driver.rebound(accepted, self.source)


Open = Callable[[], ReopenedStack]
"""Reads the place again, because each step changes its file of images."""


class Updated(Struct, frozen=True, kw_only=True):
    """The result of an update or a rollback for one image."""

    group: str
    app: str = ""
    container: str = ""
    image: str = ""
    """Repository and tag."""
    result: Result
    """same, unknown: nothing to install; newer: available; taken: installed; back: rolled back; failed: rolled back by itself."""
    before: str = ""
    digest: str = ""
    """What runs, or would run."""
    backup: str = ""
    """Time of the backup of the app's state before the update."""
    text: str = ""
    why: str = ""
    """Cause of a failure, with the last lines of the app's log."""
    silent: bool = False
    """Its registry offered nothing, and may offer something at another time."""


def file_of(opened: ReopenedStack) -> Path:
    """The file of images. Raises Refused if no command would find it again, or if this user cannot write it."""
    file = opened.planned.given.images_file
    if file is None:
        profile = opened.planned.plan.profile
        text = f"{profile} is a shipped profile, and without a `portable.yaml` here or above its updates cannot be recorded"
        remedy = "write a `portable.yaml` (`portable: 1`, `name: media`) in a folder of your own, and run the same command there"
        raise Refused(text, code="update.no-stack", remedy=remedy)
    folder = next(parent for parent in file.resolve().parents if parent.is_dir())
    if not os.access(folder, os.W_OK):
        text = f"permission denied: updates are recorded in this file, and you cannot write in {folder}"
        raise Refused(text, code="update.not-writable", where=str(file), remedy="run the same command as the owner of that folder")
    return file


@contextlib.contextmanager
def exclusive(opened: Open, verb: str, progress: Progress) -> Iterator[ReopenedStack]:
    """Wait until no other update or rollback is running, then open the place. Raises Refused as `file_of` does, before it locks."""
    place = opened()
    file_of(place)
    with locked(f"_images-{place.stack.project}", verb, progress=progress):
        yield opened()


def bring(driver: StackDriver, place: ReopenedStack, images: Sequence[tuple[str, str]], progress: Progress) -> None:
    """Pull images, each given with its app, before anything is stopped; the previous image may have been built from a recipe."""
    users: dict[str, dict[str, None]] = {}
    for reference, app in images:
        users.setdefault(reference, {})[app] = None
    needs = [ImageNeed(reference=reference, recipe=_recipe(place, reference), apps=tuple(apps)) for reference, apps in users.items()]
    place.on(driver).bring(needs, progress=progress)


def _recipe(place: ReopenedStack, reference: str) -> str | None:
    """The recipe of an image. It replaces only images that the files themselves pin, never a newer one of a registry."""
    for app in place.planned.plan.apps:
        for container in app.containers:
            if place.planned.chosen.apps[app.name].pinned[container.name] == reference:
                return container.image.recipe
    return None


def write(opened: Open, images: Images, *, held: Lock | None = None) -> None:
    """Replace the file at once, or remove it if it records no updates. It gets the owner of its folder.

    This needs the project's lock: a command that starts apps checks under the same lock that the file has not changed since it was read.
    """
    place = opened()
    file = file_of(place)
    with locked(place.stack.project, "update", held=held):
        if not images.images and not file.is_symlink():
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file = file.resolve()
        about = (file if file.exists() else file.parent).stat()
        write_private(file, images.text(), mode=0o644, owner=(about.st_uid, about.st_gid) if os.geteuid() == 0 else None)


def replaced_rows(place: ReopenedStack, group: Group, app: str, result: Result, *, text: str, why: str = "") -> Iterator[Updated]:
    """Yield a row for each image of the app's last update; from new to old unless it is `taken`."""
    for name, entry in replaced(place.planned, app).items():
        old, new = entry.before or "", entry.digest
        before, digest = (old, new) if result == "taken" else (new, old)
        yield Updated(
            group=group.name,
            app=app,
            container=name,
            image=entry.tagged,
            result=result,
            before=before,
            digest=digest,
            backup=place.images.images[app].backup or "",
            text=text,
            why=why,
        )
