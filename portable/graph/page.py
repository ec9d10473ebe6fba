"""The picture as one page of HTML: the drawing, every app with its addresses and needs, and the findings."""

from pathlib import Path

from portable.graph.picture import Picture
from portable.graph.svg import svg
from portable.model.findings import CLASSES


def page(given: Picture) -> str:
    """One file, complete in itself: it loads nothing and runs nothing, so that it can be sent and kept."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8"))
    told = [finding for finding in given.findings if finding.class_ != "cosmetic"]
    told.sort(key=lambda finding: (finding.verdict != "refused", CLASSES.index(finding.class_), finding.app or "", finding.path))
    return template.render(picture=given, drawing=svg(given), findings=told, hidden=len(given.findings) - len(told)) + "\n"
