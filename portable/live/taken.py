"""Whether apps may be started as a stack says, asked by who holds the project's lock: an update may have begun or ended since it was read.

An update writes its file under that lock only, so the answer holds for as long as the lock does.
"""

from collections.abc import Collection
from pathlib import Path

from portable.model.base import Struct
from portable.model.errors import PortableError, Refused
from portable.profiles.images import Images


class Taken(Struct, frozen=True, kw_only=True):
    """The images that were taken in the place of what the files say, when a stack was made of them."""

    file: Path
    images: Images


def going_back(taken: Taken | None, apps: Collection[str]) -> tuple[str, ...]:
    """Those of these apps whose state of before an update is about to be put back: what ran before must not meet a newer one's."""
    there = _now(taken).images
    return tuple(app for app in sorted(apps) if app in there and there[app].step == "restoring")


def refuse_unready(taken: Taken | None, apps: Collection[str]) -> None:
    """Raise Refused where one of these apps may not be started yet, PortableError where its files say another image by now."""
    if half := going_back(taken, apps):
        raise Refused(
            f"the rollback of {', '.join(half)} is not finished: its state from before the update is not restored yet, "
            "so the previous image would run on state that the newer one wrote",
            code="up.rollback-unfinished",
            where=str(taken.file) if taken else None,
            remedy=remedy(half),
        )
    refuse_stale(taken, apps)


def refuse_stale(taken: Taken | None, apps: Collection[str]) -> None:
    """Raise PortableError where the files say another image of one of these apps than they did when the stack was made."""
    then, now = taken.images.images if taken else {}, _now(taken).images
    if stale := [app for app in sorted(apps) if (then[app].runs if app in then else {}) != (now[app].runs if app in now else {})]:
        text = f"an update has changed the image of {', '.join(stale)} since this command began"
        raise PortableError(text, code="up.image-changed", where=str(taken.file) if taken else None, remedy="run the same command again")


def remedy(apps: Collection[str]) -> str:
    """The commands that complete an unfinished rollback."""
    names = " ".join(apps)
    return f"run `portable rollback {names} --with-state` to complete it, or `portable rollback {names}` to keep the state as it is"


def _now(taken: Taken | None) -> Images:
    from portable.profiles.load import load_images  # it reads YAML, which few commands need

    return load_images(taken.file)[0] if taken else Images()
