"""Write a picture as SVG: one row for each app, one box for each network, dots for library and clouds.

Rows stay readable with forty apps; boxes joined by lines do not.
"""

from typing import Final
from xml.etree import ElementTree as ET

from portable.graph.picture import Picture, PictureRow

_ROW: Final = 26
_TOP: Final = 92
_ARCS: Final = 70
_GAP: Final = 8
_DOT: Final = 86
_LEAST: Final = {"app": 200, "zone": 100, "listens on": 150, "reached at": 200, "keeps its state in": 200}
"""Least widths of the text columns, in pixels. Columns grow with their content, so that no text is cut."""
_LETTER: Final = 7.4
"""Pixels for one letter: a high average of these texts in the fonts of common systems."""
_COLOURS: Final = {"tunnel": ("#e7f4ea", "#2f7d4f"), "sealed": ("#fdf1dc", "#b7791f"), "direct": ("#f6f7f9", "#8a94a3")}
_INK, _QUIET, _LINE = "#1d2733", "#5b6673", "#3867b5"
_STYLE: Final = f"""
text {{ font: 13px system-ui, sans-serif; fill: {_INK}; }}
.head {{ font-weight: 600; fill: {_QUIET}; }}
.quiet {{ fill: {_QUIET}; }}
.name {{ font-weight: 600; }}
.title {{ font-size: 20px; font-weight: 600; }}
"""


def svg(picture: Picture) -> str:
    """Return a self-contained drawing: no script, and no external font or picture."""
    words = {row.app: _words(row) for row in picture.rows}
    wides = {name: max([least, *(round(16 + _LETTER * len(texts[name])) for texts in words.values())]) for name, least in _LEAST.items()}
    wides |= dict.fromkeys(("library", *picture.clouds), _DOT)
    lefts, width = {}, _ARCS
    for name in ("app", "zone", "listens on", "reached at", "library", *picture.clouds, "keeps its state in"):
        wide = wides[name]
        lefts[name] = width
        width += wide
    height = _TOP + sum(len(rows) * _ROW + _GAP for rows in picture.boxes) + 44
    root = ET.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width + 20} {height}", "width": str(width + 20), "height": str(height)},
    )
    root.set("role", "img")
    ET.SubElement(root, "title").text = f"{picture.stack} in {picture.profile}"
    ET.SubElement(root, "style").text = _STYLE
    ET.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    _text(root, 20, 34, f"{picture.stack} in {picture.profile}", "title")
    _text(root, 20, 56, f"back end {picture.back_end}, library {picture.library}", "quiet")
    for name, left in lefts.items():
        _text(root, left + 8, _TOP - 12, name, "head")
    middle: dict[str, float] = {}
    top = float(_TOP)
    for rows in picture.boxes:
        fill, line = _COLOURS[rows[0].egress]
        box = {"x": str(_ARCS), "y": str(top), "width": str(width - _ARCS), "height": str(len(rows) * _ROW), "rx": "6", "fill": fill}
        ET.SubElement(root, "rect", {**box, "stroke": line, "stroke-width": "1.5" if rows[0].egress != "direct" else "0.5"})
        for row in rows:
            middle[row.app] = top + _ROW / 2
            _row(root, row, words[row.app], lefts, top + _ROW / 2 + 4, picture)
            top += _ROW
        top += _GAP
    _arcs(root, picture, middle)
    _legend(root, top + 22)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _words(row: PictureRow) -> dict[str, str]:
    """Return the text of each column."""
    reached = [f"runs at {row.schedule}"] if row.schedule else [r.address or f"{r.how} {r.number}" for r in row.reached]
    more = f" and {len(reached) - 1} more" if len(reached) > 1 else ""
    return {
        "app": " ".join((row.title, *_marks(row))),
        "zone": row.zone,
        "listens on": ", ".join(row.ports),
        "reached at": reached[0] + more if reached else "by other apps only" if row.ports else "",
        "keeps its state in": ", ".join(volume.place for volume in row.keeps if volume.holds != "cache") or "nothing",
    }


def _marks(row: PictureRow) -> tuple[str, ...]:
    return (*(["gateway"] if row.gateway else []), *row.devices)


def _row(root: ET.Element, row: PictureRow, words: dict[str, str], lefts: dict[str, int], base: float, picture: Picture) -> None:
    parent = ET.SubElement(root, "g")
    ET.SubElement(parent, "title").text = f"{row.title}, zone {row.zone}; containers: {', '.join(row.containers)}"
    name = _text(parent, lefts["app"] + 8, base, row.title, "name")
    if marks := _marks(row):
        ET.SubElement(name, "tspan", {"class": "quiet", "font-weight": "400", "dx": "8"}).text = " ".join(marks)
    for column in ("zone", "listens on", "reached at", "keeps its state in"):
        kind = "" if column == "reached at" and (row.reached or row.schedule) else "quiet"
        _text(parent, lefts[column] + 8, base, words[column], kind)
    if row.library:
        _dot(parent, lefts["library"], base, writes=row.library == "rw")
    for cloud in picture.clouds:
        if cloud in row.clouds:
            _dot(parent, lefts[cloud], base, writes=False)


def _arcs(root: ET.Element, picture: Picture, middle: dict[str, float]) -> None:
    """Draw an arc at the left side from each app to the apps that it waits for; longer arcs reach further out."""
    for row in picture.rows:
        for after in row.after:
            if after in middle:
                start, end = middle[row.app], middle[after]
                out = min(_ARCS - 12, 12 + abs(start - end) / 8)
                path = f"M {_ARCS} {end} C {_ARCS - out} {end} {_ARCS - out} {start} {_ARCS - 6} {start}"
                arc = ET.SubElement(root, "path", {"d": path, "fill": "none", "stroke": _LINE, "stroke-width": "1.2"})
                ET.SubElement(arc, "title").text = f"{row.app} starts after {after}"
                tip = f"{_ARCS},{start} {_ARCS - 7},{start - 4} {_ARCS - 7},{start + 4}"
                ET.SubElement(root, "polygon", {"points": tip, "fill": _LINE})


def _legend(root: ET.Element, base: float) -> None:
    words = {"tunnel": "behind the VPN", "sealed": "reaches local networks only", "direct": "direct"}
    left = float(_ARCS)
    for egress, text in words.items():
        fill, line = _COLOURS[egress]
        ET.SubElement(
            root, "rect", {"x": str(left), "y": str(base - 12), "width": "22", "height": "14", "rx": "3", "fill": fill, "stroke": line}
        )
        _text(root, left + 28, base, text, "quiet")
        left += 60 + 7 * len(text)
    _dot(root, int(left) - 28, base, writes=True)
    _text(root, left + 8, base, "reads and writes", "quiet")
    _dot(root, int(left) + 104, base, writes=False)
    _text(root, left + 138, base, "reads", "quiet")


def _dot(root: ET.Element, left: int, base: float, *, writes: bool) -> None:
    ET.SubElement(
        root,
        "circle",
        {"cx": str(left + 28), "cy": str(base - 4), "r": "5", "fill": _LINE if writes else "#ffffff", "stroke": _LINE, "stroke-width": "2"},
    )


def _text(root: ET.Element, left: float, base: float, text: str, kind: str) -> ET.Element:
    made = ET.SubElement(root, "text", {"x": str(left), "y": str(base), **({"class": kind} if kind else {})})
    made.text = text
    return made
