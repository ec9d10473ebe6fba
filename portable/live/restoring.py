"""Which apps' state is at work on while they are stopped: half-way between what it was and a backup, or being copied.

Written and asked by who holds the project's lock only: else an app could be started between the question and the work.
"""

import json
from collections.abc import Collection

from portable.live.state import project_folder, state_home, write_private
from portable.model.errors import Refused

_RESTORING, _COPYING = "restoring.json", "copying.json"


def restoring(project: str) -> dict[str, str]:
    """By app, the backup that is being put in place. What another machine began is not known here."""
    return _noted(project, _RESTORING)


def mark(project: str, app: str, at: str | None) -> None:
    """Note that the restore of an app begins to change it, or with None that it is finished."""
    _note(project, _RESTORING, app, at)


def refuse_half_restored(project: str, apps: Collection[str]) -> None:
    """Raise Refused where one of these apps is half-restored."""
    if half := {name: at for name, at in restoring(project).items() if name in apps}:
        said = ", ".join(f"{name} (to {at})" for name, at in sorted(half.items()))
        remedy = " and ".join(f"`portable restore {name} --at {at}`" for name, at in sorted(half.items())) + " completes it"
        remedy += "; `--abort` in place of `--at` gives it up"
        raise Refused(f"the restore of {said} is not finished: started now it would lose what it had", where=project, remedy=remedy)


def copying(project: str) -> dict[str, str]:
    """By app, who copies its state while it is stopped: goes on by itself where the command that had it done is killed."""
    return _noted(project, _COPYING)


def mark_copying(project: str, app: str, keeper: str | None) -> None:
    """Note that the state of a stopped app begins to be copied, or with None that nobody does any more."""
    _note(project, _COPYING, app, keeper)


def _noted(project: str, file: str) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((state_home() / project / file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _note(project: str, file: str, app: str, what: str | None) -> None:
    left = {name: was for name, was in _noted(project, file).items() if name != app}
    write_private(project_folder(project) / file, json.dumps({**left, app: what} if what else left))
