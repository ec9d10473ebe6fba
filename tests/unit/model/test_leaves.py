"""Walking a plan: every leaf once, by a path of its own, and changed alone."""

import msgspec
import pytest

from portable.model import plan as p
from portable.model.exposures import Exposure, Lan
from portable.model.leaves import leaves, name_of
from portable.model.secret_refs import SecretRef
from tests.factories import full_plan

BACK_ENDS = ("compose", "kubernetes", "openshift")


def scalars(value: object) -> int:
    """How many leaves a value has, counted without the walk."""
    plain = msgspec.to_builtins(value)

    def count(item: object) -> int:
        if isinstance(item, dict) and item:
            return sum(count(inner) for key, inner in item.items() if key != "type")
        if isinstance(item, list | tuple) and item:
            return sum(map(count, item))
        return 1

    return count(plain)


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_no_leaf_is_left_out(back_end: str) -> None:
    plan = full_plan(back_end)
    assert len(list(leaves(plan))) == scalars(plan)


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_every_path_is_of_one_leaf(back_end: str) -> None:
    paths = [path for path, _, _ in leaves(full_plan(back_end))]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_putting_the_same_back_changes_nothing(back_end: str) -> None:
    plan = full_plan(back_end)
    for path, leaf, replace in leaves(plan):
        assert replace(leaf) == plan, path


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_a_change_changes_that_leaf_and_no_other(back_end: str) -> None:
    plan = full_plan(back_end)
    before = [(path, leaf) for path, leaf, _ in leaves(plan)]
    for index, (path, _, replace) in enumerate(leaves(plan)):
        after = [leaf for _, leaf, _ in leaves(replace("another value"))]
        assert after[index] == "another value", path
        assert after[:index] == [leaf for _, leaf in before[:index]], path
        assert after[index + 1 :] == [leaf for _, leaf in before[index + 1 :]], path
    assert [(path, leaf) for path, leaf, _ in leaves(plan)] == before, "the plan itself is untouched"


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (Exposure(app="sonarr", port="web", how=Lan(number=1)), "sonarr:web"),
        (p.Mount(volume="library", path="/mnt/media"), "library@/mnt/media"),
        (p.FileMount(file="sonarr-conf", path="/c"), "sonarr-conf@/c"),
        (p.SecretMount(secret="key", keys=(), path="/k"), "key"),
        (p.After(app="plex"), "plex"),
        (p.Link(path="zurg", target="/x"), "zurg"),
        (p.Endpoint(cidr="10.0.0.0/8", port=1), "10.0.0.0/8"),
        (p.Port(name="web", number=1), "web"),
        (p.File(id="conf", body=()), "conf"),
        (SecretRef(name="key"), "3"),
        ("plain", "3"),
    ],
)
def test_how_an_item_is_named(item: object, name: str) -> None:
    assert name_of(item, 3) == name


@pytest.mark.parametrize("value", [(), {}, None, 0, "", False])
def test_what_is_empty_is_a_leaf(value: object) -> None:
    ((path, leaf, replace),) = leaves(value, "here")
    assert (path, leaf, replace(1)) == ("here", value, 1)
