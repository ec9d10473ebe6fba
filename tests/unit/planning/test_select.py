"""Step 1: which apps and clouds, in which order, and what is told where names are wrong."""

import re
from pathlib import Path

import pytest

from portable.formats.load import load
from portable.model.errors import InputError
from portable.model.ledger import settle
from tests.unit.planning import BASE, TUN, VPN, Place, app, cloud, of_files


def test_the_profile_names_apps_where_the_stack_does_not(place: Place) -> None:
    place.write(app("one"), app("two"))
    assert [a.name for a in place.plan("two", "one").plan.apps] == ["one", "two"]
    assert [a.name for a in place.plan("two", "one", stack="portable: 1\napps: [two]\n").plan.apps] == ["two"]
    assert place.plan("two", "one", stack="portable: 1\napps: []\n").plan.apps == ()


def test_an_alias_selects_the_app(place: Place) -> None:
    place.write(app("one", aliases=["uno"]))
    (selected,) = place.plan("uno").plan.apps
    assert (selected.name, selected.aliases) == ("one", ("uno",))


def test_what_an_app_needs_comes_with_it(place: Place) -> None:
    place.write(app("one", needs_apps=["two"]), app("two", needs_apps=["three"]), app("three"))
    assert [a.name for a in place.plan("one").plan.apps] == ["three", "two", "one"]


def test_what_a_cloud_needs_comes_with_it(place: Place) -> None:
    place.write(app("one"), app("server"), clouds=(cloud("box", needs_apps=["server"]),))
    assert [a.name for a in place.plan("one", clouds=["box"]).plan.apps] == ["one", "server"]


def test_an_app_starts_after_what_its_clouds_come_from(place: Place) -> None:
    place.write(app("a-reader", clouds=["box"]), app("server"), clouds=(cloud("box", needs_apps=["server"]),))
    assert [a.name for a in place.plan("a-reader", clouds=["box"]).plan.apps] == ["server", "a-reader"]


def test_order_is_by_name_where_nothing_else_decides(place: Place) -> None:
    place.write(app("c"), app("a", after=[{"app": "z"}]), app("z"), app("b"))
    assert [a.name for a in place.plan("c", "b", "z", "a").plan.apps] == ["z", "a", "b", "c"]


def test_waiting_for_an_app_that_does_not_run_here_is_dropped(place: Place) -> None:
    place.write(app("one", after=[{"app": "two"}]), app("two"))
    (one,) = place.plan("one").plan.apps
    assert one.after == ()


def test_a_chain_of_any_length_is_ordered(place: Place) -> None:
    names = [f"n{index:04}" for index in range(1500)]
    place.write(
        *(app(name, **({"needs_apps": [following]} if following else {})) for name, following in zip(names, [*names[1:], ""], strict=True))
    )
    assert [a.name for a in place.plan(names[0]).plan.apps] == names[::-1]


# --- names


def test_an_unknown_app_is_told_with_the_nearest_name(place: Place) -> None:
    report = place.mistakes("sonar")
    assert report.startswith("test.yaml:")
    assert " apps: " in report
    assert "app 'sonar'; known: audiobookshelf, autobrr," in report
    assert report.endswith("'sonarr'?) [app.unknown]")


def test_an_app_that_stands_twice(place: Place) -> None:
    place.write(app("one", aliases=["uno"]))
    wanted = [("apps", "app.duplicate", "'one' and 'uno'"), ("apps", "app.duplicate", "app 'one' is listed twice")]
    place.refuses("one", "uno", "one", wanted=wanted)


def test_the_stack_is_blamed_for_its_own_names(place: Place) -> None:
    report = place.mistakes(stack="portable: 1\napps:\n  - sonarr\n  - sonar\n")
    assert report.startswith("portable.yaml:4:5: apps: ")
    assert "app 'sonar'" in report


def test_names_that_nothing_has_are_told_wherever_they_stand(place: Place) -> None:
    place.write(app("one", aliases=["uno"]))
    waiver = {"field": "egress", "class": "security", "apps": ["plxe"], "reason": "none"}
    caught = place.caught(
        "one",
        without=["nope"],
        override={"snoarr": {}},
        exposure={"apps": {"plexx": {"web": {}}}},
        storage={"apps": {"uno": {}}},
        addresses={"glueton": "10.0.0.2"},
        waive=[waiver],
        clouds=["zrug", "shelf", "shelf"],
        stack="portable: 1\napps: [one]\nports: {jelyfin: {web: 1}}\noverride: {gerbra: {}}\n",
    )
    assert sorted((m.path, m.code, re.findall(r"'(\w+)'", m.text)[0]) for m in caught) == [
        ("addresses", "app.unknown", "glueton"),
        ("clouds", "cloud.duplicate", "shelf"),
        ("clouds", "cloud.unknown", "zrug"),
        ("exposure.apps", "app.unknown", "plexx"),
        ("override", "app.unknown", "gerbra"),
        ("override", "app.unknown", "snoarr"),
        ("ports", "app.unknown", "jelyfin"),
        ("storage.apps", "app.alias", "uno"),
        ("waive[0].apps", "app.unknown", "plxe"),
        ("without", "app.unknown", "nope"),
    ]


