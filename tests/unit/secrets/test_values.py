"""Values of secrets: they are compared, taken out of texts, and named where a text has them."""

import json
from base64 import b64encode

import pytest

from portable.secrets.values import Resolved, Secret


def one(value: str) -> Resolved:
    return Resolved({("s", "value"): Secret(value)})


def test_equal_values_have_one_hash_and_others_another() -> None:
    assert {Secret("a"), Secret("a")} == {Secret("a")}
    assert hash(Secret("a")) != hash(Secret("b"))


@pytest.mark.parametrize(
    ("value", "text", "hidden"),
    [
        ("abcd", "-abcd-", "-<secret>-"),
        ("abc", "-abc-", "-abc-"),
        (" abc ", "- abc -", "- abc -"),
        (" abcd ", "-abcd-", "-<secret>-"),
        ("ab\nlong-line", "-long-line-", "-<secret>-"),
        ("secret-1", b64encode(b"secret-1").decode().rstrip("="), "<secret>"),
        ("secreW", b64encode(b"secreV").decode(), b64encode(b"secreV").decode()),
        ('a\\b"c-1', json.dumps('a\\b"c-1'), '"<secret>"'),
        ("a\\b-long", "a\\\\b-long", "<secret>"),
        ("pässword", "p\\xe4ssword", "<secret>"),
        ("a b/c-long", "a+b%2Fc-long", "<secret>"),
        ("a b/c-long", "a%20b%2Fc-long", "<secret>"),
    ],
)
def test_a_value_is_taken_out_in_each_form(value: str, text: str, hidden: str) -> None:
    assert one(value).hide(text) == hidden


@pytest.mark.parametrize(
    ("value", "text", "public", "names"),
    [
        ("12345678", "it says 12345678", (), ("s",)),
        ("1234567", "it says 1234567", (), ()),
        (" 1234567 ", "it says  1234567 ", (), ()),
        ("12345678", "it says 1234567", (), ()),
        ("12345678", "it says 12345678", [("s", "value")], ()),
        ("12345678", "it says 12345678", [("t", "value")], ("s",)),
        ("12345678", b64encode(b"12345678").decode(), (), ("s",)),
    ],
)
def test_a_text_tells_which_secret_it_holds(value: str, text: str, public: list[tuple[str, str]], names: tuple[str, ...]) -> None:
    assert one(value).named_in(text, public=public) == names


def test_a_key_is_named_too_and_names_are_in_order() -> None:
    resolved = Resolved({("t", "k"): Secret("first-value"), ("s", "value"): Secret("other-value"), ("r", "value"): Secret("absent-value")})
    assert resolved.named_in("first-value other-value") == ("s", "t.k")
