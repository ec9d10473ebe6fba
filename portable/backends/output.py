"""Rendered documents as files: same plan, same bytes. Writes are atomic; only rendered files are ever removed."""

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path

from portable.formats.emit import Data, dump_all
from portable.local.files import stage
from portable.model.codes import bracketed
from portable.model.errors import Refused
from portable.model.findings import CLASSES, Finding
from portable.model.rendering import Rendering

KUBERNETES_FIRST = ("apiVersion", "kind", "metadata", "name", "namespace")
LEDGER = "findings.md"
_MARK = "Rendered by portable from profile "
_NESTED = ("apps", "components")
"""The folders with a folder for each app, or for each component, where a GitOps controller applies the files."""
COMPOSE_FIRST = ("name", "services", "image")


def texts(rendering: Rendering, ledger: tuple[Finding, ...], *, compose: bool, profile: str) -> dict[str, str]:
    """Every file of the rendered folder by its path, the ledger among them."""
    head = f"# {_mark(profile)}change the profile, not this file.\n"
    first = COMPOSE_FIRST if compose else KUBERNETES_FIRST
    bodies: dict[str, list[Data]] = {}
    for document in rendering.documents:
        bodies.setdefault(document.file, []).append(document.body)
    files = {file: head + dump_all(parts, compose=compose, first=first) for file, parts in sorted(bodies.items())}
    return files | {LEDGER: findings_page(ledger, profile)}


def findings_page(ledger: tuple[Finding, ...], profile: str) -> str:
    """The ledger as a page of Markdown, worst class first; equal findings of several apps appear once."""
    lines = [f"<!-- {_mark(profile)}change the profile, not this file. -->", f"# Compromises in profile `{profile}`", ""]
    for class_ in CLASSES:
        of_class = [f for f in ledger if f.class_ == class_]
        if not of_class:
            continue
        lines += [f"## {class_}", "", "| verdict | finding | remedy or reason |", "| --- | --- | --- |"]
        rows: dict[tuple[str, str, str], None] = {}
        for finding in of_class:
            why = f"waived: {finding.reason}" if finding.verdict == "waived" else finding.remedy
            rows[finding.verdict, f"{finding.text}{bracketed(finding.code)}", why] = None
        lines += [f"| {verdict} | {_cell(text)} | {_cell(why)} |" for verdict, text, why in rows]
        lines.append("")
    if len(lines) == 3:
        lines += ["None.", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def differing(files: Mapping[str, str], folder: Path, profile: str) -> tuple[list[Path], list[Path]]:
    """The files to write, and the files to remove: those of an earlier rendering of the profile that are no longer rendered."""
    stale = [path for path in _within(folder) if str(path.relative_to(folder)) not in files and _mark(profile) in _first_line(path)]
    return [folder / name for name, text in files.items() if not _holds(folder / name, text)], stale


def write(files: Mapping[str, str], folder: Path, profile: str) -> list[Path]:
    """Write the files into `folder` and remove stale ones of the profile; returns the changed paths. Other files stay.

    All or nothing: every text is on the disk before the first file is replaced. Raises OSError, and Refused if a file that `portable`
    did not render would be overwritten.
    """
    wanted, stale = differing(files, folder, profile)
    for path in wanted:
        if path.is_file() and path.stat().st_size and _MARK not in _first_line(path):
            text, remedy = "the file exists, and `portable` did not render it", "move it away, or choose another folder"
            raise Refused(text, code="render.foreign-file", where=str(path), remedy=remedy)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    staged: dict[Path, Path] = {}
    made: list[Path] = []
    try:
        for path in wanted:
            _make_folder(path.parent, made)
            staged[path] = stage(path, files[str(path.relative_to(folder))], mode=0o644)
        for path, temporary in staged.items():
            temporary.replace(path)
    except BaseException:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)
        for parent in reversed(made):
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise
    for path in stale:
        path.unlink()
        for parent in list(path.relative_to(folder).parents)[:-1]:
            with contextlib.suppress(OSError):  # it has other files
                (folder / parent).rmdir()
    return [*wanted, *stale]


def _make_folder(folder: Path, made: list[Path]) -> None:
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    for each in reversed(missing):
        each.mkdir()
        made.append(each)


def _within(folder: Path, depth: int = 0) -> list[Path]:
    """The files of a rendered folder and of its subfolders, except those with a rendering of their own.

    A rendering has a second level of folders only in those of `_NESTED`; files of others may be a person's own copies.
    """
    files: list[Path] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_file():
            files.append(path)
        elif path.is_dir() and not path.is_symlink() and not (path / LEDGER).exists() and (depth == 0 or folder.name in _NESTED):
            files += _within(path, depth + 1)
    return files


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _first_line(path: Path) -> str:
    with path.open("rb") as file:
        return file.readline(200).decode(errors="replace")


def _mark(profile: str) -> str:
    return f"{_MARK}{profile}: "
