"""`wire` on real apps: qBittorrent, behind its gateway, and SABnzbd learn of managers; a recorded Sonarr learns of both and tests them.

No manager is available here, so managers are in the plan without a container. One test runs a recorded interface instead.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portable.engines.docker.observed import PROJECT
from tests.lab import recorded
from tests.lab.forward import tcp_engine
from tests.lab.local import Local, docker, end_group

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(300)]
APPS = "apps=[capacity, gerbera, old-downloads, qbittorrent, sabnzbd, stream-links, webdav, sonarr, radarr]"
CLIENTS = ("qbittorrent", "sabnzbd")
TOLD = {
    *(("qbittorrent", f"category {name} is missing (in /mnt/media/downloads/torrents/{name})") for name in ("radarr", "sonarr")),
    *(("sabnzbd", f"category {name} is missing (in folder {name} of complete downloads)") for name in ("radarr", "sonarr")),
}
KEY = "0123456789abcdef0123456789abcdef"


def wire(local: Local, *arguments: str, code: int = 0) -> set[tuple[str, str]]:
    """Return the changes that `wire` made, or would make."""
    ran = local.portable("wire", *arguments, "--set", APPS, "--format", "json", code=code)
    return {(row["app"], row["cause"]) for row in json.loads(ran.out)["changes"]}


def api(local: Local, path: str, *form: str) -> str:
    """Call qBittorrent's own interface inside its container; the session is in a file there."""
    jar = ("--cookie-jar", "/tmp/jar", "--cookie", "/tmp/jar")
    data = [part for one in form for part in ("--data-urlencode", one)]
    return local.inside("qbittorrent", "curl", "-sSf", *jar, *data, f"http://127.0.0.1:{local.ports['qbittorrent']}/api/v2/{path}")


def categories(local: Local) -> dict[str, str]:
    """qBittorrent's, with their folders."""
    api(local, "auth/login", "username=admin", f"password={local.secret('qbittorrent-password')}")
    return {name: found["savePath"] for name, found in json.loads(api(local, "torrents/categories")).items()}


@pytest.fixture(autouse=True)
def nothing_told(local: Local) -> Iterator[None]:
    """Each test begins with apps that do not know each other."""
    yield
    if there := categories(local):
        api(local, "torrents/removeCategories", "categories=" + "\n".join(there))
    for name in ("radarr", "sonarr"):
        sabnzbd(local, "mode=del_config", "section=categories", f"keyword={name}")


def sabnzbd(local: Local, *form: str) -> str:
    """Call SABnzbd's own interface inside its container."""
    data = [part for one in (*form, "output=json", f"apikey={local.secret('sabnzbd-api-key')}") for part in ("--data-urlencode", one)]
    return local.inside("sabnzbd", "curl", "-sSf", *data, "http://127.0.0.1:8080/api")


def folders(local: Local) -> dict[str, str]:
    """SABnzbd's categories, with their folders."""
    said = json.loads(sabnzbd(local, "mode=get_config", "section=categories"))
    return {category["name"]: category["dir"] for category in said["config"]["categories"]}


def test_clients_are_told_once(local: Local) -> None:
    """The foreseen changes are made, the second time none; a person's own category stays."""
    api(local, "auth/login", "username=admin", f"password={local.secret('qbittorrent-password')}")
    api(local, "torrents/createCategory", "category=mine", "savePath=/mnt/media/mine")
    assert wire(local, *CLIENTS, "--dry-run") == TOLD
    assert set(categories(local)) == {"mine"}, "nothing is written by --dry-run"
    assert wire(local, *CLIENTS) == TOLD
    said = local.portable("wire", *CLIENTS, "--set", APPS).out
    assert said == "nothing to change: all apps are connected\n"
    assert categories(local) == {
        "mine": "/mnt/media/mine",
        "radarr": "/mnt/media/downloads/torrents/radarr",
        "sonarr": "/mnt/media/downloads/torrents/sonarr",
    }
    found = folders(local)
    assert (found["radarr"], found["sonarr"]) == ("radarr", "sonarr")


def test_a_download_goes_to_the_folder_of_its_category(local: Local) -> None:
    """Like a manager: a magnet link with a category and without a folder."""
    wire(local, "qbittorrent")
    digest = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
    categories(local)
    api(local, "torrents/add", f"urls=magnet:?xt=urn:btih:{digest}", "category=sonarr", "stopped=true")
    try:
        deadline = time.monotonic() + 20
        while not (found := json.loads(api(local, "torrents/info", f"hashes={digest}"))) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert found[0]["save_path"].rstrip("/") == "/mnt/media/downloads/torrents/sonarr"
    finally:
        api(local, "torrents/delete", f"hashes={digest}", "deleteFiles=true")


def test_what_was_moved_is_told_again(local: Local) -> None:
    wire(local, *CLIENTS)
    categories(local)
    api(local, "torrents/editCategory", "category=sonarr", "savePath=/mnt/media/elsewhere")
    sabnzbd(local, "mode=set_config", "section=categories", "keyword=radarr", "dir=films")
    assert wire(local, *CLIENTS) == {
        ("qbittorrent", "category sonarr uses /mnt/media/elsewhere instead of /mnt/media/downloads/torrents/sonarr"),
        ("sabnzbd", "category radarr uses films instead of radarr"),
    }
    assert (categories(local)["sonarr"], folders(local)["radarr"]) == ("/mnt/media/downloads/torrents/sonarr", "radarr")