def test_what_is_said_of_an_app_that_does_not_run_here_is_no_mistake(place: Place) -> None:
    place.write(app("one"))
    planned = place.plan("one", override={"sonarr": {"title": "x"}}, exposure={"apps": {"plex": {"web": {"lan": {}}}}})
    assert [a.name for a in planned.plan.apps] == ["one"]


def test_a_port_that_the_app_has_not(place: Place) -> None:
    wanted = [("ports.sonarr", "port.unknown", "'wbe'; known: web")]
    place.refuses("sonarr", stack="portable: 1\nports: {sonarr: {wbe: 1}}\n", wanted=wanted)


def test_helpers_are_no_apps_of_their_own(place: Place) -> None:
    place.refuses("rclone", "tools", wanted=[("apps", "app.helper", "rclone"), ("apps", "app.helper", "tools")])


def test_mistakes_of_several_apps_are_told_at_once(place: Place) -> None:
    place.write(app("one", zone="Front"), app("two", bogus=1))
    report = place.mistakes("one", "two", "three", stack="portable: 1\noverride: {sonarr: {zone: 5}}\n")
    assert "app 'three'" in report
    assert "[app.unknown]" in report
    assert "apps/one/app.yaml:" in report
    assert "unknown key `bogus`" in report


def test_an_override_is_blamed_where_it_stands(place: Place) -> None:
    report = place.mistakes("sonarr", stack="portable: 1\noverride:\n  sonarr:\n    zoen: managers\n")
    assert report.startswith("portable.yaml:4:5: zoen: unknown key `zoen`")


def test_two_apps_can_not_answer_at_one_name(place: Place) -> None:
    place.write(app("one", aliases=["same"]), app("two", aliases=["same"]), app("three", aliases=["two"]))
    wanted = [
        ("aliases[0]", "app.alias-taken", "alias 'two' of 'three'", "name of another app"),
        ("aliases[0]", "app.alias-taken", "alias 'same' of 'two'", "alias of 'one'"),
    ]
    place.refuses("one", "two", "three", wanted=wanted)
    assert len(place.plan("one", "three").plan.apps) == 2


# --- without


def test_without_leaves_apps_out_by_name_and_alias(place: Place) -> None:
    place.write(app("one", aliases=["uno"]), app("two"))
    assert [a.name for a in place.plan("one", "two", without=["uno"]).plan.apps] == ["two"]
    assert [a.name for a in place.plan("one", "two", without=["two"]).plan.apps] == ["one"]


def test_what_another_app_needs_can_not_be_left_out(place: Place) -> None:
    place.write(app("one", needs_apps=["two"]), app("two"), app("server"), clouds=(cloud("box", needs_apps=["server"]),))
    wanted = [("needs-apps", "app.needed", "one needs two"), ("needs-apps", "app.needed", "cloud box needs server")]
    place.refuses("one", "two", without=["two", "server"], clouds=["box"], wanted=wanted)


def test_the_gateway_can_not_be_left_out_of_what_needs_it(place: Place) -> None:
    wanted = [("without", "vpn.gateway-left-out", "qbittorrent", "gluetun")]
    place.refuses("qbittorrent", without=["gluetun"], wanted=wanted, **VPN)


def test_nor_can_a_gateway_be_left_out_by_its_alias(place: Place) -> None:
    place.write(app("wall", aliases=["fence"], gateway="tunnel"), app("one", egress="vpn"))
    vpn = {**VPN["vpn"], "gateway": "wall"}
    assert ("without", "vpn.gateway-left-out") in place.told("one", without=["fence"], vpn=vpn)


def test_a_place_where_all_is_left_out(place: Place) -> None:
    place.write(app("one"))
    assert place.told("one", without=["one"]) == [("without", "app.none-left")]


# --- cycles


