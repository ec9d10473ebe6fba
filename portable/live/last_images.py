"""The images that the apps of a project ran last, noted on this machine: after `down` no container shows them any more."""

import json
import time
from collections.abc import Mapping

import msgspec

from portable.local.files import write_private
from portable.local.folders import project_folder
from portable.local.paths import state_home
from portable.model.base import Struct

_FILE = "last-images.json"


class LastImage(Struct, frozen=True, kw_only=True):
    """The image that a service ran last."""

    app: str
    image: str
    since: float
    """When that was noted, in seconds since 1970."""


def last_images(project: str) -> dict[str, LastImage]:
    """By service; empty if nothing is noted here, or if the note is unreadable."""
    try:
        return msgspec.json.decode((state_home() / project / _FILE).read_bytes(), type=dict[str, LastImage])
    except (OSError, msgspec.MsgspecError):
        return {}


def note_images(project: str, images: Mapping[str, tuple[str, str]], now: float | None = None) -> None:
    """Note app and image of services that are about to run. The time of an image that was noted before is kept."""
    noted, at = last_images(project), time.time() if now is None else now
    new = {
        service: LastImage(app=app, image=image, since=at)
        for service, (app, image) in images.items()
        if service not in noted or noted[service].image != image
    }
    if new:
        _write(project, {**noted, **new})


def note_restored(project: str, app: str, images: Mapping[str, str], now: float | None = None) -> None:
    """Note that an app has a state which the images of these services wrote, whatever ran before. Other services of it are unknown then."""
    at = time.time() if now is None else now
    others = {service: last for service, last in last_images(project).items() if last.app != app}
    _write(project, {**others, **{service: LastImage(app=app, image=image, since=at) for service, image in images.items()}})


def _write(project: str, noted: Mapping[str, LastImage]) -> None:
    write_private(project_folder(project) / _FILE, json.dumps(msgspec.to_builtins(noted), indent=1, sort_keys=True))
