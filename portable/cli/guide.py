"""The last lines of `up`: how to log in, where data lies, and how to remove everything."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from portable.secrets.sources import FileSource

if TYPE_CHECKING:
    from portable.live.place import Place
    from portable.planning import Planned


def closing(place: "Place", planned: "Planned") -> Iterator[str]:
    """The sentences, with commands that can be pasted."""
    if (folder := off_path()) is not None:
        yield f"commands: the shell finds `portable` after `export PATH={shlex.quote(str(folder))}:$PATH`"
    for name, about in logins(planned):
        yield f"log in: {about}: `portable secrets show {name}`"
    folders = data_folders(planned)
    if folders:
        yield f"data: {', '.join(folders)}"
    secrets = place.source.path if isinstance(place.source, FileSource) and place.stack.secrets else ""
    what = ", ".join(filter(None, ("the folders above" if folders else "", f"secrets in {secrets}" if secrets else "")))
    stays = f"; what stays is yours to delete: {what}, volumes of the engine, and notes of `portable`" if what else ""
    yield f"remove: `portable down` removes containers and networks{stays} (docs/tutorials/first-stack.md#6-remove-everything)"


def off_path() -> Path | None:
    """The folder of this program, if a shell would not find it, or would find another one; None as well for `python -m portable`."""
    program = Path(sys.argv[0]).resolve()
    if program.name != "portable" or not program.is_file():
        return None
    found = shutil.which(program.name)
    return None if found is not None and Path(found).resolve() == program else program.parent


def logins(planned: "Planned") -> Iterator[tuple[str, str]]:
    """Name and meaning of each password that was generated for a person."""
    apps: dict[str, set[str]] = {}
    from portable.secrets.needs import needs_of

    for need in needs_of(planned.plan):
        apps.setdefault(need.name, set()).update(need.apps)
    for name, kind in sorted(planned.generated.items()):
        if kind == "password" and name in apps:
            yield name, f"{', '.join(sorted(apps[name]))}, {planned.secrets[name].about}"


def data_folders(planned: "Planned") -> list[str]:
    """The folders of the host in which the profile keeps data."""
    storage = planned.given.profile.storage
    places = (storage.library, storage.state, storage.backups)
    return sorted({place.folder for place in places if place is not None and place.folder})
