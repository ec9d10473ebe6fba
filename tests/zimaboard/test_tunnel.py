"""The tunnel goes silent while the gateway still calls itself healthy: `status` and `verify` tell it at once."""

import json
from typing import Any

import pytest

from tests.lab.home.home import Home
from tests.lab.home.trouble import healed
from tests.zimaboard.test_heal import gone

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]


def gateway(home: Home) -> dict[str, Any]:
    """Its row of `status`."""
    ran = home.stack.portable("status", "--format", "json", code=None)
    (row,) = [row for row in json.loads(ran.out)["apps"] if row["service"] == "gluetun"]
    return dict(row)


def test_an_outage_is_told_while_the_gateway_is_healthy(home: Home) -> None:
    home.host.until(lambda: home.stack.portable("status", code=None).code == 0, "the stack is not well", 180)
    assert home.stack.portable("verify", "tunnel").code == 0
    with gone(home.provider):
        row = gateway(home)
        seconds = home.stack.ran[-1].seconds
        assert row["health"] == "healthy", "its own check needs longer"
        assert row["reason"].startswith("nothing comes back through the tunnel"), str(home.stack.ran[-1])
    print(f"told after {seconds:.1f} s")
    assert seconds < 20
    healed(home)


def test_verify_tells_an_outage(home: Home) -> None:
    with gone(home.provider):
        ran = home.stack.portable("verify", "tunnel", code=3)
        assert "nothing comes back through the tunnel" in ran.out
    healed(home)
    assert home.stack.portable("verify", "tunnel").code == 0


def test_restarts_of_the_vpn_are_told(home: Home) -> None:
    """By the line that Gluetun writes; the stand-in's own restarts are counted only where it writes the same."""
    before = gateway(home)["note"]
    pid = "/proc/1/fd/1"
    line = "WARN [vpn] restarting VPN because it failed to pass the healthcheck: small periodic check: all check tries failed"
    home.stack.inside("gluetun", "sh", "-c", f"echo '{line}' >{pid}; echo '{line}' >{pid}")
    after = gateway(home)
    assert after["note"] != before
    assert after["note"].startswith("VPN restarted ")
    assert after["note"].endswith(" s ago")
    assert after["reason"] == ""
