"""Tables, sentences and JSON on standard output. Commands in them carry the profile in use, in every format."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from portable.cli.hints import typed
from portable.cli.options import Format


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], output: Format, *, schema: str) -> None:
    """Print rows under headings; as JSON an object with the schema's name and a list of objects keyed by heading."""
    rows = [[_typed(cell) for cell in row] for row in rows]
    if output is Format.json:
        keys = [h.lower().replace(" ", "_") for h in headings]
        document({"schema": f"portable/{schema}/1", schema: [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    text = [[_text(cell) for cell in row] for row in rows]
    widths = [max([len(h), *(len(row[i]) for row in text)]) for i, h in enumerate(headings)]
    for row in [[h.upper() for h in headings], *text]:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")


def document(value: Any) -> None:
    """Print JSON, with keys in their order and texts unchanged."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def compact(value: Any) -> None:
    """Print JSON on one line, for output that has no end of its own."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def line(text: str = "") -> None:
    """Print a sentence."""
    sys.stdout.write(typed(text) + "\n")


def raw(text: str) -> None:
    """Print a document, or the output of an app, unchanged."""
    sys.stdout.write(text + "\n")


def _typed(cell: object) -> object:
    if isinstance(cell, str):
        return typed(cell)
    return [_typed(inner) for inner in cell] if isinstance(cell, list | tuple) else cell


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, list | tuple):
        return ", ".join(map(str, cell)) or "-"
    return str(cell).replace("\n", " ")
