"""Digests of secrets: equal values keep their label, anything else gets a new one."""

import pytest

from portable.secrets.digests import digest

VALUES = {"a": "1", "b": "2"}


def test_equal_values_keep_the_label_and_no_other_values_do() -> None:
    known = digest(VALUES)
    assert digest(dict(reversed(VALUES.items())), known) == known
    for other in ({"a": "1"}, {"a": "2", "b": "1"}, {"a": "1", "b": "3"}, {"a": "1", "c": "2"}, VALUES | {"c": "3"}):
        assert digest(other, known) != known


def test_names_and_values_do_not_run_into_each_other() -> None:
    known = digest({"a": "1b1:2"})
    assert digest({"a": "1", "b": "2"}, known) != known
    known = digest({"ab": "c"})
    assert digest({"a": "bc"}, known) != known


def test_equal_values_of_two_services_look_different() -> None:
    first, second = digest(VALUES), digest(VALUES)
    assert first != second
    for made in (first, second):
        salt, _, text = made.partition("-")
        assert (len(salt), len(text)) == (16, 32)
        assert int(salt, 16) >= 0
        assert int(text, 16) >= 0


@pytest.mark.parametrize(
    "known", ["", "-", "nothex0000000000-00", "00-00", "0123456789abcdef", "0123456789abcdeg-00", "0123456789abcdeX-00", "0" * 17 + "-0"]
)
def test_a_label_that_somebody_else_wrote_is_replaced(known: str) -> None:
    assert digest(VALUES, known) != known
