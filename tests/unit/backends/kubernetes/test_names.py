"""Whatever a name is made of, the API accepts it, and a `$` reaches the container."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portable.backends.kubernetes.names import config_key, cores, dns_label, label_value, literal, port_name, quantity


@given(st.text(min_size=1), st.integers(min_value=15, max_value=63))
def test_a_label_is_always_allowed(text: str, limit: int) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", dns_label(text, limit=limit))
    assert len(dns_label(text, limit=limit)) <= limit


def test_a_name_that_is_allowed_stays() -> None:
    assert dns_label("sonarr-config") == "sonarr-config"


def test_names_that_are_cut_stay_apart() -> None:
    assert dns_label("a" * 70) != dns_label("a" * 71)
    assert dns_label("Sonarr") != dns_label("sonarr")


@pytest.mark.parametrize(
    ("app", "port", "name"),
    [("plex", "web", "plex-web"), ("qbittorrent", "peer", "qbittor04a-peer"), ("a", "b" * 20, "a-bbbbbb-f67569")],
)
def test_a_port_name_is_short(app: str, port: str, name: str) -> None:
    assert port_name(app, port) == name
    assert len(name) <= 15


@pytest.mark.parametrize(("size", "text"), [(2**30, "1Gi"), (3 * 2**40, "3Ti"), (2**20 + 1, "1048577"), (0, "0"), (1536, "1536")])
def test_quantity(size: int, text: str) -> None:
    assert quantity(size) == text


def test_cores() -> None:
    assert (cores(500), cores(2000)) == ("500m", "2")


def test_label_values_and_keys_keep_what_is_allowed() -> None:
    assert (label_value("a.b_C"), config_key("nginx.conf")) == ("a.b_C", "nginx.conf")


@pytest.mark.parametrize(
    ("name", "is_key"),
    [(".env", True), ("a..b", True), ("x" * 253, True), ("x" * 254, False), (".", False), ("..", False), ("..data", False), ("a b", False)],
)
def test_a_file_name_that_is_no_key_becomes_a_label(name: str, is_key: bool) -> None:
    assert config_key(name) == (name if is_key else dns_label(name))


def expand(text: str) -> str:
    """What a kubelet makes of a string in which no variable is known (k8s.io/kubernetes third_party/forked/golang/expansion)."""
    made, at = [], 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            made.append(text[at])
            at += 1
        elif text[at + 1] == "$":
            made.append("$")
            at += 2
        elif text[at + 1] == "(" and (end := text.find(")", at + 2)) >= 0:
            made.append("EXPANDED")
            at = end + 1
        else:
            made.append(text[at : at + 2])
            at += 2
    return "".join(made)


@given(st.text(alphabet="$()ab {}"))
def test_a_literal_reaches_the_container_unchanged(text: str) -> None:
    assert expand(literal(text)) == text


def test_a_script_without_such_references_is_left_alone() -> None:
    assert literal('[ -e "$2" ] || mkdir "${2%/*}"') == '[ -e "$2" ] || mkdir "${2%/*}"'
