"""What a household does, end to end: a torrent becomes a film on the player (B), and a cloud's film plays by a link to it (A).

Real are qBittorrent, the tunnel, the seeder and its tracker, the links and mounts, and the player (Gerbera); Sonarr, which links, and the
gateway around the tunnel are stand-ins, and so is zurg.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab import gerbera
from tests.lab.home.box import CLOUD, PROVIDER
from tests.lab.home.home import Home
from tests.lab.home.internet import Seeder

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]
Record = Callable[[str, object], None]
SHOW = "/mnt/media/stream/tv/A show"
FILMS = {
    "torbox": ("/mnt/media/torbox/torrents/Film.0042.2020.1080p/film.0042.mkv", b"film 0042\n"),
    "zurg": ("/mnt/media/zurg/__all__/film.42.mkv", b"film 42\n"),
}
"""Where a film of each cloud is for every app, and what is in it."""
QBITTORRENT = "http://qbittorrent:8080/api/v2"


@pytest.fixture(scope="module", autouse=True)
def links(clouded: Home) -> None:
    """A link to a film of each cloud, made at the start: the player looks for what is new once a minute."""
    for cloud, (film, _) in FILMS.items():
        script = f"mkdir -p '{SHOW}' && ln -sfn '{film}' '{SHOW}/{cloud}.mkv'"
        clouded.stack.inside("sonarr", "sh", "-c", script, user="1000:1000")


@pytest.fixture(scope="module")
def seeder(clouded: Home) -> Iterator[Seeder]:
    """Somebody in the internet who has a film."""
    made = Seeder(lab=clouded.internet.lab, image=clouded.internet.image)
    try:
        made.start()
        yield made
    finally:
        made.remove()


def asked(home: Home, path: str, *form: str) -> str:
    """What qBittorrent answers Sonarr's container at its stable name: the way in which the manager would ask."""
    jar = ("--cookie-jar", "/tmp/jar", "--cookie", "/tmp/jar")
    return home.stack.inside("sonarr", "curl", "-sSf", *jar, *form, f"{QBITTORRENT}/{path}")


def played(home: Home, folder: str, title: str) -> bytes:
    """What a player on the LAN gets of a title, once the media server lists it."""
    url = f"http://{home.host.address}:49494"
    listed = title.removesuffix(".mkv")
    gerbera.wait_listed(url, folder, listed, 150)
    return gerbera.content(url, folder, listed)


def test_b_a_torrent_is_fetched_through_the_tunnel_linked_and_served(clouded: Home, seeder: Seeder, record_property: Record) -> None:
    home, stack = clouded, clouded.stack
    stack.portable("wire", "qbittorrent")
    password = stack.secret("qbittorrent-password")
    assert asked(home, "auth/login", "-d", "username=admin", "--data-urlencode", f"password={password}") in ("Ok.", "")
    torrent = base64.b64encode(seeder.torrent()).decode()
    stack.inside("sonarr", "sh", "-c", f"echo {torrent} | base64 -d >/tmp/film.torrent")
    before = time.monotonic()
    fuse_mount = f"(dst host {CLOUD} and tcp port 80)"
    with home.capture(fuse_mount) as uplink:
        added = asked(home, "torrents/add", "-F", "torrents=@/tmp/film.torrent", "-F", "category=sonarr")
        assert "fail" not in added.lower(), added
        finished = f"/mnt/storage/downloads/complete/sonarr/{seeder.film}"
        kept = f"/mnt/storage/media/tv/{seeder.film}"
        home.host.until(lambda: home.host.ends_well(f"[ -s '{kept}' ]"), "nothing was imported", 120)
    seconds = time.monotonic() - before
    assert uplink.leaked == []
    assert uplink.in_tunnel > 100
    assert seeder.announced() == {PROVIDER}
    state = json.loads(asked(home, "torrents/info"))[0]
    assert (state["category"], state["progress"]) == ("sonarr", 1)
    assert len(set(home.host.sh(f"stat -c '%d %i' '{finished}' '{kept}'").splitlines())) == 1
    assert home.host.sh(f"sha256sum '{kept}'").split()[0] == seeder.digest()
    assert hashlib.sha256(played(home, "/mnt/media/media/tv", seeder.film)).hexdigest() == seeder.digest()
    record_property("scenario_b", f"{seeder.size} bytes fetched and linked in {seconds:.1f} s; {uplink}")


@pytest.mark.parametrize("cloud", FILMS)
def test_a_a_link_in_stream_is_read_through_the_clouds_mount(clouded: Home, cloud: str) -> None:
    """The link leads to a path of the apps' own, which is the same in each of them; nothing of the film lies on the disk."""
    link, holds = f"{SHOW}/{cloud}.mkv", FILMS[cloud][1]
    for reader in ("jellyfin", "radarr", "gerbera"):
        assert clouded.stack.inside(reader, "cat", link, user="1000:1000").encode() == holds
    assert played(clouded, SHOW, f"{cloud}.mkv") == holds
    assert clouded.host.sh("find /mnt/storage/stream -type f") == ""


def test_a_link_whose_film_the_cloud_has_let_go_is_told(clouded: Home) -> None:
    """A cloud lets go of what nobody reads for 30 days: expected, and told; what it still has is not."""
    gone = f"{SHOW}/gone.mkv"
    clouded.stack.inside("sonarr", "ln", "-sfn", "/mnt/media/torbox/torrents/Gone/gone.mkv", gone, user="1000:1000")
    found = json.loads(clouded.stack.portable("doctor", "--format", "json", code=None).out)["doctor"]
    links = [(row["verdict"], row["text"]) for row in found if row["check"] == "links"]
    assert len(links) == 1
    assert links[0][0] == "broken", links
    assert links[0][1].startswith("1 link leads nowhere"), links
    assert "gone.mkv" in links[0][1], links


def test_scenarios_leave_a_healthy_host(clouded: Home) -> None:
    ran = clouded.stack.portable("verify", code=None)
    assert ran.code == 0, str(ran)
