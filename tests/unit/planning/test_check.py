"""Step 5: what cuts across the other steps, told before anything runs."""

from pathlib import Path
from typing import Any

import pytest

from portable.backends.prepare import prepare
from portable.model.errors import InputError
from portable.model.ledger import settle
from portable.profiles.load import SHIPPED
from tests.unit.planning import CLUSTER, COMPOSE, VPN, Place, app


@pytest.mark.parametrize(("base", "word"), [(COMPOSE, "host"), (CLUSTER, "cluster")])
def test_who_would_drive_the_engine_is_refused_by_name(place: Place, base: dict[str, Any], word: str) -> None:
    place.write(app("updater", containers={"main": {"needs": {"engine": True}}}), app("other"))
    (found,) = [f for f in place.plan("updater", "other", base=base).findings if f.field == "needs.engine"]
    assert (found.code, found.app, found.class_, found.verdict) == ("app.engine", "updater", "security", "refused")
    assert word in found.text


def test_what_an_app_lacks_is_told(place: Place) -> None:
    place.write(app("one", lacks=["It does not sing", "It does not dance"]))
    found = [(f.code, f.app, f.class_, f.text) for f in place.plan("one").findings if f.field == "lacks"]
    wanted = ("app.lacks", "one", "function")
    assert found == [(*wanted, "one: It does not sing."), (*wanted, "one: It does not dance.")]


@pytest.mark.parametrize(
    ("upstream", "class_"),
    [
        ({"status": "active"}, None),
        ({"status": "quiet"}, None),
        ({"status": "retired", "successor": "two"}, "function"),
        ({"status": "unmaintained", "note": "since 2022"}, "security"),
    ],
)
def test_how_an_app_is_kept_by_its_makers(place: Place, upstream: dict[str, str], class_: str | None) -> None:
    place.write(app("one", upstream=upstream), app("two"))
    found = [f for f in place.plan("one").findings if f.field == "upstream"]
    assert [(f.code, f.class_, f.app) for f in found] == ([("app.upstream", class_, "one")] if class_ else [])
    assert all(word in f.text for f in found for word in upstream.values())


@pytest.mark.parametrize(
    ("cidr", "own"),
    [
        ("192.168.1.0/24", True),
        ("10.0.0.0/8", True),
        ("100.64.0.0/10", True),
        ("fd00::/8", True),
        ("0.0.0.0/0", False),
        ("10.0.0.0/7", False),
        ("8.0.0.0/6", False),
        ("192.168.0.0/15", False),
        ("128.0.0.0/1", False),
        ("2000::/3", False),
    ],
)
@pytest.mark.parametrize("vpn", [{}, VPN])
def test_only_networks_of_ones_own_lie_past_the_fence(place: Place, cidr: str, own: bool, vpn: dict[str, Any]) -> None:
    place.write(app("one", egress="vpn"), app("gluetun", gateway="tunnel"))
    found = [f for f in place.plan("one", networks={"local": [cidr]}, **vpn).findings if f.field == "egress.networks"]
    assert [(f.code, f.verdict, f.class_) for f in found] == ([] if own else [("vpn.networks", "refused", "security")])
    assert all(cidr in f.text and f.where is not None for f in found)


@pytest.mark.parametrize("key", ["uid", "gid"])
def test_a_stack_of_root_is_a_finding(place: Place, key: str) -> None:
    place.write(app("one"))
    found = [f for f in place.plan("one", stack=f"{key}: 0\n").findings if f.field == f"stack.{key}"]
    assert [(f.code, f.class_, f.verdict, str(f.where)) for f in found] == [(f"stack.root-{key}", "security", "noted", "portable.yaml:1:6")]
    assert not [f for f in place.plan("one", stack=f"{key}: 1\n").findings if f.field.startswith("stack.")]


@pytest.mark.parametrize(("stack", "file"), [("apps: []\n", "portable.yaml:1:7"), (None, "test.yaml:")])
def test_a_list_without_apps_is_a_finding(place: Place, stack: str | None, file: str) -> None:
    place.write(app("one"))
    (found,) = (f for f in place.plan(stack=stack).findings if f.field == "apps")
    assert (found.code, found.class_) == ("app.none-listed", "function")
    assert str(found.where).startswith(file)
    assert "starts nothing" in found.text
    assert not [f for f in place.plan("one").findings if f.field == "apps"]


def test_an_empty_list_is_a_finding_also_where_a_cloud_brings_an_app(tmp_path: Path) -> None:
    (tmp_path / "portable.yaml").write_text("portable: 1\napps: []\n")
    planned = prepare("local", folder=tmp_path).planned
    assert [app.name for app in planned.plan.apps] == ["webdav"]
    (found,) = (f for f in planned.findings if f.field == "apps")
    assert (found.code, "starts only webdav" in found.text) == ("app.none-listed", True)