@pytest.mark.parametrize("key", ["needs_apps", "after"])
def test_a_cycle_is_told_with_its_names_and_place(place: Place, key: str) -> None:
    def waits(name: str) -> dict[str, object]:
        return {key: [name] if key == "needs_apps" else [{"app": name}]}

    place.write(app("one", **waits("two")), app("two", **waits("three")), app("three", **waits("one")), app("other"))
    report = place.mistakes("one", "two", "three", "other")
    assert ": one -> two -> three -> one (" in report
    assert report.endswith("[app.cycle]")
    assert report.startswith("apps/three/app.yaml:")
    line = int(report.split(":")[1])
    assert "one" in (place.folder / "apps/three/app.yaml").read_text().splitlines()[line - 1]


def test_an_app_that_waits_for_itself(place: Place) -> None:
    place.write(app("one", after=[{"app": "one"}]))
    place.refuses("one", wanted=[("after", "app.cycle", ": one -> one")])


def test_a_cloud_can_be_part_of_a_cycle(place: Place) -> None:
    place.write(app("server", clouds=["box"]), clouds=(cloud("box", needs_apps=["server"]),))
    place.refuses("server", clouds=["box"], wanted=[("after", "app.cycle", ": server -> cloud box -> server")])


def test_the_gateway_can_not_wait_for_what_is_behind_it(place: Place) -> None:
    place.write(app("torrents", egress="vpn"))
    wanted = [("after", "app.cycle", ": gluetun -> torrents -> gluetun")]
    place.refuses("torrents", override={"gluetun": {"after": [{"app": "torrents"}]}}, wanted=wanted, **VPN)


# --- the gateway


def test_a_place_with_a_vpn_gets_its_gateway(place: Place) -> None:
    place.write(app("torrents", egress="vpn"))
    planned = place.plan("torrents", **VPN)
    assert planned.chosen.gateway == "gluetun"
    assert [a.name for a in planned.plan.apps] == ["gluetun", "torrents"]


def test_a_place_without_a_vpn_gets_the_seal(place: Place) -> None:
    place.write(app("torrents", egress="vpn"))
    assert place.plan("torrents").chosen.gateway == "seal"


def test_a_place_where_nothing_needs_the_vpn_gets_no_gateway(place: Place) -> None:
    place.write(app("one"))
    assert place.plan("one", **VPN).chosen.gateway is None


def test_a_gateway_may_be_named_by_its_alias(place: Place) -> None:
    place.write(app("torrents", egress="vpn"), app("tunnel", gateway="tunnel", aliases=["my-vpn"], ports={"web": None}))
    assert place.plan("torrents", vpn={"gateway": "my-vpn"}).chosen.gateway == "tunnel"


@pytest.mark.parametrize(
    ("gateway", "code", "words"),
    [
        ("seal", "vpn.gateway-kind", "tunnel"),
        ("sonarr", "vpn.gateway-kind", "tunnel"),
        ("glueton", "vpn.gateway-unknown", "known: gluetun"),
    ],
)
def test_a_gateway_that_is_none(place: Place, gateway: str, code: str, words: str) -> None:
    place.write(app("torrents", egress="vpn"))
    place.refuses("torrents", vpn={"gateway": gateway}, wanted=[("vpn.gateway", code, f"{gateway!r}", words)])


WAIVER = {"field": "egress", "class": "security", "apps": ["torrents"], "reason": "at my own risk"}


@pytest.mark.parametrize("waive", [(), (WAIVER,)])
def test_a_setting_lets_an_app_out_by_name_and_a_waiver_only_accepts_that(place: Place, waive: tuple[object, ...]) -> None:
    place.write(app("torrents", egress="vpn"), app("other", egress="vpn"))
    planned = place.plan("torrents", "other", egress={"direct": ["torrents"]}, waive=list(waive), **VPN)
    assert [(g.name, g.apps) for g in planned.plan.groups] == [("gluetun", ("gluetun", "other")), ("torrents", ("torrents",))]
    ledger = settle(planned.findings, planned.waivers, {a.name for a in planned.plan.apps})
    (found,) = [f for f in ledger if f.field == "egress"]
    assert (found.code, found.app, found.class_) == ("vpn.direct", "torrents", "security")
    assert found.verdict == ("waived" if waive else "refused")
    assert planned.given.profile_source("egress", "direct", 0) == found.where


def test_no_waiver_lets_an_app_out(place: Place) -> None:
    place.write(app("torrents", egress="vpn"), app("other", egress="vpn"))
    changes: tuple[dict[str, object], ...] = ({"apps": []}, {"class": "function"}, {"field": "vpn"})
    for change in changes:
        (group,) = place.plan("torrents", "other", waive=[{**WAIVER, **change}], **VPN).plan.groups
        assert group.apps == ("gluetun", "other", "torrents")


