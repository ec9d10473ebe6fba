"""Secrets that a cluster has under other names."""

from typing import Any

import pytest

from tests.unit.planning import CLUSTER, Place, app

KEYS = {"key": {"about": "a key"}, "pair": {"about": "two", "keys": ["user", "password"]}}


def write(place: Place) -> None:
    """An app with a value, keys as files, and a whole file."""
    main = {
        "environment": {"KEY": {"secret": "key"}},
        "secrets": {"pair": "/run/pair"},
        "files": [{"template": "a.j2", "path": "/etc/a.conf"}],
    }
    place.write(app("one", containers={"main": main}, secrets=KEYS), templates={"one/a.j2": "key = {{ secret('key') }}\n"})


def test_they_are_in_the_plan(place: Place) -> None:
    write(place)
    names = {"key": "indexer", "one-a-conf": "one-config"}
    assert place.plan("one", base=CLUSTER, secrets={"names": names}).plan.secret_names == names


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ({"keys": "x"}, [("secrets.names.keys", "plan.secret-unknown", "'keys'", "key, one-a-conf, pair")]),
        (
            {"key": "x", "pair": "x"},
            [
                ("secrets.names.key", "plan.secret-shared", "key and pair", "x"),
                ("secrets.names.pair", "plan.secret-shared", "pair and key", "x"),
            ],
        ),
        ({"key": "pair"}, [("secrets.names.key", "plan.secret-shared", "key and pair", "Secret, pair")]),
    ],
)
def test_names_of_nothing_and_of_two_are_mistakes(place: Place, names: dict[str, Any], wanted: list[tuple[str, ...]]) -> None:
    write(place)
    place.refuses("one", base=CLUSTER, secrets={"names": names}, wanted=wanted)


def test_two_may_change_names(place: Place) -> None:
    write(place)
    names = {"key": "pair", "pair": "key"}
    assert place.plan("one", base=CLUSTER, secrets={"names": names}).plan.secret_names == names
