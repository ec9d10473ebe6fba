"""Laying documents over one another: the data, and where each value stands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portable.formats.document import Document, Steps
from portable.formats.load import load
from portable.formats.merge import lay, merged

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "yes"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    """The mapping without keys of mappings that say null; items of lists stay."""
    return {k: without_nulls(v) if isinstance(v, dict) else v for k, v in value.items() if v is not None}


@given(MAPPINGS)
def test_over_nothing_only_nulls_go(above: dict[str, Any]) -> None:
    assert merged({}, above) == without_nulls(above)


@given(MAPPINGS)
def test_nothing_above_changes_nothing(below: dict[str, Any]) -> None:
    assert merged(below, {}) == below


@given(MAPPINGS, MAPPINGS)
def test_neither_side_is_changed(below: dict[str, Any], above: dict[str, Any]) -> None:
    before = repr((below, above))
    merged(below, above)
    assert repr((below, above)) == before


@given(MAPPINGS, MAPPINGS)
def test_twice_is_once(below: dict[str, Any], above: dict[str, Any]) -> None:
    once = merged(below, above)
    assert merged(once, above) == once


def test_a_null_in_a_change_to_another_document_stays() -> None:
    below = {"override": {"one": {"x": {"y": 1}, "kept": 1}, "two": {"x": 1}}, "a": {"b": 1}}
    above = {"override": {"one": {"x": {"y": None, "z": {"w": None}}}, "two": None, "three": {"x": None}}, "a": {"b": None}}
    assert merged(below, above, changes=("override",)) == {
        "override": {"one": {"x": {"y": None, "z": {"w": None}}, "kept": 1}, "three": {"x": None}},
        "a": {},
    }
    assert merged({}, above, changes=("override",))["override"] == {
        "one": {"x": {"y": None, "z": {"w": None}}},
        "three": {"x": None},
    }
    assert merged(below, {"override": None}, changes=("override",)) == {"a": {"b": 1}}


@given(MAPPINGS, MAPPINGS)
def test_each_key_comes_from_the_layer_that_says_it(below: dict[str, Any], above: dict[str, Any]) -> None:
    result = merged(below, above)
    assert set(result) == {k for k in below if k not in above} | {k for k, v in above.items() if v is not None}
    for key, value in result.items():
        if key not in above:
            assert value == below[key]
        elif not isinstance(above[key], dict):
            assert value == above[key]


BELOW = """\
list: [one, two, three]
map:
  kept: 1
  changed: 1
  removed: 1
  inner: {deep: 1}
items:
  - {name: a, reason: because}
  - {name: b, reason: because}
scalar: 1
"""
ABOVE = """\
list: [four]
map:
  changed: 2
  removed:
  added: 2
items:
  - {name: c}
scalar: {now: a map}
"""


@pytest.fixture
def laid() -> Document:
    below, above = load(("below", BELOW.encode())), load(("above", ABOVE.encode()))
    return lay(below, ((above, ()), above.data))


def test_maps_merge_lists_replace_null_removes(laid: Document) -> None:
    assert laid.data == {
        "list": ["four"],
        "map": {"kept": 1, "changed": 2, "inner": {"deep": 1}, "added": 2},
        "items": [{"name": "c"}],
        "scalar": {"now": "a map"},
    }


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        (("map", "kept"), "below:3:9"),
        (("map", "changed"), "above:3:12"),
        (("map", "added"), "above:5:10"),
        (("map", "inner", "deep"), "below:6:17"),
        (("list", 0), "above:1:8"),
        (("items", 0, "name"), "above:7:12"),
        (("items", 0, "reason"), "above:7:5"),  # what the list below says is gone: the item above is the nearest
        (("items", 1, "reason"), "above:7:3"),
        (("scalar", "now"), "above:8:15"),
        (("nowhere", "at", "all"), "below:1:1"),
        (("map", "nowhere"), "above:3:3"),
        ((), "below:1:1"),
    ],
)
def test_a_value_stands_in_the_topmost_layer_that_says_it(laid: Document, steps: Steps, place: str) -> None:
    assert str(laid.source(steps)) == place


def test_keys_have_places_too(laid: Document) -> None:
    assert str(laid.key(("map", "changed"))) == "above:3:3"
    assert str(laid.key(("map", "kept"))) == "below:3:3"


def test_a_part_of_a_document_can_be_laid_over() -> None:
    base = load(("app.yaml", b"title: One\nports: {web: 1}\n"))
    profile = load(("profile.yaml", b"name: p\noverride:\n  app:\n    title: Two\n"))
    document = lay(base, ((profile, ("override", "app")), profile.data["override"]["app"]))
    assert document.data == {"title": "Two", "ports": {"web": 1}}
    assert str(document.source(("title",))) == "profile.yaml:4:12"
    assert str(document.source(("ports", "web"))) == "app.yaml:2:14"


def test_without_layers_it_is_the_document_itself() -> None:
    base = load(("a", b"x: 1\n"))
    assert lay(base) is base


@given(MAPPINGS, MAPPINGS)
def test_the_place_of_every_value_is_a_layer_that_has_it(below: dict[str, Any], above: dict[str, Any]) -> None:
    layers = {"below": below, "above": above}
    low, high = (load((name, json.dumps(data).encode())) for name, data in layers.items())
    document = lay(low, ((high, ()), high.data))

    def walk(value: Any, steps: Steps) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, (*steps, key))
            return
        found: Any = layers[document.source(steps).file]
        for step in steps:
            found = found[step]
        assert found == value

    walk(document.data, ())
