"""The plan as a picture: what is in it, and that no title breaks a form of it."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portable.graph import Picture, mermaid, page, picture, sheet, svg
from portable.model.findings import Finding
from tests.factories import full_plan, plan

ADDRESSES = {("player", "web"): "http://host:32400", ("torrents", "web"): "http://host:8080"}
FINDINGS = (
    Finding(field="x", path="apps.player", class_="function", text="plays <b>loud</b>", remedy="turn it down"),
    Finding(field="y", path="apps.torrents", class_="security", verdict="refused", app="torrents", text="leaks", remedy="stop"),
    Finding(field="z", path="apps", class_="cosmetic", text="blue", remedy="paint"),
)


@pytest.fixture(params=["compose", "kubernetes", "openshift"])
def full(request: pytest.FixtureRequest) -> Picture:
    return picture(full_plan(request.param), request.param, ADDRESSES, FINDINGS)


def titled(given: Picture, title: str) -> Picture:
    """The picture with that title for every app, and as the name of its stack."""
    rows = tuple(msgspec.structs.replace(row, title=title, zone=title) for row in given.rows)
    return msgspec.structs.replace(given, rows=rows, stack=title)


def texts(drawing: str) -> str:
    return " ".join("".join(text.itertext()) for text in ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text"))


class Page(HTMLParser):
    """What a browser would see: tags, links and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_rows_say_what_the_plan_says(full: Picture) -> None:
    rows = {row.app: row for row in full.rows}
    assert list(rows) == ["gateway", "torrents", "player", "sweep"]
    assert [(row.egress, row.gateway) for row in full.rows] == [("tunnel", True), ("tunnel", False), ("direct", False), ("direct", False)]
    assert rows["player"].containers == ("main", "tls", "store")
    assert rows["player"].ports == ("web 32400", "tls 8443")
    assert (rows["player"].library, rows["torrents"].library) == ("ro", "rw")
    assert (rows["player"].clouds, rows["player"].after) == (("shelf",), ("gateway",))
    assert {kept.holds for kept in rows["player"].keeps} == {"database", "cache"}
    assert rows["player"].devices == ("gpu",)
    assert (rows["player"].schedule, rows["sweep"].schedule) == (None, "30 4,16 1 6 5")


def test_every_app_is_in_every_form(full: Picture) -> None:
    for row in full.rows:
        assert row.title in texts(svg(full))
        assert f'"{row.title}' in mermaid(full)
        for form in (texts(svg(full)), mermaid(full), Page(page(full)).words, sheet(full).replace("`", "")):
            assert row.schedule is None or f"runs at {row.schedule}" in form
        assert row.title in Page(page(full)).words


def test_a_drawing_cuts_nothing_and_has_room_for_the_longest() -> None:
    def drawn(addresses: dict[tuple[str, str], str]) -> ET.Element:
        return ET.fromstring(svg(picture(full_plan("compose"), "compose", addresses, FINDINGS)))

    long = "https://player.a-long-name-of-a-place-that-somebody-has-at-home.example.test"
    wide = drawn(dict.fromkeys(ADDRESSES, long))
    assert long in texts(ET.tostring(wide, encoding="unicode"))
    assert float(wide.get("width", 0)) > float(drawn(ADDRESSES).get("width", 0)) + 200
    assert texts(svg(picture(plan(), "compose", {}, ()))), "nothing to draw is no mistake"


def test_a_drawing_shows_ways_out_clouds_and_order(full: Picture) -> None:
    drawing = svg(full)
    assert {"#2f7d4f", "#8a94a3"} <= set(re.findall(r'stroke="(#[0-9a-f]{6})"', drawing))
    assert "shelf" in texts(drawing)
    assert "player starts after gateway" in drawing
    assert drawing.count("<circle") == 3 + 1 + 2  # the library three times, the cloud once, and the legend


