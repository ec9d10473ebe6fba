"""Each thing that a profile makes `portable` do on a machine is named."""

from typing import Any

import pytest

from portable.profiles.powers import powers_of_profile


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"secrets": {"source": "command", "command": ["sh", "-c", "curl example.test"]}}, "sh -c curl example.test"),
        ({"secrets": {"command": "curl example.test"}}, "curl example.test"),
        ({"engine": "ssh://root@nas"}, "engine"),
        ({"notify": {"url": {"secret": "ntfy"}}}, "reports"),
        ({"waive": [{"field": "egress"}, {"field": "gateway.own"}]}, "2 kinds"),
        ({"patch": [{"kind": "service"}]}, "patches"),
        ({"override": {"seerr": {}, "plex": {}}}, "seerr, plex"),
    ],
)
def test_each_power_is_named(data: dict[str, Any], words: str) -> None:
    (power,) = powers_of_profile("home", data)
    assert (power.owner, power.weight, words in power.text) == ("profile home", "grave", True), power.text


@pytest.mark.parametrize("data", [{}, {"secrets": {"source": "file"}}, {"secrets": None}, {"waive": []}, None, []])
def test_a_profile_that_does_nothing_of_the_kind(data: Any) -> None:
    assert list(powers_of_profile("home", data)) == []
