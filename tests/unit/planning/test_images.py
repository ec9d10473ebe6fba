"""Images that were taken in the place of those that the files say, and when what a person says wins over them."""

from typing import Any

import pytest

from portable.catalog.catalog import Catalog
from portable.formats.emit import dump
from portable.formats.merge import merged
from portable.planning import Planned, make
from portable.planning.inputs import PlanInput
from portable.profiles.load import load_profile, profile_files
from portable.profiles.types import StackFile
from tests.unit.planning import COMPOSE, VPN, Place, app

OLD, NEW, OTHER = (f"sha256:{digit * 64}" for digit in "012")
AT = "registry.test/one:1"


def pinned(name: str, digest: str | None = OLD, **image: str) -> dict[str, Any]:
    return app(name, containers={"main": {"image": {"digest": digest, **image}}})


def images(more: str = "", instead: str = f"{AT}@{OLD}", container: str = "main") -> str:
    """The file, with one entry that went from OLD to NEW."""
    entry = f"{{instead-of: '{instead}', digest: '{NEW}', before: '{OLD}'}}"
    return f"portable: 1\nimages:\n  one: {{at: 2026-11-21T03:00:00Z, {more}containers: {{{container}: {entry}}}}}\n"


def runs(planned: Planned) -> str:
    return planned.plan.apps[0].containers[0].image.reference


def told(planned: Planned) -> list[tuple[str, str, str]]:
    """(code, text, place) of each finding on images."""
    found = [f for f in planned.findings if f.field.startswith("images")]
    assert {f.code: f.field for f in found}.items() <= {"image.update-unused": "images", "image.update-unfinished": "images.step"}.items()
    return [(f.code, f.text, str(f.where)) for f in found]


@pytest.mark.parametrize(
    ("image", "is_floating"),
    [
        ({"tag": "latest"}, True),
        ({"tag": "stable"}, True),
        ({"tag": "nightly"}, True),
        ({"tag": "latest", "digest": OLD}, False),
        ({"tag": "1.4.2"}, False),
        ({"tag": "stable-1.4"}, False),
    ],
)
@pytest.mark.parametrize("whose", ["catalog", "profile", "stack"])
def test_a_tag_without_a_version_is_a_finding(place: Place, image: dict[str, Any], is_floating: bool, whose: str) -> None:
    over: Any = {"one": {"containers": {"main": {"image": {"digest": None, **image}}}}}
    place.write(pinned("one", image.get("digest"), tag=image["tag"]) if whose == "catalog" else pinned("one"))
    stack = dump({"apps": ["one"], "override": over}) if whose == "stack" else None
    planned = place.plan("one", stack=stack, override=over if whose == "profile" else {})
    found = [f for f in planned.findings if f.field == "images.tag"]
    assert [(f.code, f.app, f.class_, f.verdict) for f in found] == [("image.floating", "one", "data", "noted")] * is_floating
    files = {"catalog": "app.yaml:", "profile": "test.yaml:", "stack": "portable.yaml:"}
    assert all(files[whose] in str(f.where) for f in found)


def test_an_entry_takes_the_place_of_what_the_files_say(place: Place) -> None:
    planned = place.write(pinned("one")).plan("one", images=images())
    assert (runs(planned), told(planned)) == (f"{AT}@{NEW}", [])
    assert planned.chosen.apps["one"].pinned == {"main": f"{AT}@{OLD}"}
    assert runs(place.plan("one")) == f"{AT}@{OLD}"


@pytest.mark.parametrize("step", ["going-back", "restoring"])
def test_going_back_the_image_of_before_runs_already(place: Place, step: str) -> None:
    planned = place.write(pinned("one")).plan("one", images=images(f"step: {step}, "))
    assert runs(planned) == f"{AT}@{OLD}"
    ((code, text, where),) = told(planned)
    assert code == "image.update-unfinished"
    assert all(word in text for word in ("rollback", "one", "2026-11-21T03:00:00Z"))
    options = "one --with-state" if step == "restoring" else "one"
    (remedy,) = [found.remedy for found in planned.findings if found.field == "images.step"]
    assert f"`portable rollback {options}`" in remedy
    assert where.startswith("test.images.yaml:3:")