def test_mermaid_has_a_box_a_network_and_the_way_out(full: Picture) -> None:
    lines = mermaid(full).splitlines()
    assert lines[0] == "flowchart LR"
    assert sum(line.strip().startswith("subgraph") for line in lines) == sum(line.strip() == "end" for line in lines) == 3
    assert "  g0 == VPN ==> internet((internet))" in lines
    (reader,) = (line.split()[0] for line in lines if '--> library[("library: ' in line)
    writers = {line.split()[0] for line in lines if '==> library[("library: ' in line}
    titles = {line.split("[")[0].strip(): line.split('"')[1] for line in lines if line.startswith("    ") and '["' in line}
    assert titles[reader].startswith("Player")
    assert {titles[writer].split(" ")[0] for writer in writers} == {"Torrents", "Sweep"}


def test_a_page_tells_what_is_refused_first_and_loads_nothing(full: Picture) -> None:
    seen = Page(page(full))
    assert seen.words.index("leaks") < seen.words.index("plays <b>loud</b>")
    assert "blue" not in seen.words
    assert re.search(r"\b1 more cosmetic", seen.words)
    assert not {"script", "img", "link", "iframe", "object"} & set(seen.tags)
    assert seen.links == [reached.address for row in full.rows for reached in row.reached if reached.address]


def test_a_page_fits_a_narrow_screen(full: Picture) -> None:
    """What is wide scrolls in its own box, and each folder and address has a line of its own."""
    text = page(full)
    assert "initial-scale=1" in text
    assert text.count("<table") == text.count('<div class="wide" tabindex="0" role="region" aria-label="') - 1 == 2
    for wide in ("<table", "<svg"):
        assert all(before.rstrip().endswith(">") and 'class="wide"' in before.rstrip()[-80:] for before in text.split(wide)[:-1])
    for row in full.rows:
        for volume in row.keeps:
            assert f'<div class="line">{volume.holds} in <code>{volume.place}</code></div>' in text
        for called in row.called:
            assert f'<div class="line"><code>{called}</code></div>' in text


def test_code_is_set_as_code_and_stays_text() -> None:
    finding = Finding(field="x", path="apps", class_="function", text="`a <b>` and <i>", remedy="run `portable up`, it's `left open")
    made = picture(full_plan("compose"), "compose", {}, (finding,))
    text = page(made)
    assert "<td><code>a &lt;b&gt;</code> and &lt;i&gt;" in text
    assert "run <code>portable up</code>, it&#39;s `left open" in text
    assert any("`" in line for line in made.prepares)
    assert "`" not in text.replace("`left open", "").split("<h2>Prerequisites", 1)[1]


@settings(deadline=None)  # a page is drawn each time, which takes long where others use the machine
@given(title=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), min_size=1))
def test_any_title_stays_text(title: str) -> None:
    made = titled(picture(full_plan("compose"), "compose", ADDRESSES, FINDINGS), title)
    plain = titled(made, "x")
    assert [e.tag for e in ET.fromstring(svg(made)).iter()] == [e.tag for e in ET.fromstring(svg(plain)).iter()]
    assert Page(page(made)).tags == Page(page(plain)).tags
    assert [re.sub(r'"[^"]*"', '""', line) for line in mermaid(made).splitlines()[2:]] == [
        re.sub(r'"[^"]*"', '""', line) for line in mermaid(plain).splitlines()[2:]
    ]


def test_a_controller_is_led_to_the_files_once(full: Picture) -> None:
    applied = [line for line in full.prepares if "kubectl apply" in line]
    path = "clusters/home/media"
    wanted = [f"Once, run `kubectl apply --server-side -f {path}/gitops.yaml`: " + ("Flux" if full.back_end == "kubernetes" else "Argo CD")]
    assert [line.partition(" applies all")[0] for line in applied] == (wanted if full.back_end != "compose" else [])


def test_a_sheet_says_what_the_owner_prepares_and_what_is_accepted(full: Picture) -> None:
    waived = msgspec.structs.replace(FINDINGS[1], verdict="waived", reason="because | of it")
    text = sheet(msgspec.structs.replace(full, findings=(*FINDINGS, waived)))
    assert "| security | y | torrents | because \\| of it |" in text
    assert text.count("\n1. ") == 1
    assert any("VPN provider, for gateway; behind it: torrents" in line for line in full.prepares)
    secrets = [line for line in full.prepares if line.startswith("The secret")]
    login = "The secret `torrents-login`, key `hash`: `portable secrets set -p full torrents-login.hash`."
    assert (login in secrets) == (full.back_end == "compose")  # on the clusters of full plans, an operator fetches values
