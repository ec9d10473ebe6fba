"""Write a picture as one HTML page: the drawing, all apps with their addresses and needs, and the findings."""

from pathlib import Path

from portable.graph.document import document
from portable.graph.picture import Picture
from portable.graph.svg import svg
from portable.model.findings import CLASSES


def page(picture: Picture) -> str:
    """Return a self-contained page: it loads no other file and runs no script."""
    findings = [finding for finding in picture.findings if finding.class_ != "cosmetic"]
    findings.sort(key=lambda finding: (finding.verdict != "refused", CLASSES.index(finding.class_), finding.app or "", finding.path))
    hidden = len(picture.findings) - len(findings)
    return document(Path(__file__).parent / "page.html.j2", picture=picture, drawing=svg(picture), findings=findings, hidden=hidden)
