"""Which apps' state is at work on while they are stopped: half-way between what it was and a backup, or being copied.

Written and asked by who holds the project's lock only: else an app could be started between the question and the work.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from portable.local.files import write_private
from portable.local.folders import project_folder, state_home
from portable.model.base import Struct
from portable.model.errors import Refused

_RESTORING, _COPYING = "restoring.json", "copying.json"


def restoring(project: str) -> dict[str, str]:
    """By app, the backup that is being put in place. What another machine began is not known here."""
    return {app: what if isinstance(what, str) else what["at"] for app, what in _noted(project, _RESTORING).items()}


def back_as_it_was(project: str, app: str) -> bool:
    """Whether the app, once nothing is under way in the store any more, has the state that it had before."""
    what = _noted(project, _RESTORING).get(app)
    return isinstance(what, dict) and bool(what.get("back"))


def mark(project: str, app: str, at: str | None, *, back: bool = False) -> None:
    """Note that the restore of an app is about to stop it, or with None that it runs, or may; `back` where its old state stays its own."""
    _note(project, _RESTORING, app, {"at": at, "back": True} if at and back else at)


def refuse_half_restored(project: str, apps: Collection[str]) -> None:
    """Raise Refused where one of these apps is half-restored."""
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
    """What is left of a `backup --stop` where the command that had it done is killed."""

    keeper: str = ""
    """Who copies the app's state, and goes on by itself; empty while nobody does."""
    again: tuple[str, ...] = ()
    """The apps that ran before it was stopped, itself and who shares its network: they are to run again."""


def copying(project: str) -> dict[str, Copying]:
    """By app, the `backup --stop` that is at work on it, or was when it was killed."""
    noted = _noted(project, _COPYING).items()  # an earlier version noted the keeper only
    return {app: Copying(keeper=what) if isinstance(what, str) else msgspec.convert(what, Copying) for app, what in noted}


def mark_copying(project: str, app: str, what: Copying) -> None:
    """Note how far the `backup --stop` of an app is: before it is stopped, so that nobody who is killed leaves down what ran."""
    _note(project, _COPYING, app, msgspec.to_builtins(what) if what.keeper or what.again else None)


def started_again(project: str, apps: Collection[str] = ()) -> None:
    """Note that nothing is left to be started of these apps (of all, where none is named): they run, or somebody wants them down."""
    for app, what in copying(project).items():
        left = tuple(name for name in what.again if apps and name not in apps)
        if left != what.again:
            mark_copying(project, app, msgspec.structs.replace(what, again=left))


def _noted(project: str, file: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((state_home() / project / file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _note(project: str, file: str, app: str, what: str | Mapping[str, Any] | None) -> None:
    left = {name: was for name, was in _noted(project, file).items() if name != app}
    write_private(project_folder(project) / file, json.dumps({**left, app: what} if what else left))
