"""Users, capabilities, devices."""

from typing import Any

import pytest

from portable.backends.common import PlacedContainer
from portable.backends.compose.privileges import ROOT_START, device_findings, identity, privileges
from portable.model import plan as p
from portable.model.devices import Devices, HostDevice, PluginDevice
from tests.factories import container, plan


def placed(**changes: Any) -> PlacedContainer:
    return PlacedContainer("apps.demo.containers.main", container(**changes))


def test_an_app_that_needs_nothing_has_nothing() -> None:
    part = privileges(placed(), Devices())
    assert part.keys["cap_drop"] == ["ALL"]
    assert part.keys["security_opt"] == ["no-new-privileges:true"]
    assert not part.keys["cap_add"]
    assert not part.keys["devices"]


@pytest.mark.parametrize(
    ("needs", "capabilities"),
    [
        (p.Needs(root_start=True), list(ROOT_START)),
        (p.Needs(net_admin=True), ["NET_ADMIN"]),
        (p.Needs(fuse=True), ["SYS_ADMIN"]),
        (p.Needs(gpu=True), []),
    ],
)
def test_capabilities(needs: p.Needs, capabilities: list[str]) -> None:
    devices = Devices(fuse=HostDevice(path="/dev/fuse"), gpu=HostDevice(path="/dev/dri/renderD128"))
    assert privileges(placed(needs=needs), devices).keys["cap_add"] == capabilities


def test_fuse_may_mount() -> None:
    part = privileges(placed(needs=p.Needs(fuse=True)), Devices(fuse=HostDevice(path="/dev/fuse")))
    assert part.keys["devices"] == ["/dev/fuse:/dev/fuse"]
    assert part.keys["security_opt"] == ["apparmor:unconfined", "no-new-privileges:true"]


def test_a_device_opens_for_its_group() -> None:
    part = privileges(placed(needs=p.Needs(gpu=True)), Devices(gpu=HostDevice(path="/dev/dri/renderD128", group=105)))
    assert part.keys["group_add"] == ["105"]


def test_a_device_that_the_place_lacks_is_refused() -> None:
    [finding] = privileges(placed(needs=p.Needs(tun=True)), Devices()).findings
    assert (finding.verdict, finding.path) == ("refused", "apps.demo.containers.main.needs.tun")


def test_plugins_are_refused_and_unused_devices_told() -> None:
    place = plan(devices=Devices(tun=PluginDevice(resource="squat.ai/tun"), gpu=HostDevice(path="/dev/dri/renderD128")))
    found = device_findings(place, (p.Needs(tun=True),))
    assert [(finding.path, finding.verdict) for finding in found] == [("devices.tun", "refused"), ("devices.gpu", "noted")]


@pytest.mark.parametrize(
    ("how", "keys"),
    [
        ("puid-pgid", {"environment": {"TZ": "Etc/UTC", "PUID": "1001", "PGID": "1002", "UMASK": "027"}, "user": None}),
        ("user", {"environment": {"TZ": "Etc/UTC"}, "user": "1001:1002"}),
        ("fixed", {"environment": {"TZ": "Etc/UTC"}, "user": None}),
    ],
)
def test_identity(how: Any, keys: dict[str, Any]) -> None:
    part = identity(placed(identity=p.Identity(how=how, uid=1001, gid=1002, umask="027", groups=(44,))), "Etc/UTC")
    assert part.keys == {**keys, "group_add": ["44"]}


def test_a_variable_of_the_catalog_wins_and_is_told() -> None:
    part = identity(placed(identity=p.Identity(how="puid-pgid"), env={"PUID": "0", "TZ": "Asia/Tokyo"}), "Etc/UTC")
    assert {finding.path for finding in part.findings} == {"apps.demo.containers.main.identity.uid", "timezone"}
