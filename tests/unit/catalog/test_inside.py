"""Nothing outside the folder of a catalog is read, whichever of its files leads there."""

from pathlib import Path
from typing import Any

import pytest

from portable.catalog.catalog import Catalog
from portable.catalog.inside import LARGEST, links_out, read_inside
from portable.formats.emit import dump
from portable.model.errors import InputError
from tests.unit.planning import Place, app, cloud

SECRET = "root:x:0:0"
FILES: dict[str, Any] = {"containers": {"main": {"files": [{"template": "conf.j2", "path": "/conf"}]}}}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "passwd").write_text(SECRET)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "catalog").mkdir()
    return Place(tmp_path / "catalog")


@pytest.mark.parametrize("way", ["absolute", "relative", "folder", "two links", "circle", "device", "missing"])
def test_a_template_outside_is_refused(place: Place, outside: Path, way: str) -> None:
    place.write(app("one", **FILES))
    template = place.folder / "apps" / "one" / "conf.j2"
    match way:
        case "absolute":
            template.symlink_to(outside / "passwd")
        case "relative":
            template.symlink_to("../../../outside/passwd")
        case "folder":
            (template.parent / "sub").symlink_to(outside)
            template.symlink_to("sub/passwd")
        case "two links":
            (template.parent / "other").symlink_to(outside / "passwd")
            template.symlink_to("other")
        case "circle":
            template.symlink_to("conf.j2")
        case "device":
            template.symlink_to("/dev/zero")
        case "missing":
            template.symlink_to(outside / "missing")
    text = place.mistakes("one")
    assert "[template.outside]" in text or (way == "circle" and "[template.unreadable]" in text)
    assert SECRET not in text
    assert "apps/one/app.yaml:" in text


def test_a_huge_template_and_one_that_is_no_file(place: Place) -> None:
    place.write(app("one", **FILES))
    template = place.folder / "apps" / "one" / "conf.j2"
    template.write_bytes(b"x" * (LARGEST + 1))
    assert "[template.outside]" in place.mistakes("one")
    template.unlink()
    template.mkdir()
    assert "[template.outside]" in place.mistakes("one")


def test_a_link_inside_the_catalog_is_followed(place: Place) -> None:
    place.write(app("one", **FILES), app("two"), templates={"two/shared.j2": "shared\n"})
    (place.folder / "apps" / "one" / "conf.j2").symlink_to("../two/shared.j2")
    assert [file.body for file in place.plan("one").plan.files if file.id == "one-conf"] == [("shared\n",)]


def test_a_catalog_may_itself_be_a_link(place: Place, tmp_path: Path) -> None:
    place.write(app("one", **FILES), templates={"one/conf.j2": "text\n"})
    (tmp_path / "link").symlink_to(place.folder)
    assert Place(tmp_path / "link").plan("one").plan.files


def test_the_template_of_a_cloud(place: Place, outside: Path) -> None:
    place.write(app("one"), clouds=(cloud("box"),))
    config = place.folder / "clouds" / "box" / "conf.j2"
    config.unlink()
    config.symlink_to(outside / "passwd")
    assert "[template.outside]" in place.mistakes("one", clouds=["box"])


@pytest.mark.parametrize("whole", [False, True])
def test_a_file_of_facts_outside_is_refused(place: Place, outside: Path, whole: bool) -> None:
    (outside / "one").mkdir()
    (outside / "one" / "app.yaml").write_text(dump(app("one")))
    (place.folder / "apps").mkdir()
    if whole:
        (place.folder / "apps" / "one").symlink_to(outside / "one")
    else:
        (place.folder / "apps" / "one").mkdir()
        (place.folder / "apps" / "one" / "app.yaml").symlink_to(outside / "one" / "app.yaml")
    with pytest.raises(InputError, match=r"app\.yaml:1:1: .*\[catalog\.outside\]"):
        Catalog([place.folder]).app("one")


@pytest.mark.parametrize("way", ["file", "folder", "whole"])
def test_a_recipe_that_leads_outside_is_refused(place: Place, outside: Path, way: str) -> None:
    place.write(app("one", containers={"main": {"recipe": "one"}}))
    image = place.folder / "apps" / "one" / "image"
    if way == "whole":
        (outside / "Dockerfile").write_text("FROM scratch\n")
        image.symlink_to(outside)
    else:
        image.mkdir()
        (image / "Dockerfile").write_text("FROM scratch\nCOPY stolen /\n")
        (image / "stolen").symlink_to(outside / "passwd" if way == "file" else outside)
    text = place.mistakes("one")
    assert "[catalog.outside]" in text
    assert SECRET not in text
    assert "one" not in Catalog([place.folder]).recipes


def test_a_recipe_with_links_inside_the_catalog(place: Place) -> None:
    place.write(app("one", containers={"main": {"recipe": "one"}}), app("two"), templates={"two/start.sh": "exec app\n"})
    image = place.folder / "apps" / "one" / "image"
    image.mkdir()
    (image / "Dockerfile").write_text("FROM scratch\n")
    (image / "start.sh").symlink_to("../../two/start.sh")
    assert list(links_out(image, place.folder)) == []
    assert place.plan("one").plan.apps[0].containers[0].image.recipe == "one"


def test_a_gateways_providers_outside(place: Place, outside: Path) -> None:
    from portable.catalog.gateways import PROVIDERS, providers_of

    folder = place.folder / "apps" / "mine"
    folder.mkdir(parents=True)
    (folder / PROVIDERS).symlink_to(outside / "passwd")
    with pytest.raises(InputError, match=r"\[catalog\.outside\]"):
        providers_of(folder)


def test_dots_lead_outside(tmp_path: Path, outside: Path) -> None:
    with pytest.raises(OSError, match="outside the catalog"):
        read_inside(tmp_path / "catalog" / ".." / "outside" / "passwd", tmp_path / "catalog")
