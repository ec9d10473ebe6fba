"""Rendered documents as files: same plan, same bytes; writes are atomic, and only files of its own are ever removed."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from portable.formats.emit import dump
from portable.model.findings import CLASSES, Finding
from portable.model.rendering import Rendering

KUBERNETES_FIRST = ("apiVersion", "kind", "metadata", "name", "namespace")
COMPOSE_FIRST = ("name", "services", "image")


def texts(rendering: Rendering, ledger: tuple[Finding, ...], *, compose: bool, profile: str) -> dict[str, str]:
    """Every file of the rendered folder by its path, the ledger among them."""
    head = f"# {_mark(profile)}change the profile, not this file.\n"
    bodies: dict[str, list[str]] = {}
    for document in rendering.documents:
        first = COMPOSE_FIRST if compose else KUBERNETES_FIRST
        bodies.setdefault(document.file, []).append(dump(document.body, compose=compose, first=first))
    files = {file: head + "---\n".join(parts) for file, parts in sorted(bodies.items())}
    return files | {"findings.md": findings_page(ledger, profile)}


def findings_page(ledger: tuple[Finding, ...], profile: str) -> str:
    """The ledger as a page of Markdown, worst class first; equal texts about several apps stand once."""
    lines = [f"<!-- {_mark(profile)}change the profile, not this file. -->", f"# What profile `{profile}` does not plainly translate", ""]
    for class_ in CLASSES:
        of_class = [f for f in ledger if f.class_ == class_]
        if not of_class:
            continue
        lines += [f"## {class_}", "", "| verdict | what | remedy or reason |", "| --- | --- | --- |"]
        rows: dict[tuple[str, str, str], None] = {}
        for finding in of_class:
            why = f"waived: {finding.reason}" if finding.verdict == "waived" else finding.remedy
            rows[finding.verdict, finding.text, why or ""] = None
        lines += [f"| {verdict} | {_cell(text)} | {_cell(why)} |" for verdict, text, why in rows]
        lines.append("")
    if len(lines) == 3:
        lines += ["Nothing.", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def write(files: Mapping[str, str], folder: Path, profile: str) -> list[Path]:
    """Make `folder` hold exactly these files and what this profile's rendering did not write; returns what changed. Raises OSError."""
    changed: list[Path] = []
    for name, text in files.items():
        path = folder / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
        changed.append(path)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and str(path.relative_to(folder)) not in files and _is_of(profile, path):
            path.unlink()
            changed.append(path)
    return changed


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a kill, sees the old text or the new one, never a part."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _is_of(profile: str, path: Path) -> bool:
    """Whether an earlier rendering of that profile wrote the file: a folder may hold other profiles' renderings too."""
    try:
        with path.open(encoding="utf-8") as file:
            return _mark(profile) in file.readline()
    except (OSError, UnicodeDecodeError):
        return False


def _mark(profile: str) -> str:
    return f"Rendered by portable from profile {profile}: "
