"""`portable render`: what a profile becomes, as files or on standard output."""

from pathlib import Path
from typing import Annotated

import typer

from portable.cli import show
from portable.cli.options import Catalogs, Format, Output, Profile, Set, Strict
from portable.model.errors import DIFFERENCES


def render(
    profile: Profile = "local",
    output_folder: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Write files there; else to standard output.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 3 where the files in FOLDER differ.")] = False,
    sets: Set = [],  # noqa: B006 - typer reads it, nobody changes it
    catalogs: Catalogs = [],  # noqa: B006
    strict: Strict = False,
    output: Output = Format.text,
) -> int:
    """Render a profile for its back end.

    The files are complete: `docker compose -f FOLDER/compose.yaml` or a GitOps controller can use them. What is not plainly
    translated stands in findings.md; `portable explain` prints the same with file and line.
    """
    from portable.backends.output import texts, write
    from portable.backends.prepare import prepare, refuse_unsafe

    prepared = prepare(profile, sets=sets, catalogs=catalogs)
    refuse_unsafe(prepared, strict=strict)
    files = texts(prepared.rendering, prepared.ledger, compose=prepared.back_end.name == "compose", profile=prepared.planned.plan.profile)
    if output is Format.json:
        show.document({"schema": "portable/render/1", "files": files})
    if output_folder is None:
        if output is Format.text:
            show.line("---\n".join(text for name, text in files.items() if name.endswith(".yaml")).rstrip("\n"))
        return 0
    if check:
        stale = [n for n, text in files.items() if not (f := output_folder / n).is_file() or f.read_text(encoding="utf-8") != text]
        for name in stale if output is Format.text else ():
            show.line(f"differs: {output_folder / name}")
        return DIFFERENCES if stale else 0
    changed = write(files, output_folder, prepared.planned.plan.profile)
    for path in changed if output is Format.text else ():
        show.line(f"wrote {path}" if path.exists() else f"removed {path}")
    if not changed and output is Format.text:
        show.line(f"{output_folder} is up to date")
    return 0
