"""The page of a place, opened in a real browser: it lays it out, and says nothing against it."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from portable.backends.prepare import prepare
from portable.graph import drawn, page
from tests.lab import chromium
from tests.lab.engine import LabError, bring_engine
from tests.shipped import PROFILES

MEASURE = """<script>
addEventListener("load", () => {
  const box = (e) => { const r = e.getBoundingClientRect(); return Math.round(r.width) + "x" + Math.round(r.height) };
  document.title = ["svg", "#apps", "#prepares"].map((what) => box(document.querySelector(what))).join(" ");
});
</script>"""
"""Put into a copy of the page, without its policy: how large things came out."""


WIDTHS = """<script>
addEventListener("load", () => {
  const wide = [...document.querySelectorAll(".wide")];
  document.title = [innerWidth, document.documentElement.scrollWidth, wide.filter((e) => e.scrollWidth > e.clientWidth).length].join(" ");
});
</script>"""
"""Put into a copy of the page: the width of the window and of what can be scrolled to, and how many boxes scroll inside."""
PHONE = 500


class Seen(HTMLParser):
    """The document as the browser has it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows = self.circles = 0
        self.title = ""
        self._in: list[str] = []
        self._table = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in.append(tag)
        if tag == "table":
            self._table = dict(attrs).get("id") or ""
        self.rows += tag == "tr" and self._table == "apps" and "tbody" in self._in
        self.circles += tag == "circle"

    def handle_endtag(self, tag: str) -> None:
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._in[-1:] == ["title"] and "svg" not in self._in:
            self.title += data


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    try:
        engine = bring_engine()
    except LabError as error:
        pytest.fail(str(error))
    yield chromium.bring(engine)
    engine.close()


@pytest.mark.parametrize("name", PROFILES)
def test_a_browser_shows_the_page(name: str, image: str, tmp_path: Path) -> None:
    place = drawn(prepare(name, folder=tmp_path))
    dom, said = chromium.opened(image, page(place), "--dump-dom")
    seen = Seen(dom.decode())
    assert seen.rows == len(place.rows)
    assert seen.circles > 0
    assert seen.title == f"{place.stack} in {place.profile}"
    assert "CONSOLE" not in said, said


def test_what_is_drawn_has_a_size(image: str, tmp_path: Path) -> None:
    text = page(drawn(prepare("openshift", folder=tmp_path)))
    policy = text[text.index('<meta http-equiv="Content-Security-Policy"') :].split("\n", 1)[0]
    dom, _ = chromium.opened(image, text.replace(policy, MEASURE), "--dump-dom")
    sizes = [tuple(map(int, size.split("x"))) for size in Seen(dom.decode()).title.split()]
    assert len(sizes) == 3
    assert all(width > 300 and height > 100 for width, height in sizes), sizes


@pytest.mark.parametrize("name", PROFILES)
def test_wide_tables_scroll_inside_a_narrow_window(name: str, image: str, tmp_path: Path) -> None:
    text = page(drawn(prepare(name, folder=tmp_path)))
    policy = text[text.index('<meta http-equiv="Content-Security-Policy"') :].split("\n", 1)[0]
    measured = {}
    for kind, document in (("real", text), ("broken", text.replace("overflow-x: auto", "overflow-x: visible"))):
        dom, _ = chromium.opened(image, document.replace(policy, WIDTHS), f"--window-size={PHONE},900", "--dump-dom")
        measured[kind] = tuple(map(int, Seen(dom.decode()).title.split()))
    inner, scrolled, boxes = measured["real"]
    assert (inner, scrolled <= inner, boxes > 0) == (PHONE, True, True), measured
    assert measured["broken"][1] > PHONE, "the test would not see a table that sticks out"


def test_the_policy_keeps_scripts_out_and_the_browser_says_so(image: str, tmp_path: Path) -> None:
    """What the tests above take for silence can speak."""
    broken = page(drawn(prepare("local", folder=tmp_path))).replace("</body>", MEASURE + "</body>")
    dom, said = chromium.opened(image, broken, "--dump-dom")
    assert Seen(dom.decode()).title == "media in local"
    assert "CONSOLE" in said