LAN: dict[str, Any] = {"exposure": {"default": "lan"}}
HOME: dict[str, Any] = {"exposure": {"default": "lan", "address": "192.168.1.5"}}
BALANCED: dict[str, Any] = {"base": CLUSTER, "exposure": {"apps": {"one": {"web": {"load-balancer": {}}}}}}


@pytest.mark.parametrize(
    ("changes", "apps"),
    [
        (LAN, ["one"]),
        (BALANCED, ["one"]),
        ({**LAN, "networks": {"subnet": "172.20.0.0/16"}}, ["one"]),
        ({**LAN, "networks": {"local": ["192.168.1.0/24"]}}, []),
        ({**HOME, "networks": {"local": ["192.168.1.0/24"]}}, []),
        ({**HOME, "networks": {"local": ["10.0.0.0/8", "fd00::/8"]}}, ["one"]),
        ({"exposure": {"default": "loopback"}}, []),
        ({**LAN, **VPN}, []),
    ],
)
def test_a_sealed_app_on_the_lan_needs_the_lan_among_the_local_networks(place: Place, changes: dict[str, Any], apps: list[str]) -> None:
    place.write(app("one", egress="vpn"), app("two"), app("gluetun", gateway="tunnel"))
    found = [f for f in place.plan("one", "two", **changes).findings if f.field == "exposure.sealed"]
    assert [(f.app, f.code, f.class_, f.verdict, f.path) for f in found] == [
        (name, "vpn.sealed-port", "function", "noted", f"exposures.{name}:web") for name in apps
    ]
    assert all(f.where is not None and "networks: {local:" in f.remedy for f in found)


def test_who_needs_no_vpn_may_call_whom_it_likes(place: Place) -> None:
    place.write(app("one"))
    assert not [f for f in place.plan("one", networks={"local": ["0.0.0.0/0"]}).findings if f.field == "egress.networks"]


def test_an_app_that_the_stack_has_and_the_place_leaves_out_is_told(place: Place) -> None:
    place.write(app("one"), app("two"))
    found = [f for f in place.plan(stack="apps: [one, two]\n", without=["two"]).findings if f.field == "without"]
    assert [f.code for f in found] == ["app.left-out"]
    assert "two" in found[0].text


@pytest.mark.parametrize(("listed", "without"), [("two", "due"), ("due", "two"), ("due", "zwei")])
def test_an_app_that_is_left_out_by_an_alias_is_told_too(place: Place, listed: str, without: str) -> None:
    place.write(app("one"), app("two", aliases=["due", "zwei"]))
    found = place.plan(stack=f"apps: [one, {listed}]\n", without=[without]).findings
    assert [(f.code, listed in f.text) for f in found if f.field == "without"] == [("app.left-out", True)]
    assert not [f for f in place.plan("one", listed, stack="apps: [one]\n", without=[without]).findings if f.field == "apps"]


@pytest.mark.parametrize(
    ("stack", "without", "names"),
    [
        ("apps: [one]\n", [], ["two, three"]),
        ("apps: [one, two]\n", ["three"], []),
        ("apps: [one, two, three]\n", [], []),
        ("name: mine\n", [], []),
    ],
)
def test_what_the_place_lists_and_the_stack_does_not_is_told(place: Place, stack: str, without: list[str], names: list[str]) -> None:
    place.write(app("one"), app("two"), app("three"))
    planned = place.plan("one", "two", "three", stack=stack, without=without)
    found = [f for f in planned.findings if f.field == "apps"]
    assert [f.code for f in found] == ["app.list-overridden"] * len(names)
    assert all(f"profile test lists {name}, " in f.text for f, name in zip(found, names, strict=True))
    assert all(f.where and f.where.line > 1 for f in found), "it is told at the list"


