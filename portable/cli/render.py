"""`portable render`: the files of a profile's back end, in a folder or on standard output."""

from pathlib import Path
from typing import Annotated

import typer

from portable.cli import show
from portable.cli.opening import prepared_for
from portable.cli.options import Catalogs, Format, Output, Profile, Set, Strict, named_path
from portable.model.errors import DIFFERENCES, UsageError


def render(
    profile: Profile = "local",
    output_folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", parser=named_path, help="Write to this folder instead of standard output."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing. Exit 3 if the files in FOLDER differ.")] = False,
    sets: Set = [],  # noqa: B006 - typer only reads it
    catalogs: Catalogs = [],  # noqa: B006
    strict: Strict = False,
    output: Output = Format.text,
) -> int:
    """Render the files of a profile for its back end.

    The files are complete: use them with `docker compose -f FOLDER/compose.yaml` or a GitOps controller. findings.md lists the
    compromises of the translation; `portable explain` prints them with file and line.
    """
    from portable.backends.output import differing, texts, write
    from portable.backends.prepare import refuse_unsafe

    if check and output_folder is None:
        raise UsageError("--check needs a folder to compare with", code="usage.option-missing", remedy="add --output FOLDER")
    prepared = prepared_for(profile, sets=sets, catalogs=catalogs)
    refuse_unsafe(prepared, strict=strict)
    planned = prepared.planned
    compose = planned.given.profile.traits.interpolates
    files = texts(prepared.rendering, prepared.ledger, compose=compose, profile=planned.plan.profile)
    code, lines = 0, []
    if output_folder is None:
        lines = ["---\n".join(text for name, text in files.items() if name.endswith(".yaml")).rstrip("\n")]
    elif check:
        wanted, stale = differing(files, output_folder, prepared.planned.plan.profile)
        lines = [*(f"differs: {path}" for path in wanted), *(f"obsolete: {path}" for path in stale)]
        code = DIFFERENCES if lines else 0
    else:
        changed = write(files, output_folder, prepared.planned.plan.profile)
        lines = [f"wrote {path}" if path.exists() else f"removed {path}" for path in changed] or [f"{output_folder} is up to date"]
    if output is Format.json:
        show.document({"schema": "portable/render/1", "files": files})
    else:
        for line in lines:
            show.raw(line)
    return code
