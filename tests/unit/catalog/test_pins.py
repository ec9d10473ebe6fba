"""The pins of images: no older than what was tried, and with a digest where one is known (docs/facts/images.md#digests)."""

import re

import pytest

from portable.catalog.catalog import Catalog
from portable.catalog.facts import ImageFacts

CATALOG = Catalog()
LEAST = {
    ("riven", "database"): (17, 10),
    ("tubearchivist", "queue"): (8, 2, 10),
    ("backup", "main"): (3, 13, 14),
    ("plex", "tls"): (1, 30, 4),
    ("sabnzbd", "main"): (5, 1, 3),
    ("rclone", "main"): (1, 75, 1),
    ("ipfs", "main"): (0, 43, 0),
}
"""Versions of this year, by app and container."""
WITHOUT_DIGEST = {
    *("autobrr", "autoscan", "gerbera", "jackett", "lazylibrarian", "mylar3", "readarr", "requestrr", "seal", "tdarr", "unmanic"),
    *("watchtower", "whisparr", "tubearchivist-search"),
}
"""No public repository names a digest of these tags; the seal is built here and has none."""


def images() -> dict[str, ImageFacts]:
    """The image of each container, by app, and by container where that is not the main one."""
    found = {}
    for app in CATALOG.names():
        name = CATALOG.resolve(app)
        assert name
        for container, facts in CATALOG.app(name)[0].containers.items():
            found[name if container == "main" else f"{name}-{container}"] = facts.image
    return found


@pytest.mark.parametrize(("app", "container"), LEAST)
def test_a_pin_is_no_older_than_what_was_tried(app: str, container: str) -> None:
    image = CATALOG.app(app)[0].containers[container].image
    version = re.match(r"v?(\d+(?:\.\d+)*)", image.tag)
    assert version
    assert tuple(map(int, version[1].split("."))) >= LEAST[app, container]
    assert image.digest


def test_each_image_has_a_digest_unless_none_is_known() -> None:
    assert {name for name, image in images().items() if image.digest is None} == WITHOUT_DIGEST


def test_containers_of_one_tag_have_one_digest() -> None:
    digests: dict[tuple[str, str], set[str | None]] = {}
    for image in images().values():
        digests.setdefault((image.repository, image.tag), set()).add(image.digest)
    assert {name: found for name, found in digests.items() if len(found) > 1} == {}
