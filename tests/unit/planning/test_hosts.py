"""By which name an app calls another: its own, but in full from behind a gateway of a cluster."""

from typing import Any

import pytest

from portable.model import plan as p
from portable.planning.hosts import name_for
from tests.unit.planning import CLUSTER, COMPOSE, VPN, Place, app, cloud, port_of


def calling(name: str, **changes: Any) -> dict[str, Any]:
    """An app whose environment has the addresses of the apps `free` and `hidden`."""
    urls = {"FREE": "{{ url('free') }}", "HIDDEN": "{{ url('hidden') }}", "NAMES": "{{ names | join(' ') }}"}
    return app(name, containers={"main": {"environment": urls}}, **changes)


def urls(place: Place, base: dict[str, Any], **changes: Any) -> dict[str, tuple[str, str]]:
    """What `free`, which is outside the tunnel, and `hidden`, which is behind it, see of themselves and of one another."""
    place.write(calling("free"), calling("hidden", egress="vpn"))
    networks = {"local": ["10.0.0.0/8"], **changes.pop("networks", {})}
    plan = place.plan("free", "hidden", base=base, networks=networks, **VPN, **changes).plan
    found = {made.name: made.containers[0].env for made in plan.apps if made.name != "gluetun"}
    return {name: (_host(env["FREE"], "free"), _host(env["HIDDEN"], "hidden")) for name, env in found.items()}


def _host(url: object, app_name: str) -> str:
    return str(url).removeprefix("http://").removesuffix(f":{port_of(app_name)}")


def test_on_an_engine_every_app_has_its_own_name(place: Place) -> None:
    assert urls(place, COMPOSE) == {"free": ("free", "hidden"), "hidden": ("free", "hidden")}


@pytest.mark.parametrize(
    ("changes", "full"),
    [
        ({}, "free.media.svc.cluster.local"),
        ({"namespace": "home"}, "free.home.svc.cluster.local"),
        ({"networks": {"cluster-domain": "k8s.lan"}}, "free.media.svc.k8s.lan"),
    ],
)
def test_behind_a_gateway_of_a_cluster_names_of_other_pods_are_full(place: Place, changes: dict[str, Any], full: str) -> None:
    assert urls(place, CLUSTER, **changes) == {"free": ("free", "hidden"), "hidden": (full, "hidden")}


@pytest.mark.parametrize(("base", "full"), [(COMPOSE, "other"), (CLUSTER, "other.media.svc.cluster.local")])
def test_verify_asks_by_the_same_names(place: Place, base: dict[str, Any], full: str) -> None:
    place.write(calling("free", aliases=["other"]), calling("hidden", egress="vpn"))
    planned = place.plan("free", "hidden", base=base, networks={"local": ["10.0.0.0/8"]}, **VPN)
    fenced = next(group for group in planned.plan.groups if "hidden" in group.apps)
    open_ = next(group for group in planned.plan.groups if "free" in group.apps)
    assert name_for(planned.given, fenced, "free", "other") == full
    assert name_for(planned.given, fenced, "hidden", "hidden") == "hidden"
    assert name_for(planned.given, open_, "hidden", "hidden") == "hidden"


def test_host_checks_allow_the_full_name(place: Place) -> None:
    place.write(calling("free"), calling("hidden"))
    for base, expected in ((COMPOSE, False), (CLUSTER, True)):
        plan = place.plan("free", "hidden", base=base).plan
        assert ("free.media.svc.cluster.local" in str(plan.apps[0].containers[0].env["NAMES"]).split()) is expected


@pytest.mark.parametrize(("egress", "host"), [("direct", "free"), ("vpn", "free.media.svc.cluster.local")])
def test_the_mount_of_a_cloud_runs_in_the_pods_of_its_readers(place: Place, egress: str, host: str) -> None:
    environment = {"RCLONE_CONFIG": "/rclone.conf", "URL": "{{ url('free') }}"}
    rclone = app("rclone", fuse_mount=True, containers={"main": {"environment": environment}})
    reader = app("reader", clouds=["shelf"], egress=egress) if egress == "vpn" else app("reader", clouds=["shelf"])
    place.write(app("free"), reader, app("other", egress="vpn"), rclone, clouds=(cloud("shelf"),))
    plan: p.Plan = place.plan("free", "reader", "other", base=CLUSTER, clouds=["shelf"], networks={"local": ["10.0.0.0/8"]}, **VPN).plan
    assert _host(plan.clouds[0].fuse_mount.env["URL"], "free") == host
