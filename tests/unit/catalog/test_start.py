"""A first file for an app of one's own: right as it is, whatever its words."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portable.catalog.catalog import Catalog
from portable.catalog.facts import FLOATING, NAME, AppFacts
from portable.catalog.start import start
from portable.formats.load import convert, load
from portable.model.errors import UsageError

DIGEST = "sha256:" + "0" * 64


def facts(name: str = "notes", image: str = "registry.example/notes:1", *, vpn: bool = False, library: str | None = None) -> AppFacts:
    return convert(load(("app.yaml", start(name, image, 8000, vpn=vpn, library=library, state="/config").encode())), AppFacts)


@pytest.mark.parametrize(
    ("image", "repository", "tag", "digest"),
    [
        ("notes:1.10", "docker.io/library/notes", "1.10", None),
        ("me/notes:1e3", "docker.io/me/notes", "1e3", None),
        (f"ghcr.io/me/notes:v1@{DIGEST}", "ghcr.io/me/notes", "v1", DIGEST),
        ("localhost:5000/notes:0o17", "localhost:5000/notes", "0o17", None),
        ("localhost/notes:on", "localhost/notes", "on", None),
    ],
)
def test_images(image: str, repository: str, tag: str, digest: str | None) -> None:
    found = facts(image=image).containers["main"].image
    assert (found.repository, found.tag, found.digest) == (repository, tag, digest)


def test_what_is_asked_for() -> None:
    plain, asked = facts(), facts(vpn=True, library="ro")
    assert (plain.egress, plain.containers["main"].library) == ("direct", None)
    assert (asked.egress, asked.containers["main"].library) == ("vpn", "ro")
    family = facts(image="lscr.io/linuxserver/heimdall:2.7.6").containers["main"]
    assert (family.identity, family.needs.root_start) == ("puid-pgid", True)


@pytest.mark.parametrize(
    ("name", "image", "state", "code"),
    [
        ("Notes", "x:1", "/c", "catalog.app-name"),
        ("notes", "x", "/c", "catalog.image-version"),
        ("notes", "x:latest", "/c", "catalog.image-version"),
        ("notes", "x:nightly", "/c", "catalog.image-version"),
        ("notes", f"x@{DIGEST}", "/c", "catalog.image-version"),
        ("notes", "x y:1", "/c", "catalog.image"),
        ("notes", "x:1", "config", "catalog.state-folder"),
        ("notes", "x:1", "/", "catalog.state-folder"),
    ],
)
def test_what_it_refuses(name: str, image: str, state: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        start(name, image, 80, vpn=False, library=None, state=state)
    assert caught.value.code == code
    wrong = {"catalog.app-name": name, "catalog.state-folder": state}.get(code, image)
    assert repr(wrong) in caught.value.text


@pytest.mark.parametrize("tag", ["", ":latest"])
def test_a_digest_without_a_version_is_refused_in_true_words(tag: str) -> None:
    image = f"registry.example:5000/notes{tag}@{DIGEST}"
    with pytest.raises(UsageError) as caught:
        start("notes", image, 80, vpn=False, library=None, state="/config")
    assert "is pinned by its digest" in caught.value.text
    assert "another image" not in caught.value.text
    assert caught.value.remedy == f"add the tag of that version: registry.example:5000/notes:TAG@{DIGEST}"


@given(
    name=st.from_regex(NAME.removesuffix("$") + r"\Z"),
    tag=st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z").filter(lambda tag: tag not in FLOATING),
    state=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="/"), min_size=1), min_size=1
    ).map(lambda parts: "/" + "/".join(parts)),
)
def test_any_words_come_back_as_they_were(name: str, tag: str, state: str) -> None:
    text = start(name, f"registry.example/x:{tag}", 8000, vpn=False, library=None, state=state)
    found = convert(load(("app.yaml", text.encode())), AppFacts)
    assert (found.name, found.containers["main"].image.tag, found.containers["main"].volumes["config"]) == (name, tag, state)


def test_an_app_with_a_schedule_has_no_port() -> None:
    text = start("tidy", "registry.example/tidy:1", None, vpn=False, library="rw", state="/config", schedule="30 4 * * 0")
    found = convert(load(("app.yaml", text.encode())), AppFacts)
    assert (found.schedule, found.ports, found.containers["main"].probe) == ("30 4 * * 0", {}, None)
    assert found.containers["main"].command


@pytest.mark.parametrize(
    ("port", "vpn", "schedule", "code"),
    [
        (None, False, None, "usage.option-missing"),
        (80, False, "30 4 * * 0", "usage.options-conflict"),
        (None, True, "30 4 * * 0", "usage.options-conflict"),
    ],
)
def test_a_port_or_a_schedule(port: int | None, vpn: bool, schedule: str | None, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        start("notes", "x:1", port, vpn=vpn, library=None, state="/c", schedule=schedule)
    assert caught.value.code == code
    assert caught.value.remedy


def test_a_start_as_root_is_explained() -> None:
    lines = start("h", "lscr.io/linuxserver/heimdall:2.7.6", 80, vpn=False, library=None, state="/config").splitlines()
    at = lines.index("    needs: {root-start: true}")
    assert "It starts as root" in lines[at - 1]


def test_it_is_an_app_of_the_catalog(tmp_path: Path) -> None:
    folder = tmp_path / "apps" / "notes"
    folder.mkdir(parents=True)
    (folder / "app.yaml").write_text(start("notes", "registry.example/notes:1", 8000, vpn=True, library="rw", state="/data"))
    assert Catalog((tmp_path,)).app("notes")[0].name == "notes"
