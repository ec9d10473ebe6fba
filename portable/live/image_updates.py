"""Checks that apps may be started from a stack that was read earlier: an update may have begun or ended since.

The caller holds the project's lock. An update writes its file under that lock only, so the result stays valid while the lock is held.
"""

from collections.abc import Collection
from pathlib import Path

from portable.model.base import Struct
from portable.model.errors import PortableError, Refused
from portable.profiles.images import Images


class ImageUpdates(Struct, frozen=True, kw_only=True):
    """The images that replace those of the files, read together with a stack."""

    file: Path
    images: Images


def going_back(taken: ImageUpdates | None, apps: Collection[str]) -> tuple[str, ...]:
    """The apps whose state from before an update is not restored yet: the previous image must not run on newer state."""
    updates = _now(taken).images
    return tuple(app for app in sorted(apps) if app in updates and updates[app].step == "restoring")


def refuse_unready(taken: ImageUpdates | None, apps: Collection[str]) -> None:
    """Raise Refused if one of these apps may not be started yet, PortableError if the files name another image by now."""
    if half := going_back(taken, apps):
        raise Refused(
            f"the rollback of {', '.join(half)} is not finished: its state from before the update is not restored yet, "
            "so the previous image would run on state that the newer one wrote",
            code="up.rollback-unfinished",
            where=str(taken.file) if taken else None,
            remedy=remedy(half),
        )
    refuse_stale(taken, apps)


def refuse_stale(taken: ImageUpdates | None, apps: Collection[str]) -> None:
    """Raise PortableError if the files name another image of one of these apps than when the stack was read."""
    then, now = taken.images.images if taken else {}, _now(taken).images
    if stale := [app for app in sorted(apps) if (then[app].runs if app in then else {}) != (now[app].runs if app in now else {})]:
        text = f"an update has changed the image of {', '.join(stale)} since this command began"
        raise PortableError(text, code="up.image-changed", where=str(taken.file) if taken else None, remedy="run the same command again")


def remedy(apps: Collection[str]) -> str:
    """The commands that complete an unfinished rollback."""
    names = " ".join(apps)
    return f"run `portable rollback {names} --with-state` to complete it, or `portable rollback {names}` to keep the state as it is"


def _now(taken: ImageUpdates | None) -> Images:
    from portable.profiles.load import load_images  # it reads YAML, which few commands need

    return load_images(taken.file)[0] if taken else Images()