@pytest.mark.parametrize(
    "image", [{"tag": "2"}, {"digest": OTHER}, {"digest": NEW}, {"digest": None}, {"repository": "registry.test/two"}], ids=str
)
@pytest.mark.parametrize("whose", ["catalog", "profile", "stack"])
def test_what_a_person_or_the_catalog_says_now_wins(place: Place, image: dict[str, str | None], whose: str) -> None:
    """Another tag, another digest, none, another repository: an entry is about one image only."""
    said = {"containers": {"main": {"image": image}}}
    stack = f"portable: 1\noverride: {{one: {said}}}\n".replace("None", "null") if whose == "stack" else None
    changed = pinned("one", **image) if whose == "catalog" else pinned("one")  # type: ignore[arg-type]
    planned = place.write(changed).plan("one", images=images(), stack=stack, override={"one": said} if whose == "profile" else {})
    inherited = OLD if whose == "catalog" or not {"tag", "repository"} & image.keys() else None
    found = {"repository": "registry.test/one", "tag": "1", "digest": inherited, **image}
    now = f"{found['repository']}:{found['tag']}" + (f"@{found['digest']}" if found["digest"] else "")
    assert runs(planned) == now
    ((code, text, where),) = told(planned)
    assert (code, where) == ("image.update-unused", "test.images.yaml:3:54")
    assert all(word in text for word in ("2026-11-21T03:00:00Z", "one", f"{AT}@{OLD},"))
    assert text.endswith(f" {now}")


def test_a_container_that_is_gone_and_an_app_that_does_not_run_here(place: Place) -> None:
    place.write(pinned("one"), pinned("two"))
    ((code, text, _),) = told(place.plan("one", images=images(container="gone")))
    assert code == "image.update-unused"
    assert text.endswith("container gone")
    assert told(place.plan("two", images=images())) == []


def test_an_app_that_nothing_is_called_is_a_mistake(place: Place) -> None:
    place.write(pinned("one"), pinned("two"))
    text = place.mistakes("two", images=images().replace("  one:", "  oen:"))
    assert "test.images.yaml:3:8: images: " in text
    assert "app 'oen'" in text
    assert "'one'?) [app.unknown]" in text


# --- overrides of the image

RECIPE = {"recipe": "tools"}


def overridden(place: Place, *changes: dict[str, Any], catalog: dict[str, Any] | None = None, sets: tuple[str, ...] = ()) -> Any:
    """The image of `one`, with one profile for each change; each extends the one before."""
    place.write(merged(pinned("one"), catalog or {}))
    names = [*(f"p{index}" for index in range(len(changes) - 1)), "top"]
    for index, (name, change) in enumerate(zip(names, changes, strict=True)):
        extends = {"extends": names[index - 1]} if index else {**COMPOSE, "apps": ["one"]}
        override = {"one": change and {"containers": {"main": change}}}
        (place.folder / f"{name}.yaml").write_text(dump({**extends, "portable": 1, "name": name, "override": override}))
    profile, document = load_profile("top", profile_files([place.folder]), sets)
    given = PlanInput(stack=StackFile(), stack_document=None, profile=profile, profile_document=document)
    return make(given, Catalog([place.folder])).plan.apps[0].containers[0].image


