"""The union of parts."""

from portable.backends.common import note
from portable.backends.compose.part import ServicePart, join


def test_lists_follow_mappings_unite_and_nothing_is_left_empty() -> None:
    joined = join((ServicePart({"a": [1], "m": {"x": 1}, "n": None}), ServicePart({"a": [2, 1], "m": {"y": 2}, "e": [], "k": "v"})))
    assert joined.keys == {"a": [1, 2], "m": {"x": 1, "y": 2}, "k": "v"}


def test_findings_are_kept_in_order() -> None:
    first, second = note("f", "a", "cosmetic", "one"), note("f", "b", "cosmetic", "two")
    assert join((ServicePart({}, (first,)), ServicePart({}, (second,)))).findings == (first, second)
