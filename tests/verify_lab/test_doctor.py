"""`doctor` on a real host: nothing is wrong with a stack as it should be, and what is wrong is told with why and with what mends it."""

import json
import os
import socket

import pytest

from tests.lab.forward import tcp_engine
from tests.lab.local import Local, docker

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(300)]


def wrong(local: Local, *arguments: str) -> dict[str, set[str]]:
    """By check, where something is wrong; exit 3 where anything is."""
    ran = local.portable("doctor", "--format", "json", *arguments, code=None)
    rows = json.loads(ran.out)["doctor"]
    found: dict[str, set[str]] = {}
    for row in rows:
        if row["verdict"] == "broken":
            assert row["why"], row
            assert row["remedy"], row
            found.setdefault(row["check"], set()).add(row["where"])
    assert ran.code == (3 if found else 0), str(ran)
    return found


def test_nothing_is_wrong_with_a_stack_as_it_should_be(local: Local) -> None:
    local.portable("up")
    assert wrong(local) == {}
    said = local.portable("doctor", "--all").out
    for check in ("engine", "devices", "storage", "rights", "split", "clouds", "memory"):
        assert f"\n{check}: " in f"\n{said}"


def test_a_host_that_is_another_machine_is_looked_at_by_a_helper(local: Local) -> None:
    """The same engine by TCP: nothing is taken from this machine's own folders then. The helper is gone afterwards."""
    with tcp_engine() as (url, _forwarder):
        assert wrong(local, "--set", f"engine={url}") == {}
        os.chown(local.library / "media", 0, 0)
        (local.library / "media").chmod(0o755)
        try:
            assert wrong(local, "--set", f"engine={url}") == {"rights": {f"{local.library}/media"}}
        finally:
            os.chown(local.library / "media", 1000, 1000)
    assert docker("ps", "-aq", "--filter", "label=portable.helper") == ""


def test_rights_room_for_links_and_ports(local: Local) -> None:
    docker("stop", local.container("gerbera"))
    os.chown(local.library / "downloads", 0, 0)
    (local.library / "downloads").chmod(0o755)
    try:
        with socket.create_server(("127.0.0.1", local.ports["gerbera"])):
            assert wrong(local) == {"rights": {f"{local.library}/downloads"}, "ports": {f"port {local.ports['gerbera']}/tcp"}}
    finally:
        os.chown(local.library / "downloads", 1000, 1000)
        local.portable("up")


def test_an_app_on_a_network_that_is_gone(local: Local) -> None:
    docker("restart", local.container("seal"))
    assert wrong(local) == {"gateway": {"qbittorrent"}}
    local.portable("up")


def test_a_node_that_the_host_does_not_have(local: Local) -> None:
    assert wrong(local, "--set", "devices.fuse.host.path=/dev/fuse9") == {"devices": {"/dev/fuse9"}}
