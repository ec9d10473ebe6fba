"""Writes the facts of a page: as HTML and text for people, and as JSON for programs."""

from pathlib import Path
from typing import Any

import msgspec

from portable.graph.document import document
from portable.page.facts import PageFacts, age, moment

SCHEMA = "portable/page/1"
_MARKS = {"broken": "✗", "unknown": "?", "note": "·", "holds": "✓"}
"""A verdict is a word and a mark, never a colour alone."""


def html(facts: PageFacts) -> str:
    """Return a self-contained page in light and dark colours: it loads nothing and runs no script."""
    filters = {"clock": clock, "mark": _MARKS.__getitem__, "age": lambda at: age(at, facts.at)}
    return document(Path(__file__).parent / "page.html.j2", filters=filters, facts=facts)


def json_of(facts: PageFacts) -> dict[str, Any]:
    """Return the same facts as a document."""
    return {"schema": SCHEMA, **msgspec.to_builtins(facts), "counts": dict(facts.counts)}


def text(facts: PageFacts) -> str:
    """Return the same facts as lines of text: each section with its lines, worst first as they are, and the command below each line."""
    counted = ", ".join(f"{count} {verdict}" for verdict, count in facts.counts.items())
    written = [f"{facts.stack} in {facts.profile}, {clock(facts.at)}: {counted}"]
    for section in facts.sections:
        written += ["", section.title.replace("`", "")]
        for line in section.lines:
            when = f" ({age(line.at, facts.at)} ago)" if line.at else ""
            written.append(f"  {line.verdict:<8} {line.subject}: {line.text}{when}")
            written += [f"           {line.command}"] if line.command else []
    return "\n".join(written) + "\n"


def clock(at: str) -> str:
    """A time of RFC 3339 as people read it: `2026-11-30 20:15 UTC`; another text unchanged."""
    return found.strftime("%Y-%m-%d %H:%M UTC") if (found := moment(at)) else at
