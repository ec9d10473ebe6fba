"""Which apps' state is half-way between what it was and a backup: nothing may start them until the restore is finished.

Written and asked by who holds the project's lock only: else an app could be started between the question and the restore.
"""

import json
from collections.abc import Collection

from portable.live.state import project_folder, state_home, write_private
from portable.model.errors import Refused

_FILE = "restoring.json"


def restoring(project: str) -> dict[str, str]:
    """By app, the backup that is being put in place. What another machine began is not known here."""
    try:
        found: dict[str, str] = json.loads((state_home() / project / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def mark(project: str, app: str, at: str | None) -> None:
    """Note that the restore of an app begins to change it, or with None that it is finished."""
    left = {name: was for name, was in restoring(project).items() if name != app}
    write_private(project_folder(project) / _FILE, json.dumps({**left, app: at} if at else left))


def refuse_half_restored(project: str, apps: Collection[str]) -> None:
    """Raise Refused where one of these apps is half-restored."""
    if half := {name: at for name, at in restoring(project).items() if name in apps}:
        said = ", ".join(f"{name} (to {at})" for name, at in sorted(half.items()))
        remedy = (
            " and ".join(f"`portable restore {name} --at {at}`" for name, at in sorted(half.items()))
            + " completes it; `--abort` in place of `--at` gives it up"
        )
        raise Refused(f"the restore of {said} is not finished: started now it would lose what it had", where=project, remedy=remedy)
