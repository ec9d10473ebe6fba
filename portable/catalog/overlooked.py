"""Files of a person's catalog that are not read, although they look like apps and clouds: the shipped app would be used instead."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote

from portable.formats.near_names import meant
from portable.model.source import Mistake, Source

_FOLDERS = {"app": "apps", "cloud": "clouds"}
"""The folder in which each kind of file lies; an app's may also lie in the catalog itself."""
_NEAR = {"app": "apps", "apps": "apps", "cloud": "clouds", "clouds": "clouds"}


def overlooked(roots: Iterable[Path]) -> Iterator[Mistake]:
    """Yield a mistake for each file, folder and broken link in these catalogs that would be ignored."""
    for root in dict.fromkeys(roots):
        yield from _near_folders(root)
        for kind, folder in _FOLDERS.items():
            for entry in _entries(root / folder):
                yield from _flat(entry, kind)
                yield from _entry(entry, kind)
                yield from _of_other_kind(entry, kind)
        for entry in (entry for entry in _entries(root) if entry.name not in _FOLDERS.values()):
            # A folder of another name may hold more than a catalog, such as links and files of other programs.
            yield from _entry(entry, "app", is_certain=root.name == "catalog")


def _flat(entry: Path, kind: str) -> Iterator[Mistake]:
    """A file that lies beside the folders, and should be in one."""
    if (name := meant(entry.name)) and entry.is_file() and _says_portable(entry):
        right = entry.parent / name / f"{kind}.yaml"
        text = f"it would be ignored: each {kind} has a folder of its name, with a file {right.name}"
        yield _mistake(entry, text, f"run `mkdir -p {quote(str(right.parent))} && mv {quote(str(entry))} {quote(str(right))}`")


def _entry(entry: Path, kind: str, *, is_certain: bool = True) -> Iterator[Mistake]:
    """The mistakes of one folder that may be an app's or a cloud's; it is one for certain, or only if its file says so."""
    if _is_of_program(entry.name):
        return
    if entry.is_symlink() and not entry.exists():
        if is_certain:
            yield _broken(entry)
        return
    if _is_closed(entry):
        if is_certain:
            remedy = f"check its owner and mode: `ls -ld {quote(str(entry))}`"
            yield _mistake(entry, f"this folder cannot be read, and its {kind} would be ignored", remedy)
        return
    right = entry / f"{kind}.yaml"
    for other in _entries(entry):
        is_near = meant(other.name) == kind and (other.name != right.name or not other.is_file())
        if is_near and (is_certain or _says_portable(other)):
            yield _misnamed(other, right)
    if right.is_file():
        for folder, folders, files in os.walk(entry):
            paths = (Path(folder, name) for name in sorted((*folders, *files)) if not _is_of_program(name))
            yield from (_broken(path) for path in paths if path.is_symlink() and not path.exists())


def _of_other_kind(entry: Path, kind: str) -> Iterator[Mistake]:
    """A cloud among the apps, or an app among the clouds."""
    other = next(each for each in _FOLDERS if each != kind)
    if _is_closed(entry):
        return
    if (entry / f"{other}.yaml").is_file() and not (entry / f"{kind}.yaml").is_file():
        right = entry.parent.parent / _FOLDERS[other] / entry.name
        text = f"it would be ignored: each {other} has a folder in `{_FOLDERS[other]}`"
        yield _mistake(
            entry / f"{other}.yaml", text, f"run `mkdir -p {quote(str(right.parent))} && mv {quote(str(entry))} {quote(str(right))}`"
        )


def _near_folders(root: Path) -> Iterator[Mistake]:
    """Folders that are nearly called `apps` or `clouds`, and have some in them."""
    for entry in _entries(root):
        right = root / _NEAR.get(entry.name.casefold(), entry.name)
        if right == entry or not entry.is_dir() or (right.exists() and entry.samefile(right)):
            continue
        if any(meant(file.name) in _FOLDERS for file in entry.glob("*/*")):
            move = f"move what is in it into {right}" if right.exists() else f"rename it: `mv {quote(str(entry))} {quote(str(right))}`"
            yield _mistake(entry, f"this folder is not called {right.name}, and would be ignored", move)


def _misnamed(other: Path, right: Path) -> Mistake:
    if other.name == right.name:
        if other.is_symlink():
            return _broken(other)
        return _mistake(other, "it is not a file, and would be ignored", "move it away, and write a file of that name")
    if os.path.lexists(right):
        remedy = f"keep one of them: move what you need into {right}, then `rm {quote(str(other))}`"
    else:
        remedy = f"rename it: `mv {quote(str(other))} {quote(str(right))}`"
    return _mistake(other, f"this file is not called {right.name}, and would be ignored", remedy)


def _broken(link: Path) -> Mistake:
    return _mistake(link, "it is a link to something that does not exist", f"correct the link, or remove it: `rm {quote(str(link))}`")


def _mistake(path: Path, text: str, remedy: str) -> Mistake:
    return Mistake(source=Source(file=str(path), line=1), path="", text=text, remedy=remedy, code="catalog.file-name")


def _entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing where it cannot be read, which other checks report."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_of_program(name: str) -> bool:
    """Whether a name is one of a file system, or hidden: Emacs locks a file by a link to nothing, such as `.#app.yaml`."""
    return name.startswith(".") or name == "lost+found"


def _is_closed(folder: Path) -> bool:
    """Whether a folder may not be read."""
    try:
        os.scandir(folder).close()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _says_portable(file: Path) -> bool:
    """Whether a file has a line that begins with this program's own key."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""  # a pipe would never end
        return any(line.startswith("portable:") for line in text.splitlines())
    except OSError:
        return False
