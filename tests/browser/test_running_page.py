"""The page of a running place in a real browser: both themes, at the width of a desk and of a phone, without an error."""

from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from portable.backends.prepare import prepare
from portable.page.collect import collect
from portable.page.facts import ORDER, PageFacts, PageLine, PageSection, worded
from portable.page.forms import html
from tests.browser.test_page import image
from tests.lab import chromium
from tests.unit.page.test_collect import NOW, PageDriver

__all__ = ["image"]
MEASURE = """<script>
addEventListener("load", () => {
  const root = document.documentElement, lines = [...document.querySelectorAll(".lines > li")];
  document.title = [matchMedia("(prefers-color-scheme: dark)").matches, innerWidth, root.scrollWidth,
    getComputedStyle(document.body).backgroundColor.replaceAll(" ", ""), lines.length,
    Math.max(...lines.map((line) => Math.round(line.getBoundingClientRect().right)))].join(" ");
});
</script>"""
"""Put into a copy of the page, without its policy: the theme, and whether something sticks out."""
BACKGROUNDS = {"dark": "rgb(20,25,31)", "light": "rgb(255,255,255)"}
LONG = f"sha256:{'0123456789abcdef' * 12}"
"""A word that a browser can break nowhere, unless it is told to."""


class Titled(HTMLParser):
    """The title of a document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.title, self._is_in = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_in = tag == "title"

    def handle_data(self, data: str) -> None:
        self.title += data if self._is_in else ""

    def handle_endtag(self, tag: str) -> None:
        self._is_in = False


@pytest.fixture
def facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PageFacts:
    """A place with every section, and lines of each verdict whose words are long everywhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    prepared = prepare("zimaboard", folder=tmp_path)
    found = collect(PageDriver(prepared), prepared, beacon=None, now=NOW)
    long = tuple(PageLine(subject=LONG, verdict=v, text=f"{LONG} `{LONG}`", at=NOW, command=f"`portable up {LONG}`") for v in ORDER)
    section = PageSection(name="long", title="Long words", lines=long)
    return worded(msgspec.structs.replace(found, about=LONG, engine=LONG, sections=(*found.sections, section)), lambda text: text)


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("theme", BACKGROUNDS)
def test_both_themes_fit_a_desk_and_a_phone(theme: str, width: int, image: str, facts: PageFacts) -> None:
    options = (f"--window-size={width},900", f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}", "--dump-dom")
    document = html(facts)
    dom, said = chromium.opened(image, document, *options)
    assert "CONSOLE" not in said, said
    assert Titled(dom.decode()).title == Titled(document).title
    policy = document[document.index('<meta http-equiv="Content-Security-Policy"') :].split("\n", 1)[0]
    dom, _ = chromium.opened(image, document.replace(policy, MEASURE), *options)
    is_dark, inner, scrolled, background, lines, right = Titled(dom.decode()).title.split()
    assert (is_dark, int(inner), background) == (str(theme == "dark").lower(), width, BACKGROUNDS[theme])
    assert int(scrolled) <= width
    assert 0 < int(right) <= width
    assert int(lines) == sum(len(section.lines) for section in facts.sections)
