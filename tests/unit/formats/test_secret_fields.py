"""A value in the place of a reference to a secret is never shown, and a key that must be one of some names says which."""

from typing import Any, Literal

import msgspec
import pytest

from portable.catalog.facts import SecretValue
from portable.formats.load import convert, load
from portable.formats.schema import schema
from portable.model.errors import InputError
from portable.model.source import Mistake
from portable.profiles.types import Profile

Side = Literal["left", "right"]
HEAD = "portable: 1\nname: home\nback-end: compose\nstorage: {state: /srv/state}\n"


def mistakes(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(InputError) as caught:
        convert(load(("home.yaml", (HEAD + text).encode())), Profile)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("notify: {url: 'tgram://123:SECRETTOKEN/99'}", "write `url: {secret: notify-url}`"),
        ("notify: {url: ['tgram://123:SECRETTOKEN/99']}", "write `url: {secret: notify-url}`"),
        ("notify: {url: {secret: 'tgram://123:SECRETTOKEN/99'}}", "write `url: {secret: notify-url}`"),
        ("notify: {url: {'tgram://123:SECRETTOKEN/99'}}", "write `url: {secret: notify-url}`"),
        ("notify: {ping: {heal: 'https://hc-ping.com/SECRETTOKEN'}}", "write `heal: {secret: ping-heal}`"),
        ("notify: {ping: 'https://hc-ping.com/SECRETTOKEN'}", "{secret: NAME}"),
        ("notify: 'tgram://123:SECRETTOKEN/99'", "{secret: NAME}"),
    ],
)
def test_a_secret_in_the_place_of_its_reference_is_hidden_with_a_remedy(text: str, remedy: str) -> None:
    found = mistakes(text)
    assert "SECRETTOKEN" not in "".join(map(str, found))
    assert "hc-ping" not in "".join(map(str, found))
    assert any(remedy in str(mistake) for mistake in found)
    if "write" in remedy:
        assert any("`portable secrets set " in str(mistake) for mistake in found)


def test_a_misspelled_key_of_a_reference_is_still_shown() -> None:
    assert any("did you mean `secret`?" in str(mistake) for mistake in mistakes("notify: {url: {secrt: notify-url}}"))


def test_a_key_that_is_one_of_some_names_says_which() -> None:
    (mistake,) = (m for m in mistakes("notify: {ping: {hel: {secret: notify-heal}}}") if m.code == "value.key")
    assert mistake.source.line == 5
    assert "expected one of `backup`, `heal`, `update`, `upkeep`, `verify`" in mistake.text
    assert mistake.remedy == "did you mean `heal`?"


class Nested(msgspec.Struct, frozen=True):
    """Mappings by names, in each place that a type can have them."""

    plain: dict[Side, int] = {}
    optional: dict[Side, int] | None = None
    listed: tuple[dict[Side, int], ...] = ()
    inner: dict[str, dict[Side, SecretValue]] = {}


def _key_rules(node: Any) -> int:
    if isinstance(node, dict):
        own = node.get("propertyNames") == {"enum": ["left", "right"]}
        return own + sum(_key_rules(inner) for inner in node.values())
    return sum(map(_key_rules, node)) if isinstance(node, list) else 0


def test_every_mapping_by_names_has_them_in_its_schema() -> None:
    assert _key_rules(schema(Nested)) == 4
