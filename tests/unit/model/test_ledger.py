"""The ledger: what a waiver accepts, what stops a command, and what a waiver that matches nothing says."""

import re
from typing import Any

import msgspec
import pytest

from portable.model.errors import InputError
from portable.model.findings import Finding, Waiver
from portable.model.findings import waiver as accepting
from portable.model.ledger import settle, unaccepted
from portable.model.source import Source


def finding(**changes: Any) -> Finding:
    defaults: dict[str, Any] = {
        "field": "storage.state",
        "path": "volumes.sonarr-config.place",
        "class_": "data",
        "text": "a database on SMB",
        "remedy": "move it",
        "app": "sonarr",
    }
    return Finding(**(defaults | changes))


def waiver(**changes: Any) -> Waiver:
    return Waiver(**({"field": "storage.state", "class_": "data", "reason": "as it is today"} | changes))


def test_without_waivers_findings_stay_as_they_are() -> None:
    noted, refused = finding(), finding(path="x", verdict="refused")
    assert settle([noted, refused], [], ["sonarr"]) == (noted, refused)


@pytest.mark.parametrize(
    ("verdict", "apps"), [("noted", ()), ("noted", ("sonarr",)), ("refused", ("sonarr",)), ("refused", ("plex", "sonarr"))]
)
def test_a_waiver_accepts_with_its_reason(verdict: Any, apps: tuple[str, ...]) -> None:
    (settled,) = settle([finding(verdict=verdict)], [waiver(apps=apps)], ["sonarr", "plex"])
    assert (settled.verdict, settled.reason) == ("waived", "as it is today")


def test_what_is_refused_is_accepted_by_name_only() -> None:
    with pytest.raises(InputError):
        settle([finding(verdict="refused")], [waiver(apps=())], ["sonarr", "plex"])


