"""Names of services and of secrets' variables."""

import pytest

from portable.backends.common import PlacedContainer, containers, index
from portable.backends.compose import names
from portable.model import plan as p
from portable.model.variables import secret_variable
from tests.factories import app, container, full_plan, plan


def test_services_of_the_full_plan() -> None:
    found = [names.service_name(placed) for placed in containers(full_plan("compose"))]
    assert found == ["gateway", "torrents", "player", "player-tls", "player-store", "sweep", "cloud-shelf", "init"]


def test_the_main_container_has_the_apps_name_whatever_its_own_is() -> None:
    demo = app("demo", containers=(container("beside", role="sidecar"), container("server")))
    assert [names.app_service(demo, c) for c in demo.containers] == ["demo-beside", "demo"]
    assert names.service_name(PlacedContainer("", demo.containers[1], app=demo)) == "demo"


def test_project_is_named_by_stack_and_profile() -> None:
    assert names.project_name(plan(stack="media", profile="local")) == "media-local"


@pytest.mark.parametrize(
    ("parts", "variable"),
    [
        (("wireguard-key", "value"), "PORTABLE_SECRET_WIREGUARD_KEY_VALUE"),
        (("plex-tls", "tls.crt"), "PORTABLE_SECRET_PLEX_TLS_TLS_CRT"),
        (("qbittorrent-conf",), "PORTABLE_SECRET_QBITTORRENT_CONF"),
    ],
)
def test_variable_of_a_secret(parts: tuple[str, ...], variable: str) -> None:
    assert secret_variable(*parts) == variable


@pytest.mark.parametrize(
    ("group", "owner"),
    [
        (p.Group(name="g", apps=("a",)), ("a", "main")),
        (p.Group(name="g", apps=("kept",)), ("kept", "store")),
        (p.Group(name="g", apps=("a", "b"), egress=p.Tunnel(gateway="b")), ("b", "main")),
        (p.Group(name="g", apps=("kept", "b"), egress=p.Sealed(gateway="b")), ("b", "main")),
        (p.Group(name="g", apps=("a",), egress=p.Sealed(gateway="nowhere")), None),
        (p.Group(name="g", apps=()), None),
    ],
)
def test_owner_of_a_group(group: p.Group, owner: tuple[str, str] | None) -> None:
    kept = app("kept", containers=(container(), container("beside", role="sidecar"), container("store", role="init")))
    found = names.owner_of(group, index(plan(app("a"), app("b"), kept)))
    assert (found and (found[0].name, found[1].name)) == owner
