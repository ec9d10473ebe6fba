"""`portable graph`: the plan as a picture."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from portable.cli import show
from portable.cli.options import Catalogs, Profile, Set
from portable.model.errors import UsageError


class Form(StrEnum):
    """In what form a picture is drawn."""

    mermaid = "mermaid"
    svg = "svg"
    html = "html"
    md = "md"
    json = "json"


_ENDINGS = {".mmd": Form.mermaid, ".svg": Form.svg, ".html": Form.html, ".md": Form.md, ".json": Form.json}


def graph(
    profile: Profile = "local",
    output_file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there; else to standard output.")
    ] = None,
    sets: Set = [],  # noqa: B006 - typer reads it, nobody changes it
    catalogs: Catalogs = [],  # noqa: B006
    form: Annotated[
        Form | None, typer.Option("--format", help="Default: what FILE ends with (.mmd, .svg, .html, .md, .json), else mermaid.")
    ] = None,
) -> None:
    """Draw a place: who shares a network and how it gets out, what sees the library and the clouds, where people reach it.

    The page (html) also has what its owner prepares, every app's addresses and needs, and the findings; md is for documents.
    Each form is one file that loads nothing; beside an md, which shows it, the drawing is written too.
    """
    import msgspec

    from portable import graph as drawing
    from portable.backends.prepare import prepare
    from portable.local.files import write_atomically

    if form is None and output_file is not None and output_file.suffix not in _ENDINGS:
        raise UsageError(f"{output_file} says no form", remedy=f"let it end with {', '.join(_ENDINGS)}, or name one with --format")
    form = form or (_ENDINGS[output_file.suffix] if output_file else Form.mermaid)
    picture = drawing.drawn(prepare(profile, sets=sets, catalogs=catalogs))
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