def test_a_waiver_that_is_meant_to_let_an_app_out_is_a_mistake_that_says_what_to_write(place: Place) -> None:
    place.write(app("torrents", egress="vpn"), app("other", egress="vpn"))
    waiver = {**WAIVER, "apps": ["torrents", "other"]}
    with pytest.raises(InputError) as caught:
        place.plan("torrents", "other", waive=[waiver], egress={"direct": ["other"]}, **VPN)
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.code) == ("waive[0]", "vpn.waiver-alone")
    (said,) = re.findall(r"`(egress: .*?)`", mistake.remedy)
    written = load(("pasted", said.encode())).data
    assert written == {"egress": {"direct": ["other", "torrents"]}}
    planned = place.plan("torrents", "other", waive=[waiver], **written, **VPN)
    assert [g.apps for g in planned.plan.groups] == [("other",), ("torrents",)]


def test_an_inherited_waiver_is_none_where_the_profile_says_who_is_let_out(tmp_path: Path) -> None:
    base = f"{BASE}{TUN}waive: [{{field: egress, class: security, apps: [qbittorrent, prowlarr], reason: x}}]\n"
    top = "portable: 1\nname: top\nextends: base\nback-end: compose\napps: [qbittorrent, prowlarr]\n"
    with pytest.raises(InputError, match=r"\[vpn\.waiver-alone\]"):
        of_files(tmp_path, top=top, base=base)
    planned = of_files(tmp_path, top=f"{top}egress: {{direct: [prowlarr]}}\n", base=base)
    assert {a for g in planned.plan.groups if g.name == "gluetun" for a in g.apps} == {"gluetun", "qbittorrent"}


def test_an_app_that_needs_no_vpn_is_let_out_of_nothing(place: Place) -> None:
    place.write(app("torrents", egress="vpn"), app("one"))
    told = place.told("torrents", "one", egress={"direct": ["torrents", "one", "sonarr", "sonar"]}, **VPN)
    assert [path for path, _ in told] == ["egress.direct[3]"]
    told = place.told("torrents", "one", egress={"direct": ["torrents", "one", "sonarr"]}, **VPN)
    assert told == [("egress.direct[1]", "vpn.direct-unneeded")]


@pytest.mark.parametrize("value", ["direct", "null"])
@pytest.mark.parametrize("whose", ["stack", "profile"])
def test_an_override_can_not_take_an_app_out_of_the_vpn(place: Place, whose: str, value: str) -> None:
    place.write(app("one", egress="vpn"))
    if whose == "stack":
        report = place.mistakes("one", stack=f"portable: 1\noverride:\n  one:\n    egress: {value}\n")
    else:
        report = place.mistakes("one", override={"one": {"egress": None if value == "null" else value}})
    assert "one needs the VPN" in report
    assert "[vpn.need-removed]" in report
    assert "egress: {direct: [one]}" in report
    assert "waive: [{field: egress, class: security, apps: [one], reason: ...}]" in report


def test_an_override_may_put_an_app_behind_the_vpn(place: Place) -> None:
    place.write(app("one"))
    (group,) = place.plan("one", override={"one": {"egress": "vpn"}}).plan.groups
    assert group.apps == ("seal", "one")


def test_a_port_that_the_app_can_not_be_told_stays(place: Place) -> None:
    place.write(app("one", ports={"web": {"number": 80, "fixed": True}, "other": {"number": 81}}))
    report = place.mistakes("one", stack="portable: 1\nports:\n  one: {web: 8080, other: 8081}\n")
    assert report.startswith("portable.yaml:3:14: ports.web.number: one ")
    assert " 80:" in report
    assert report.endswith("[port.fixed]")
    assert len(report.splitlines()) == 1
    assert place.plan("one", stack="portable: 1\nports:\n  one: {web: 80, other: 8081}\n").plan.apps[0].ports[1].number == 80
    assert place.plan("one", override={"one": {"ports": {"web": {"number": 8080, "fixed": False}}}}).plan.apps[0].ports[1].number == 8080


def test_where_every_app_is_let_out_no_gateway_is_needed(place: Place) -> None:
    place.write(app("torrents", egress="vpn"))
    planned = place.plan("torrents", egress={"direct": ["torrents"]})
    assert planned.chosen.gateway is None
    assert [(f.field, f.class_, f.verdict, f.app) for f in planned.findings] == [("egress", "security", "refused", "torrents")]