@pytest.mark.parametrize("changes", [{"field": "storage"}, {"class_": "security"}, {"apps": ("plex",)}, {"apps": ("plex",), "field": "x"}])
def test_a_waiver_that_matches_nothing_is_a_mistake(changes: dict[str, Any]) -> None:
    where = Source(file="profile.yaml", line=7, column=5)
    with pytest.raises(InputError) as caught:
        settle([finding()], [waiver(**changes, where=where)], ["sonarr", "plex"])
    (mistake,) = caught.value.mistakes
    assert mistake.source == where
    assert mistake.code == "stack.waiver-unused"
    assert "findings here: storage.state (data)" in mistake.text
    assert mistake.remedy


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({"apps": ()}, ["apps: [sonarr]"]),
        ({"apps": ("plex",)}, ["apps: [sonarr]"]),
        ({"class_": "security", "apps": ("sonarr",)}, ["class: data"]),
        ({"field": "storage.stat", "apps": ("sonarr",)}, ["field: storage.state"]),
        ({"field": "x", "apps": ("sonarr",)}, []),
    ],
)
def test_its_remedy_is_the_nearest_setting(changes: dict[str, Any], settings: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        settle([finding(verdict="refused", app="sonarr")], [waiver(**changes)], ["sonarr", "plex"])
    (mistake,) = caught.value.mistakes
    assert re.findall(r"`(.+?)`", mistake.remedy) == settings
    assert mistake.remedy


def test_one_that_is_inherited_may_match_nothing() -> None:
    assert settle([finding()], [waiver(field="other", inherited=True)], ["sonarr"]) == (finding(),)


def test_it_is_none_where_all_apps_that_it_names_are_elsewhere() -> None:
    assert settle([finding()], [waiver(apps=("plex", "jellyfin"))], ["sonarr"]) == (finding(),)
    with pytest.raises(InputError):
        settle([], [waiver(apps=("plex", "sonarr"))], ["sonarr"])
    with pytest.raises(InputError):
        settle([], [waiver()], [])


def test_all_idle_waivers_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        settle([], [waiver(field="a"), waiver(field="b")], [])
    assert [m.code for m in caught.value.mistakes] == ["stack.waiver-unused"] * 2
    assert [name in m.text for m, name in zip(caught.value.mistakes, ("a (data)", "b (data)"), strict=True)] == [True, True]


def test_two_waivers_may_match_one_finding() -> None:
    (settled,) = settle([finding()], [waiver(reason="first", apps=("sonarr",)), waiver(reason="second")], ["sonarr"])
    assert settled.reason == "first"


def test_a_finding_of_no_app_is_waived_by_a_waiver_without_names_only() -> None:
    assert settle([finding(app=None)], [waiver()], [])[0].verdict == "waived"
    assert not waiver(apps=("sonarr",)).accepts(finding(app=None))


@pytest.mark.parametrize(
    ("changes", "is_accepted"),
    [
        ({"code": "storage.share"}, True),
        ({}, False),
        ({"code": "storage.other"}, False),
        ({"code": "storage.share", "apps": ("sonarr",)}, False),
        ({"code": "storage.share", "class_": "security"}, False),
        ({"code": "storage.share", "field": "storage"}, False),
    ],
)
def test_a_refused_finding_of_no_app_is_accepted_by_its_code(changes: dict[str, Any], is_accepted: bool) -> None:
    refused = finding(app=None, verdict="refused", code="storage.share")
    assert waiver(**changes).accepts(refused) == is_accepted
    assert not waiver(**changes).accepts(finding(app=None, verdict="refused", code="storage.share", is_waivable=False))


def test_a_code_narrows_a_waiver_and_never_replaces_the_name_of_an_app() -> None:
    one = finding(code="storage.share")
    assert waiver(code="storage.share").accepts(one)
    assert waiver(code="storage.share", apps=("sonarr",)).accepts(one)
    assert not waiver(code="storage.other").accepts(one)
    assert not waiver(code="storage.other", apps=("sonarr",)).accepts(one)
    assert not waiver(code="storage.share").accepts(finding(code="storage.share", verdict="refused"))


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({}, ["code: storage.share"]),
        ({"code": "storage.other"}, ["code: storage.share"]),
        ({"apps": ("sonarr",)}, ["code: storage.share", "apps"]),
        ({"code": "storage.share", "apps": ("sonarr",)}, ["code: storage.share", "apps"]),
    ],
)
def test_the_remedy_of_a_waiver_names_the_code(changes: dict[str, Any], settings: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        settle([finding(app=None, verdict="refused", code="storage.share")], [waiver(**changes)], ["sonarr"])
    (mistake,) = caught.value.mistakes
    assert re.findall(r"`(.+?)`", mistake.remedy) == settings


def test_a_wrong_code_is_named() -> None:
    with pytest.raises(InputError) as caught:
        settle([finding(code="storage.share")], [waiver(code="storage.other")], ["sonarr"])
    (mistake,) = caught.value.mistakes
    assert "storage.state (data) with code storage.other matches no finding" in mistake.text
    assert re.findall(r"`(.+?)`", mistake.remedy) == ["code", "code: storage.share"]


def test_the_line_that_accepts_a_finding_can_be_pasted() -> None:
    refused = finding(app=None, verdict="refused", code="storage.share")
    line = accepting(refused.field, refused.app, refused.class_, refused.code)
    (facts,) = msgspec.yaml.decode(line.strip("`"))["waive"]
    assert facts == {"field": "storage.state", "class": "data", "code": "storage.share", "reason": "..."}
    assert waiver(field=facts["field"], class_=facts["class"], code=facts["code"]).accepts(refused)


def test_the_worst_stands_first() -> None:
    found = [finding(class_=c, path=path) for c in ("cosmetic", "function", "data", "security") for path in ("b", "a")]
    assert [(f.class_, f.path) for f in settle(found, [], [])] == [
        (c, path) for c in ("security", "data", "function", "cosmetic") for path in ("a", "b")
    ]


def test_what_stops_a_command() -> None:
    refused, waived = finding(verdict="refused", class_="cosmetic"), finding(verdict="waived", class_="security")
    noted = [finding(class_=c) for c in ("security", "data", "function", "cosmetic")]
    assert unaccepted([refused, waived, *noted], strict=False) == (refused,)
    assert unaccepted([refused, waived, *noted], strict=True) == (refused, *noted[:2])


@pytest.mark.parametrize("apps", [(), ("sonarr",)])
def test_no_waiver_accepts_a_finding_that_cannot_be_waived(apps: tuple[str, ...]) -> None:
    refused = finding(verdict="refused", is_waivable=False, remedy="leave it out")
    assert not waiver(apps=apps).accepts(refused)
    with pytest.raises(InputError) as caught:
        settle([refused], [waiver(apps=apps)], ["sonarr"])
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.path) == ("stack.waiver-refused", "waive")
    assert "no waiver accepts storage.state (data): a database on SMB" in mistake.text
    assert mistake.remedy.endswith("leave it out")
    assert settle([refused], [waiver(apps=apps, inherited=True)], ["sonarr"]) == (refused,)
