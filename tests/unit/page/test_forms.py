"""The forms of a page: nothing in a fact becomes markup, a verdict is never a colour alone, and all forms have the same facts."""

import json
import re
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from portable.page.facts import PageFacts, PageLine, PageSection, age, moment, seconds_between
from portable.page.forms import html, json_of, text

NOW = "2026-11-30T12:00:00Z"


def facts(subject: str = "sonarr", about: str = "Mine", words: str = "it `runs`", at: str = "2026-11-27T03:15:00Z") -> PageFacts:
    lines = tuple(
        PageLine(subject=subject, verdict=verdict, text=words, at=at, command="portable up sonarr")
        for verdict in ("holds", "broken", "unknown", "note")
    )
    section = PageSection(name="apps", title="What `up` does", lines=lines)
    return PageFacts(stack="media", profile="nas", about=about, back_end="compose", engine="unix:///x", at=NOW, sections=(section,))


class Seen(HTMLParser):
    """What a browser would see: tags, attributes that load or lead somewhere, and text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.leads: list[str] = []
        self.words = ""
        self._skip = False
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._skip = tag in ("style", "title")
        self.leads += [f"{name}={value}" for name, value in attrs if name in ("href", "src", "action") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words += "" if self._skip else data


def test_a_page_is_self_contained_and_has_both_themes() -> None:
    document = html(facts())
    seen = Seen(document)
    assert seen.leads == ["href=data:,", "href=#apps"]
    assert {"script", "form", "iframe", "img"} & set(seen.tags) == set()
    assert "prefers-color-scheme: dark" in document
    assert "default-src 'none'" in document
    for words in ("✓ holds", "✗ broken", "? unknown", "· note", "portable up sonarr", "2026-11-27 03:15 UTC, 3 days before this page"):
        assert words in seen.words
    assert "<code>runs</code>" in document


@given(st.text(max_size=40))
@settings(max_examples=60)
def test_no_fact_becomes_markup(words: str) -> None:
    nasty = f"<script>alert(1)</script>\"'><img src=x onerror=y>{{{{ 7 * 7 }}}}{words}"
    plain, seen = Seen(html(facts())), Seen(html(facts(nasty, nasty, nasty)))
    assert set(seen.tags) == set(plain.tags)
    assert seen.leads == plain.leads
    assert "<script>alert(1)</script>" in seen.words
    assert "{{ 7 * 7 }}" in seen.words


def test_json_has_the_same_facts() -> None:
    document = json.loads(json.dumps(json_of(facts())))
    assert (document["schema"], document["counts"]) == ("portable/page/1", {"broken": 1, "unknown": 1, "note": 1, "holds": 1})
    assert document["sections"][0]["lines"][0] == {
        "subject": "sonarr",
        "verdict": "holds",
        "text": "it `runs`",
        "at": "2026-11-27T03:15:00Z",
        "command": "portable up sonarr",
    }


def test_text_has_a_line_and_a_command_each() -> None:
    written = text(facts()).splitlines()
    assert written[0] == "media in nas, 2026-11-30 12:00 UTC: 1 broken, 1 unknown, 1 note, 1 holds"
    assert written[3:5] == ["  holds    sonarr: it `runs` (3 days ago)", "           portable up sonarr"]


def test_a_time_that_is_none_never_counts_as_fresh() -> None:
    for wrong in ("", "yesterday", "0001-01-01T00:00:00Z", "2026"):
        assert moment(wrong) is None or wrong == "2026"
    assert seconds_between("yesterday", NOW) == float("inf")
    assert (age("yesterday", NOW), age("2026-11-30T11:59:00Z", NOW), age("2026-11-29T00:00:00Z", NOW)) == (
        "an unknown time",
        "less than 2 minutes",
        "36 hours",
    )
    assert moment("2026-11-30T12:00:00.123456789Z") is not None, "nanoseconds, as engines write them"
    assert "an unknown time before this page" in re.sub(r"\s+", " ", Seen(html(facts(at="yesterday"))).words)


def test_the_worst_line_marks_its_section() -> None:
    (section,) = facts().sections
    assert section.verdict == "broken"
    assert PageSection(name="x", title="x", lines=()).verdict == "note"