@pytest.mark.parametrize(
    ("changes", "reference", "recipe"),
    [
        (({"image": {"tag": "2"}},), "registry.test/one:2", None),
        (({"image": {"repository": "mirror.test/one"}},), "mirror.test/one:1", None),
        (({"image": {"tag": "1"}},), f"{AT}@{OLD}", "tools"),
        (({"image": {"tag": "2", "digest": NEW}},), f"registry.test/one:2@{NEW}", None),
        (({"image": {"tag": "2"}, "recipe": "seal"},), "registry.test/one:2", "seal"),
        (({"image": {"digest": NEW}},), f"{AT}@{NEW}", "tools"),
        (({"image": {"tag": "2", "digest": NEW}}, {"image": {"tag": "3"}}), "registry.test/one:3", None),
        (({"image": {"tag": "2"}, "recipe": "seal"}, {"image": {"tag": "3"}}), "registry.test/one:3", None),
        (({"image": {"digest": NEW}}, {"image": {"tag": "3"}}), "registry.test/one:3", None),
        (({"image": {"tag": "2"}}, {"image": {"tag": "1"}}), f"{AT}@{OLD}", "tools"),
        (({"image": {"tag": "2"}}, {"image": {"tag": "2", "digest": OTHER}}), f"registry.test/one:2@{OTHER}", None),
        (({"image": {"tag": "2", "digest": NEW}}, None), f"{AT}@{OLD}", "tools"),
    ],
    ids=str,
)
def test_digest_and_recipe_belong_to_one_tag(place: Place, changes: tuple[dict[str, Any], ...], reference: str, recipe: str | None) -> None:
    """A layer that names another image inherits neither the digest nor the recipe of the layers below."""
    image = overridden(place, *changes, catalog={"containers": {"main": RECIPE}})
    assert (image.reference, image.recipe) == (reference, recipe)


def test_a_tag_from_the_command_line_drops_the_digest(place: Place) -> None:
    image = overridden(place, {"image": {"digest": NEW}}, sets=("override.one.containers.main.image.tag='2'",))
    assert image.reference == "registry.test/one:2"


def test_a_profile_overrides_the_tag_of_the_stack(place: Place) -> None:
    stack = f"portable: 1\noverride: {{one: {{containers: {{main: {{image: {{tag: '2', digest: '{NEW}'}}}}}}}}}}\n"
    place.write(pinned("one"))
    assert runs(place.plan("one", stack=stack)) == f"registry.test/one:2@{NEW}"
    planned = place.plan("one", stack=stack, override={"one": {"containers": {"main": {"image": {"tag": "3"}}}}})
    assert runs(planned) == "registry.test/one:3"


def test_an_older_gateway_does_not_run_the_newer_build(place: Place) -> None:
    override = {"gluetun": {"containers": {"main": {"image": {"tag": "v3.38.0"}}}}}
    (gateway,) = [a for a in place.plan("gluetun", **VPN, override=override).plan.apps if a.name == "gluetun"]
    assert gateway.containers[0].image.reference.endswith("/gluetun:v3.38.0")


@pytest.mark.parametrize("tag", ["latest", "nightly", "2-latest", "v2-develop", "stable", "alpine", "edge"])
@pytest.mark.parametrize("whose", ["catalog", "profile"])
def test_a_tag_that_moves_is_a_finding(place: Place, tag: str, whose: str) -> None:
    image = {"containers": {"main": {"image": {"tag": tag}}}}
    place.write(merged(app("one"), image if whose == "catalog" else {}))
    planned = place.plan("one", override={"one": image} if whose == "profile" else {})
    (finding,) = [f for f in planned.findings if f.code == "image.floating"]
    assert (finding.class_, finding.app, finding.field) == ("data", "one", "images.tag")
    assert tag in finding.text
    assert str(finding.where).startswith("test.yaml:" if whose == "profile" else f"{place.folder}/apps/one/app.yaml:")


@pytest.mark.parametrize("tag", ["1", "4.0.1-develop", "nightly-20260101", "main-5f28f033", "v3.41.3", "sha-0a1b2c3", "17"])
def test_a_tag_with_a_version_does_not_move(place: Place, tag: str) -> None:
    planned = place.write(app("one", containers={"main": {"image": {"tag": tag}}})).plan("one")
    assert [f for f in planned.findings if f.code == "image.floating"] == []


def test_a_digest_pins_a_tag_that_moves(place: Place) -> None:
    planned = place.write(pinned("one", tag="latest")).plan("one")
    assert [f for f in planned.findings if f.code == "image.floating"] == []