@pytest.mark.parametrize(
    ("profile", "sets", "told"),
    [
        ("zimaboard", [], []),
        ("profiles/linked/zimaboard.yaml", [], []),
        ("own", [], ["profile own lists plex, sonarr"]),
        ("child", [], ["profile child lists plex, sonarr"]),
        ("grandchild", [], []),
        ("zimaboard", ["apps=[plex, plex]"], ["profile zimaboard lists plex"]),
    ],
)
def test_only_a_shipped_list_may_be_passed_over(
    profile: str, sets: list[str], told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever way leads to it."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "linked").symlink_to(SHIPPED)
    (tmp_path / "portable.yaml").write_text("portable: 1\nname: mine\napps: [radarr]\n")
    for name, base, more in (
        ("own", "zimaboard", "apps: [radarr, plex, sonarr]\n"),
        ("child", "own", ""),
        ("grandchild", "zimaboard", ""),
    ):
        (tmp_path / "profiles" / f"{name}.yaml").write_text(f"portable: 1\nname: {name}\nextends: {base}\nback-end: compose\n{more}")
    monkeypatch.chdir(tmp_path)
    found = [f.text.split(", but ")[0] for f in prepare(profile, sets=sets).planned.findings if f.code == "app.list-overridden"]
    assert found == told


def test_a_list_that_counts_for_nothing_may_not_name_what_is_not_there(place: Place) -> None:
    place.write(app("one"))
    place.refuses("one", "onne", stack="apps: [one]\n", wanted=[("apps", "app.unknown", "'onne'")])


def test_ones_own_app_in_the_place_of_a_shipped_one_is_told(place: Place) -> None:
    place.write(app("sonarr"), app("mine"))
    found = [(f.code, f.app, f.class_) for f in place.plan("sonarr", "mine").findings if f.field == "catalog"]
    assert found == [("app.replaces-shipped", "sonarr", "function")]


@pytest.mark.parametrize("base", [COMPOSE, CLUSTER])
def test_no_waiver_lets_an_app_run_without_its_engine(place: Place, base: dict[str, Any]) -> None:
    place.write(app("updater", containers={"main": {"needs": {"engine": True}}}))
    (found,) = [f for f in place.plan("updater", base=base).findings if f.code == "app.engine"]
    assert not found.is_waivable
    assert "no waiver accepts" in found.text
    waiver = {"field": "needs.engine", "class": "security", "apps": ["updater"], "reason": "I know"}
    planned = place.plan("updater", base=base, waive=[waiver])
    with pytest.raises(InputError, match=r"test\.yaml:\d+:\d+: waive: no waiver accepts .*\[stack\.waiver-refused\]"):
        settle(planned.findings, planned.waivers, ["updater"])


# --- GPUs

PLAYER: dict[str, Any] = {"containers": {"main": {"needs": {"gpu": "optional"}}}}
NODE = {"path": "/dev/dri/renderD128"}


@pytest.mark.parametrize(
    ("gpu", "remedy"),
    [
        ({"host": NODE}, "{host: {path: /dev/dri/renderD128, group: NUMBER}}"),
        ({"plugin": "gpu.intel.com/i915"}, "{plugin: gpu.intel.com/i915, group: NUMBER}"),
        ({"annotation": "/dev/dri/renderD128"}, "{annotation: /dev/dri/renderD128, group: NUMBER}"),
    ],
    ids=str,
)
def test_a_gpu_without_its_group_is_closed_to_a_user(place: Place, gpu: dict[str, Any], remedy: str) -> None:
    place.write(app("player", **PLAYER), app("other"))

    def found(base: dict[str, Any] = COMPOSE) -> list[tuple[str | None, str]]:
        return [
            (f.app, f.class_) for f in place.plan("player", "other", base=base, devices={"gpu": gpu}).findings if f.code == "app.gpu-group"
        ]

    assert found() == found(CLUSTER) == [("player", "function")]
    (finding,) = [f for f in place.plan("player", devices={"gpu": gpu}).findings if f.code == "app.gpu-group"]
    assert remedy in finding.remedy
    assert "stat -c %g /dev/dri/renderD128" in finding.remedy
    group = {"host": {**NODE, "group": 104}} if "host" in gpu else {**gpu, "group": 104}
    planned = place.plan("player", devices={"gpu": group})
    assert [f for f in planned.findings if f.code == "app.gpu-group"] == []
    assert planned.plan.devices.gpu is not None
    assert planned.plan.devices.gpu.group == 104


@pytest.mark.parametrize("main", [{"identity": "puid-pgid"}, {"identity": "fixed"}, {"groups": [104]}, {"needs": {"gpu": "none"}}], ids=str)
def test_others_need_no_group_for_the_gpu(place: Place, main: dict[str, Any]) -> None:
    place.write(app("player", containers={"main": {**PLAYER["containers"]["main"], **main}}))
    assert [f for f in place.plan("player", devices={"gpu": {"host": NODE}}).findings if f.code == "app.gpu-group"] == []


@pytest.mark.parametrize(
    "gpu", [{"host": {"path": "/dev/nvidia0"}}, {"plugin": "nvidia.com/gpu"}, {"annotation": "/dev/nvidiactl"}], ids=str
)
@pytest.mark.parametrize("base", [COMPOSE, CLUSTER])
def test_a_gpu_of_nvidia_is_refused(place: Place, base: dict[str, Any], gpu: dict[str, Any]) -> None:
    place.write(app("player", **PLAYER))
    place.refuses("player", base=base, devices={"gpu": gpu}, wanted=[("devices.gpu", "plan.gpu-unsupported", "NVIDIA")])
