"""Apps whose state is being restored or copied while they are stopped.

Only the holder of the project's lock reads and writes this: otherwise an app could be started between the check and the work.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from portable.local.files import write_private
from portable.local.folders import project_folder
from portable.local.paths import state_home
from portable.model.base import Struct
from portable.model.errors import Refused

_RESTORING, _COPYING = "restoring.json", "copying.json"


def restoring(project: str) -> dict[str, str]:
    """The backup that is being restored, by app. A restore begun on another machine is not known here."""
    return {app: what if isinstance(what, str) else what["at"] for app, what in _noted(project, _RESTORING).items()}


def back_as_it_was(project: str, app: str) -> bool:
    """Whether an app has its previous state again once no restore is under way in the store."""
    what = _noted(project, _RESTORING).get(app)
    return isinstance(what, dict) and bool(what.get("back"))


def mark(project: str, app: str, at: str | None, *, back: bool = False) -> None:
    """Note that a restore is about to stop an app, or with `at=None` that the app may run; `back` if it keeps its old state."""
    _note(project, _RESTORING, app, {"at": at, "back": True} if at and back else at)


def refuse_half_restored(project: str, apps: Collection[str]) -> None:
    """Raise Refused if the restore of one of these apps is not finished."""
    if half := {name: at for name, at in restoring(project).items() if name in apps}:
        names = ", ".join(f"{name} (to {at})" for name, at in sorted(half.items()))
        commands = " and ".join(f"`portable restore {name} --at {at}`" for name, at in sorted(half.items()))
        raise Refused(
            f"the restore of {names} is not finished: an app that is started now would lose the state that it had before",
            code="up.restore-unfinished",
            where=project,
            remedy=f"run {commands} to complete it, or give it up with `--abort` in place of `--at`",
        )


class Copying(Struct, frozen=True, kw_only=True):
    """The progress of a `backup --stop`, for the case that its command is killed."""

    backup_runner: str = msgspec.field(default="", name="keeper")
    """The app that copies the state, and continues by itself; empty if none does."""
    again: tuple[str, ...] = ()
    """The apps to start again: those that ran before, itself and those that share its network."""
    images: Mapping[str, str] = {}
    """The image of each container of the app, which is gone once the app is stopped."""


def copying(project: str) -> dict[str, Copying]:
    """The running or killed `backup --stop` of each app."""
    noted = _noted(project, _COPYING).items()  # the form of an earlier version: the backup_runner alone
    return {app: Copying(backup_runner=what) if isinstance(what, str) else msgspec.convert(what, Copying) for app, what in noted}


def mark_copying(project: str, app: str, what: Copying) -> None:
    """Note the progress of an app's `backup --stop`, before the app is stopped: after a kill, it is started again."""
    _note(project, _COPYING, app, msgspec.to_builtins(what) if what.backup_runner or what.again else None)


def copies_ended(project: str, apps: Collection[str]) -> None:
    """Note that nothing copies the state of these apps any more."""
    for app, what in copying(project).items():
        if app in apps and what.backup_runner:
            mark_copying(project, app, msgspec.structs.replace(what, backup_runner=""))


def started_again(project: str, apps: Collection[str] = ()) -> None:
    """Note that these apps (default: all) need not be started again: they run, or the user stopped them."""
    for app, what in copying(project).items():
        remaining = tuple(name for name in what.again if apps and name not in apps)
        if remaining != what.again:
            mark_copying(project, app, msgspec.structs.replace(what, again=remaining))


def _noted(project: str, file: str) -> dict[str, Any]:
    try:
        notes: dict[str, Any] = json.loads((state_home() / project / file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return notes


def _note(project: str, file: str, app: str, what: str | Mapping[str, Any] | None) -> None:
    others = {name: note for name, note in _noted(project, file).items() if name != app}
    write_private(project_folder(project) / file, json.dumps({**others, app: what} if what else others))
