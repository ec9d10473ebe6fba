"""One home for all tests of this folder: the profile zimaboard, up on a Docker host with a VPN; with clouds for those who ask."""

from collections.abc import Iterator
from typing import Any

import pytest

from portable.engines.docker.engine import Engine
from tests.lab.engine import bring_engine
from tests.lab.home.box import CLOUD, bring
from tests.lab.home.home import AT, Home, home_up
from tests.lab.standins import at_registry

ENTRIES = 3000
_SERVE = f"""\
mkdir -p /tmp/cloud/__all__ && cd /tmp/cloud/__all__ && for n in $(seq {ENTRIES}); do echo "film $n" >film.$n.mkv; done
exec rclone serve webdav /tmp/cloud --addr :9999 --baseurl /dav --read-only
"""


@pytest.fixture(scope="package")
def here() -> Iterator[Engine]:
    """The machine's own engine, on which the lab is made."""
    with bring_engine() as engine:
        yield engine


@pytest.fixture(scope="package")
def home(here: Engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Home]:
    """The home, its stack up."""
    with home_up(here, tmp_path_factory.mktemp("home"), lambda: request.session.testsfailed) as made:
        made.stack.portable("up")
        yield made


@pytest.fixture(scope="module")
def clouded(home: Home, here: Engine) -> Home:
    """The home with both clouds and Gerbera, a real player; apps that it has no place for go."""
    home.take(here, "zimaboard", _with_clouds({recipe: _pushed(home, here, recipe) for recipe in ("gerbera", "rclone", "tools")}))
    for key, value in home.cloud.login().items():
        home.stack.portable("secrets", "set", f"torbox-login.{key}", given=f"{value}\n")
    home.stack.portable("up")
    return home


def _pushed(home: Home, here: Engine, recipe: str) -> dict[str, Any]:
    """What a profile says of a container to have that image, which is built by a recipe, from the home's registry."""
    built = bring(here, recipe)
    home.registry.push({built: at_registry(built, "")[1:]})
    repository, _, tag = at_registry(built, AT).rpartition(":")
    return {"image": {"repository": repository, "tag": tag, "digest": None}, "recipe": None}


def _with_clouds(image: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The owner's profile with zurg, TorBox and a real player.

    Zurg can't be had: rclone serves some thousand files where it would, by WebDAV. TorBox is the lab's cloud.
    """
    asked = {"exec": ["rclone", "lsf", "--webdav-url", "http://127.0.0.1:9999/dav", ":webdav:"], "http": None, "period": "2s"}
    rclone = image["rclone"]
    serving = {"command": ["sh", "-c", _SERVE], "environment": None, "files": None, "probe": asked, "fetch": None}
    mounting = {"environment": {"RCLONE_CONFIG_TORBOX_URL": f"http://{CLOUD}"}, "probe": {"period": "1s"}}
    unplaced = ("audiobookshelf", "autobrr", "homepage", "ipfs", "lidarr", "mylar3", "prowlarr", "readarr", "seerr", "tubearchivist")
    return {
        "apps": ["capacity", "gerbera", "gluetun", "jellyfin", "qbittorrent", "radarr", "sonarr", "stream-links", "zurg"],
        "clouds": ["torbox", "zurg"],
        "devices": {"fuse": {"host": {"path": "/dev/fuse"}}},
        "memory": None,
        "waive": None,
        "override": {
            "zurg": {"containers": {"main": {**rclone, **serving}}, "secrets": None},
            "rclone": {"containers": {"main": {**rclone, **mounting}}},
            "gerbera": {
                "clouds": ["torbox", "zurg"],
                "library": {"folders": ["media/movies", "media/tv", "stream"]},
                "containers": {"main": image["gerbera"]},
            },
            "stream-links": {"containers": {"main": image["tools"]}},
            **dict.fromkeys(unplaced),
        },
    }
