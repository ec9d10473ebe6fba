"""The gateway makes its tunnel anew while the real qBittorrent does not look: it listens on what is gone, which is told and mended."""

import json

import pytest

from tests.lab.home.home import Home

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]
_SIGNAL = 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = qbittorrent-nox ] && kill -{} ${{p##*/}}; done; true'


def told(home: Home) -> dict[str, str]:
    """The verdict on qBittorrent, and the text to it."""
    ran = home.stack.portable("verify", "listener", "--format", "json", code=None)
    (row,) = [row for row in json.loads(ran.out)["verify"] if row["subject"] == "qbittorrent"]
    return dict(row)


def number(home: Home) -> str:
    """The number of the tunnel's device; empty where there is none."""
    return home.stack.inside("gluetun", "sh", "-c", "cat /sys/class/net/tun0/ifindex 2>/dev/null || true").strip()


def test_an_app_that_listens_on_a_tunnel_that_is_gone(home: Home) -> None:
    home.host.until(lambda: told(home)["verdict"] == "holds", "qBittorrent does not listen on the tunnel", 120)
    # The app must be past its grace time, or the broken verdict would be an unknown one.
    home.host.until(lambda: older_than(home, "qbittorrent", 65), "qBittorrent is started again and again", 120)
    before = number(home)
    home.stack.inside("qbittorrent", "sh", "-c", _SIGNAL.format("STOP"))
    try:
        home.stack.inside("gluetun", "ip", "link", "del", "tun0")
        home.host.until(lambda: number(home) not in ("", before), "the gateway does not make its tunnel anew", 300)
    finally:
        home.stack.inside("qbittorrent", "sh", "-c", _SIGNAL.format("CONT"))
    home.host.until(lambda: home.stack.portable("status", code=None).code == 0, "the gateway or qBittorrent does not get well", 120)
    found = told(home)
    assert found["verdict"] == "broken", str(home.stack.ran[-1])
    assert "on a tunnel that is gone" in found["text"]
    assert "portable heal" in found["remedy"]
    healed = home.stack.portable("heal")
    assert "restart: it listens at port 6881 on a tunnel that is gone" in healed.out + healed.err, str(healed)
    home.host.until(lambda: told(home)["verdict"] == "holds", "heal did not mend it", 60)


def older_than(home: Home, service: str, seconds: float) -> bool:
    """Whether a container has run for so long, by its own clock."""
    started = "awk '{sub(/.*[)] /, \"\"); print $20}' /proc/1/stat"
    ran = home.stack.inside(service, "sh", "-c", f"echo $(cut -d' ' -f1 /proc/uptime) $({started}) $(getconf CLK_TCK)").split()
    return float(ran[0]) - int(ran[1]) / int(ran[2]) > seconds
