"""Each thing that an app may do is named, and weighed."""

from typing import Any

import msgspec
import pytest

from portable.catalog.catalog import Catalog
from portable.catalog.facts import AppFacts
from portable.catalog.powers import powers_of_app, powers_of_cloud
from tests.unit.planning import app

DIGEST = "sha256:" + "0" * 64


def told(**changes: Any) -> dict[str, str]:
    """What the demo app may do beyond the least, with its weight; `main` changes its container."""
    facts = app("demo", egress="vpn")
    facts["containers"]["main"]["image"]["digest"] = DIGEST
    facts["containers"]["main"] |= changes.pop("main", {})
    return {power.text: power.weight for power in powers_of_app(msgspec.convert({**facts, **changes}, AppFacts))}


def test_an_app_that_asks_for_nothing_may_do_nothing() -> None:
    assert told() == {}


@pytest.mark.parametrize(
    ("changes", "words", "weight"),
    [
        ({"main": {"needs": {"engine": True}}}, "root access to the host", "grave"),
        ({"main": {"needs": {"net-admin": True}}}, "firewall", "grave"),
        ({"main": {"needs": {"tun": True}}}, "tunnel", "grave"),
        ({"main": {"needs": {"fuse": True}}}, "privileged", "grave"),
        ({"main": {"needs": {"root-start": True}}}, "root", "grave"),
        ({"main": {"identity": "fixed"}}, "user of its image", "usual"),
        ({"main": {"needs": {"gpu": "optional"}}}, "GPU", "usual"),
        ({"main": {"backs-up": True}}, "state of every app", "grave"),
        ({"main": {"library": "rw"}}, "writes the whole library", "usual"),
        ({"main": {"library": "ro"}}, "reads the whole library", "usual"),
        ({"main": {"recipe": "demo"}}, "built on this machine", "grave"),
        ({"main": {"image": {"repository": "registry.test/demo", "tag": "1"}}}, "without a digest", "usual"),
        ({"egress": "direct"}, "past the VPN", "usual"),
        ({"gateway": "tunnel"}, "gateway", "grave"),
        ({"clouds": ["shelf"]}, "shelf", "usual"),
    ],
)
def test_each_power_is_named(changes: dict[str, Any], words: str, weight: str) -> None:
    ((text, found),) = told(**changes).items()
    assert (words in text, found) == (True, weight), text


def test_the_helpers_of_the_shipped_catalog_are_grave() -> None:
    catalog = Catalog()
    of = {name: {power.weight for power in powers_of_app(catalog.app(name)[0])} for name in catalog.names()}
    assert "grave" in of["gluetun"]
    helpers = [name for name in catalog.names() if catalog.app(name)[0].fuse_mount or catalog.app(name)[0].tools]
    assert helpers
    assert all("grave" in of[name] for name in helpers)
    (shown,) = powers_of_cloud(catalog.cloud("zurg")[0])
    assert (shown.owner, "zurg:" in shown.text) == ("cloud zurg", True)
