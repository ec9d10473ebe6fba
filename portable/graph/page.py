"""Write a picture as one HTML page: the drawing, all apps with their addresses and needs, and the findings."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from portable.graph.picture import Picture
from portable.graph.svg import svg
from portable.model.findings import CLASSES

if TYPE_CHECKING:
    from markupsafe import Markup


def page(picture: Picture) -> str:
    """Return a self-contained page: it loads no other file and runs no script."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["code"] = _with_code
    template = environment.from_string((Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8"))
    findings = [finding for finding in picture.findings if finding.class_ != "cosmetic"]
    findings.sort(key=lambda finding: (finding.verdict != "refused", CLASSES.index(finding.class_), finding.app or "", finding.path))
    return template.render(picture=picture, drawing=svg(picture), findings=findings, hidden=len(picture.findings) - len(findings)) + "\n"


def _with_code(text: str) -> "Markup":
    """Return a text with its backticks as code; everything in it stays text."""
    from markupsafe import Markup, escape

    parts = re.split(r"`([^`]+)`", text)  # what stood between backticks is at the odd places
    return Markup("").join(Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
