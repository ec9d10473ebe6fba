"""Engine and host go away and come back: the stack heals without a person, and nothing leaves past the tunnel meanwhile."""

import contextlib
import time
from collections.abc import Iterator

import pytest

from tests.lab.home.box import PROVIDER, Box
from tests.lab.home.home import Home
from tests.lab.home.trouble import healed

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]


@contextlib.contextmanager
def gone(part: Box) -> Iterator[None]:
    """Nobody hears of it meanwhile."""
    part.pause()
    try:
        yield
    finally:
        part.resume()


def test_an_engine_that_is_started_anew(home: Home) -> None:
    with home.capture() as seen:
        home.host.restart_engine()
        time.sleep(2)
        home.host.wait()
        healed(home)
    assert seen.leaked == [], str(seen)
    assert home.address_of("qbittorrent") == PROVIDER


def test_a_host_whose_power_was_cut(home: Home) -> None:
    """Its disks, keys and containers are there again; the apps behind the gateway wait for the healer."""
    with home.arrivals() as seen:
        home.host.power_cut()
        home.host.wait()
        healed(home)
    assert seen.leaked == [], f"{seen}: {seen.leaked[:5]}"
    assert home.host.ends_well("mountpoint -q /mnt/storage")
    assert {service: home.address_of(service) for service in home.behind} == dict.fromkeys(home.behind, PROVIDER)


def test_status_says_what_is_wrong_until_it_is_not(home: Home) -> None:
    """A provider that is gone for longer: the gateway is told as unwell, its apps reach nothing, and all is well once it is back."""
    with home.capture() as seen, gone(home.provider):
        home.host.until(lambda: home.stack.portable("status", code=None).code == 1, "status says nothing of the tunnel", 90)
        (row,) = (line for line in home.stack.ran[-1].out.splitlines() if line.startswith("gluetun "))
        assert "nothing comes back through the tunnel" in row or "unhealthy" in row, str(home.stack.ran[-1])
        assert home.address_of("qbittorrent") == ""
    healed(home)
    assert seen.leaked == [], f"{seen}: {seen.leaked[:5]}"
    assert home.address_of("qbittorrent") == PROVIDER