def test_a_new_name_of_the_host_is_let_in(local: Local) -> None:
    """Both keep the names of their host check in settings of their own, which were made before the name was known."""
    named = ("--set", "exposure.lan=192.168.77.0/24", "--set", "exposure.address=nas.example")

    def status(host: str) -> str:
        url = f"http://127.0.0.1:{local.ports['qbittorrent']}/"
        command = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {host}:{local.ports['qbittorrent']}", url)
        return local.inside("qbittorrent", *command)

    assert (status("qbittorrent"), status("nas.example")) == ("200", "401")
    wire(local, *CLIENTS)
    assert wire(local, *CLIENTS, *named) == {(client, "it refuses browsers that come by the name nas.example") for client in CLIENTS}
    assert (status("qbittorrent"), status("nas.example"), status("other.example")) == ("200", "200", "401")
    (listed,) = json.loads(sabnzbd(local, "mode=get_config", "section=misc", "keyword=host_whitelist"))["config"]["misc"].values()
    assert {"nas.example", "sabnzbd"} <= set(listed)
    assert wire(local, *CLIENTS, *named) == set()


def test_killed_and_run_again(local: Local) -> None:
    """Killed after the first change: run again, it makes the rest. Its helper may stay for a while, but contains no secret."""
    log = local.folder / "started.log"
    log.write_text("")
    started = local.start("wire", *CLIENTS, "--set", APPS)
    deadline = time.monotonic() + 60
    while started.poll() is None and "tell" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    end_group(started)
    try:
        there = {("qbittorrent", name) for name in categories(local)} | {("sabnzbd", name) for name in folders(local)}
        left = {(app, cause) for app, cause in TOLD if (app, cause.split()[1]) not in there}
        assert set() < left < TOLD
        assert wire(local, *CLIENTS) == left
    finally:
        helpers = local.helpers()
        given = [docker("inspect", helper) for helper in helpers]
        for helper in helpers:
            docker("rm", "-f", helper)
    assert all('"AutoRemove": true' in one and local.secret("qbittorrent-password") not in one for one in given)


def test_apps_that_are_away_and_keys_that_are_wrong(local: Local) -> None:
    """Each is reported with its remedy; the others are configured all the same."""
    right = local.secret("sabnzbd-api-key")
    local.portable("secrets", "set", "sabnzbd-api-key", given="f" * 32)
    try:
        assert wire(local, code=1) == {(app, cause) for app, cause in TOLD if app == "qbittorrent"}
    finally:
        local.portable("secrets", "set", "sabnzbd-api-key", given=right)
    said = local.ran[-2].err
    (rejected,) = [line for line in said.splitlines() if "[wire.credentials-rejected]" in line]
    assert "sabnzbd: " in rejected
    assert "`portable secrets set -p lab sabnzbd-api-key`" in rejected
    stopped = [line for line in said.splitlines() if "[wire.not-running]" in line]
    for app in ("radarr", "sonarr"):
        (line,) = [line for line in stopped if f"{app}: " in line]
        assert "missing" in line
        assert f"`portable up -p lab {app}`" in line
    assert local.helpers() == []


@contextlib.contextmanager
def recorded_sonarr(local: Local) -> Iterator[str]:
    """Run a recorded Sonarr in place of the stack's own, with the Python of SABnzbd's image; yield its container."""
    local.portable("secrets", "set", "sonarr-api-key", "--set", APPS, given=KEY)
    (network,) = local.networks()
    image = local.inspected()["sabnzbd"]["Config"]["Image"]
    labels = ["--label", f"{PROJECT}={local.project}", "--label", "com.docker.compose.service=sonarr"]
    where = ["--network", network, "--network-alias", "sonarr", "--entrypoint", "python3", "--name", f"{local.project}-recorded"]
    made = docker("create", *labels, *where, image, "/recorded.py", "sonarr", "8989", KEY).strip()
    try:
        docker("cp", str(Path(recorded.__file__)), f"{made}:/recorded.py")
        docker("start", made)
        yield made
    finally:
        docker("rm", "-f", made)


def test_a_manager_is_told_of_the_clients_and_tries_them(local: Local) -> None:
    """The recorded Sonarr logs in to the real clients with its new settings, as the real one does before it saves a client."""
    told = {
        ("sonarr", "root folder /mnt/media/media/tv is missing"),
        ("sonarr", "download client qbittorrent is missing"),
        ("sonarr", "download client sabnzbd is missing"),
    }
    with recorded_sonarr(local), tcp_engine() as (url, _forwarder):
        assert wire(local, "sonarr") == told
        assert wire(local, "sonarr", "--set", f"engine={url}") == set(), "there is nothing left, through a far engine too"
    told_by_logs = local.logs_of(*CLIENTS)
    assert not [name for name in ("qbittorrent-password", "sabnzbd-api-key") if local.secret(name) in told_by_logs]
