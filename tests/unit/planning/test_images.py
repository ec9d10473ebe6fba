"""Images that were taken in the place of those that the files say, and when what a person says wins over them."""

from typing import Any

import pytest

from portable.planning import Planned
from tests.unit.planning import Place, app

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
    return [(f.field, f.text, str(f.where)) for f in planned.findings if f.field.startswith("images")]


def test_an_entry_takes_the_place_of_what_the_files_say(place: Place) -> None:
    planned = place.write(pinned("one")).plan("one", images=images())
    assert (runs(planned), told(planned)) == (f"{AT}@{NEW}", [])
    assert planned.chosen.apps["one"].pinned == {"main": f"{AT}@{OLD}"}
    assert runs(place.plan("one")) == f"{AT}@{OLD}"


@pytest.mark.parametrize("step", ["going-back", "restoring"])
def test_going_back_the_image_of_before_runs_already(place: Place, step: str) -> None:
    planned = place.write(pinned("one")).plan("one", images=images(f"step: {step}, "))
    assert runs(planned) == f"{AT}@{OLD}"
    ((field, text, where),) = told(planned)
    assert (field, text) == ("images.step", "going back from the update of one of 2026-11-21T03:00:00Z is not finished")
    options = "one --with-state" if step == "restoring" else "one"
    (remedy,) = [found.remedy for found in planned.findings if found.field == "images.step"]
    assert remedy == f"`portable rollback {options}` completes it"
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
    found = {"repository": "registry.test/one", "tag": "1", "digest": OLD, **image}
    now = f"{found['repository']}:{found['tag']}" + (f"@{found['digest']}" if found["digest"] else "")
    assert runs(planned) == now
    ((field, text, where),) = told(planned)
    assert (field, where) == ("images", "test.images.yaml:3:54")
    assert text == (f"what the update of 2026-11-21T03:00:00Z took for one is not used: it was for {AT}@{OLD}, and its files say {now} now")


def test_a_container_that_is_gone_and_an_app_that_does_not_run_here(place: Place) -> None:
    place.write(pinned("one"), pinned("two"))
    ((_, text, _),) = told(place.plan("one", images=images(container="gone")))
    assert text.endswith("and one has no container gone any more")
    assert told(place.plan("two", images=images())) == []


def test_an_app_that_nothing_is_called_is_a_mistake(place: Place) -> None:
    place.write(pinned("one"), pinned("two"))
    text = place.mistakes("two", images=images().replace("  one:", "  oen:"))
    assert "test.images.yaml:3:8: images: there is no app 'oen'" in text
    assert "(did you mean 'one'?)" in text
