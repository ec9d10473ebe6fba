"""`portable graph`: draw the plan."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from portable.cli import show
from portable.cli.formats import remember_format
from portable.cli.opening import prepared_for
from portable.cli.options import Catalogs, Profile, Set
from portable.model.errors import UsageError


class Form(StrEnum):
    """Format of a drawing."""

    mermaid = "mermaid"
    svg = "svg"
    html = "html"
    md = "md"
    json = "json"


_ENDINGS = {".mmd": Form.mermaid, ".svg": Form.svg, ".html": Form.html, ".md": Form.md, ".json": Form.json}


def graph(
    profile: Profile = "local",
    output_file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file instead of standard output.")
    ] = None,
    sets: Set = [],  # noqa: B006 - typer only reads it
    catalogs: Catalogs = [],  # noqa: B006
    form: Annotated[
        Form | None,
        typer.Option(
            "--format",
            callback=remember_format,
            help="Output format. Default: by the suffix of FILE (.mmd, .svg, .html, .md, .json), else mermaid.",
        ),
    ] = None,
) -> None:
    """Draw the apps of a profile, their networks and addresses.

    The drawing shows shared networks and their way to the internet, who mounts the library and cloud storage, and addresses. The html page
    also lists what you must prepare, every app's addresses and needs, and the findings. For a document, use md: it writes the drawing as a
    second file, svg, beside it. No format loads anything from the network.
    """
    import msgspec

    from portable import graph as drawing
    from portable.local.files import write_atomically

    if form is None and output_file is not None and output_file.suffix not in _ENDINGS:
        remedy = f"use a name that ends with {', '.join(_ENDINGS)}, or add --format svg"
        raise UsageError(f"the suffix of {output_file} names no known format", code="usage.graph-format", remedy=remedy)
    form = form or (_ENDINGS[output_file.suffix] if output_file else Form.mermaid)
    picture = drawing.drawn(prepared_for(profile, sets=sets, catalogs=catalogs))
    if form is Form.json:
        text = msgspec.json.format(msgspec.json.encode({"schema": "portable/graph/1", **msgspec.to_builtins(picture)})).decode() + "\n"
    else:
        text = {Form.mermaid: drawing.mermaid, Form.svg: drawing.svg, Form.html: drawing.page, Form.md: drawing.sheet}[form](picture)
    if output_file is None:
        show.raw(text.rstrip("\n"))
    else:
        output_file.parent.mkdir(parents=True, exist_ok=True)
        if form is Form.md:  # a document shows the drawing beside it
            beside = output_file.with_suffix(".svg")
            write_atomically(beside, drawing.svg(picture))
            show.line(f"wrote {beside}")
            text = text.replace(f"]({picture.profile}.svg)", f"]({beside.name})")
        write_atomically(output_file, text)
        show.line(f"wrote {output_file}")
