"""The real apps of `local` answer through their own interfaces, keep what they were given, and share one library and one cloud."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab import gerbera, usenet
from tests.lab.engine import LABEL
from tests.lab.local import APPS, CLOUD, Local, docker
from tests.lab.own import CLOUDS
from tests.lab.qbittorrent import QBittorrent, torrent_of
from tests.lab.sabnzbd import SABnzbd

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(1500)]
Record = Callable[[str, object], None]
FILM = usenet.content("linux.iso", 300_000)
EPISODE, EPISODE_SIZE = "episode.1.1.mkv", 1_500_000
WELCOME = f"{CLOUDS}/{CLOUD}/welcome.txt"


def place_torrent(local: Local) -> tuple[bytes, str]:
    """Data where the torrent says it is, as after a download."""
    path = local.library / "downloads" / "torrents" / "linux.iso"
    path.write_bytes(FILM)
    os.chown(path, 1000, 1000)
    return torrent_of("linux.iso", FILM)


def test_generated_secrets_lie_in_a_private_file(local: Local) -> None:
    assert local.secrets_file.stat().st_mode & 0o777 == 0o600
    assert local.secrets_file.parent.stat().st_mode & 0o077 == 0
    assert len(local.secret("sabnzbd-api-key")) == 32
    assert len(local.secret("qbittorrent-password")) == 24


def test_qbittorrent_reports_its_version(qbittorrent: QBittorrent, record_property: Record) -> None:
    record_property("qbittorrent", qbittorrent.version())
    assert qbittorrent.version().startswith("v5.")


def test_qbittorrent_refuses_another_password(local: Local) -> None:
    with pytest.raises((PermissionError, OSError)):
        QBittorrent(f"http://127.0.0.1:{local.ports['qbittorrent']}", "adminadmin")


def test_sabnzbd_reports_its_version_and_its_queue(sabnzbd: SABnzbd, record_property: Record) -> None:
    version = sabnzbd.call("version")["version"]
    record_property("sabnzbd", version)
    assert version.startswith("5.")
    assert sabnzbd.call("queue")["queue"]["slots"] == []


def test_gerbera_lists_a_file_of_the_library(local: Local, record_property: Record) -> None:
    seconds = gerbera.wait_listed(f"http://127.0.0.1:{local.ports['gerbera']}", "/mnt/media/media/movies", "before", 90)
    record_property("gerbera_listed_after", f"{seconds:.1f} s")


PORTS = {"gerbera": 49494, "sabnzbd": 8080, "webdav": 8080}


# Gerbera listens at its container's address and not on loopback, where its own name leads: it is not asked for itself.
ASKED = [(asker, app) for asker in ("gerbera", "qbittorrent", "sabnzbd") for app in APPS if asker != app or app != "gerbera"]


@pytest.mark.parametrize(("asker", "app"), ASKED)
def test_every_app_answers_at_its_name(local: Local, asker: str, app: str) -> None:
    """For others inside a group and across groups, and for itself."""
    url = f"http://{app}:{PORTS.get(app, local.ports['qbittorrent'])}/"
    if asker == "gerbera":
        local.inside(asker, "wget", "-q", "-T", "10", "-t", "1", "-O", "/dev/null", url)
    else:
        status = local.inside(asker, "curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", url)
        assert status in ("200", "303"), f"{url} answered {status} to {asker}"


def test_a_torrent_survives_down_and_up(local: Local, qbittorrent: QBittorrent) -> None:
    torrent, info_hash = place_torrent(local)
    qbittorrent.add(torrent, "/mnt/media/downloads/torrents")
    qbittorrent.wait_complete(info_hash)
    volumes, secrets = local.volumes(), local.secrets_file.read_bytes()
    local.portable("down")
    assert local.inspected() == {}
    assert local.networks() == []
    assert local.volumes() == volumes == [f"{local.project}_cloud-{CLOUD}-cache", f"{local.project}_portable-record"]
    assert local.secrets_file.read_bytes() == secrets
    assert (local.library / "downloads" / "torrents" / "linux.iso").read_bytes() == FILM
    assert (local.folder / "config" / "qbittorrent" / "qBittorrent" / "qBittorrent.conf").is_file()
    before = {path: path.lstat().st_mtime_ns for path in local.folder.rglob("*")}
    ran = local.portable("up", "--dry-run")
    assert "create" in ran.out
    assert {path: path.lstat().st_mtime_ns for path in local.folder.rglob("*")} == before
    assert local.inspected() == {}
    local.portable("up")
    again = QBittorrent(qbittorrent.url, local.secret("qbittorrent-password"))
    seen = again.wait_complete(info_hash)
    assert seen["save_path"].rstrip("/") == "/mnt/media/downloads/torrents"


@pytest.mark.parametrize("app", ["qbittorrent", "sabnzbd"])
def test_a_finished_download_is_hard_linked_into_the_library(local: Local, app: str) -> None:
    source = local.library / "downloads" / "torrents" / f"{app}.bin"
    source.write_bytes(FILM)
    os.chown(source, 1000, 1000)
    inside_source, inside_target = f"/mnt/media/downloads/torrents/{app}.bin", f"/mnt/media/media/movies/{app}.bin"
    local.inside(app, "ln", inside_source, inside_target, user="1000:1000")
    numbers = local.inside(app, "stat", "-c", "%i %h", inside_source, inside_target).splitlines()
    assert numbers[0] == numbers[1]
    assert numbers[0].endswith(" 2")
    local.inside(app, "mv", inside_source, f"/mnt/media/media/tv/{app}.bin", user="1000:1000")
    assert local.inside(app, "stat", "-c", "%i %h", f"/mnt/media/media/tv/{app}.bin").strip() == numbers[0]


def test_qbittorrent_fetches_from_a_peer_of_its_network_and_the_download_is_linked(local: Local, qbittorrent: QBittorrent) -> None:
    """Sealed it is, yet peers of the local networks are reached: another qBittorrent has the file and nobody else."""
    data = usenet.content("fetched.bin", 2_000_000)
    torrent, info_hash = torrent_of("fetched.bin", data)
    seeder = seed(local, "fetched.bin", data, torrent, info_hash)
    qbittorrent.add(torrent, "/mnt/media/downloads/torrents")
    until = time.monotonic() + 60
    while True:
        qbittorrent.call("torrents/addPeers", hashes=info_hash, peers=f"{seeder}:6881")
        seen = qbittorrent.torrent(info_hash)
        if seen and seen["progress"] == 1:
            break
        assert time.monotonic() < until, seen
        time.sleep(1)
    local.inside("qbittorrent", "ln", "/mnt/media/downloads/torrents/fetched.bin", "/mnt/media/media/movies/fetched.bin", user="1000:1000")
    linked = local.library / "media" / "movies" / "fetched.bin"
    assert linked.read_bytes() == data
    assert linked.stat().st_nlink == 2
    assert (linked.stat().st_uid, linked.stat().st_gid) == (1000, 1000)


def seed(local: Local, name: str, data: bytes, torrent: bytes, info_hash: str) -> str:
    """A second real qBittorrent in the stack's network that has the whole file; its address."""
    folder = local.folder / "seeder"
    (folder / "config" / "qBittorrent").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "data" / name).write_bytes(data)
    shipped = (local.folder / "config" / "qbittorrent" / "qBittorrent" / "qBittorrent.conf").read_text()
    (folder / "config" / "qBittorrent" / "qBittorrent.conf").write_text(shipped)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 1000, 1000)
    image = local.inspected()["qbittorrent"]["Config"]["Image"]
    mounts = ["-v", f"{folder}/config:/config", "-v", f"{folder}/data:/data"]
    port = local.ports["qbittorrent"]
    environment = ["-e", "PUID=1000", "-e", "PGID=1000", "-e", f"WEBUI_PORT={port}", "-e", "TORRENTING_PORT=6881"]
    labels = ["--label", f"{LABEL}={local.stack}"]
    made = docker("run", "-d", *labels, "--network", f"{local.project}_default", *mounts, *environment, image).strip()
    address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", made).strip()
    until = time.monotonic() + 30
    while True:
        try:
            other = QBittorrent(f"http://{address}:{port}", local.secret("qbittorrent-password"))
            break
        except OSError:
            assert time.monotonic() < until, docker("logs", made)
            time.sleep(0.3)
    other.add(torrent, "/data")
    other.wait_complete(info_hash)
    return address


def test_sabnzbd_fetches_and_the_download_is_linked(local: Local, sabnzbd: SABnzbd) -> None:
    """The provider is a stand-in (tests/lab/usenet.py), SABnzbd is real."""
    image = local.inspected()["sabnzbd"]["Config"]["Image"]
    network = ["--network", f"{local.project}_default", "--network-alias", "provider"]
    program = Path(usenet.__file__)
    docker(
        *("run", "-d", "--label", f"{LABEL}={local.stack}", *network, "-v", f"{program}:/usenet.py:ro", "--entrypoint", "python3", image),
        *("/usenet.py", "1119", EPISODE, str(EPISODE_SIZE)),
    )
    # SABnzbd leaves a server that refused it alone for minutes: it is told of one that listens.
    listens = "until (exec 3<>/dev/tcp/provider/1119) 2>/dev/null; do sleep 0.2; done"
    local.inside("sabnzbd", "timeout", "30", "bash", "-c", listens)
    server: dict[str, str | int] = {"host": "provider", "port": 1119, "ssl": 0, "connections": 2, "enable": 1, "displayname": "provider"}
    server["timeout"] = 20  # the shortest that SABnzbd takes: see `wait_complete`
    sabnzbd.call("set_config", section="servers", keyword="provider", **server)
    sabnzbd.call("set_config", section="misc", keyword="deobfuscate_final_filenames", value=0)
    data = usenet.content(EPISODE, EPISODE_SIZE)
    job = sabnzbd.add("episode.nzb", usenet.nzb(EPISODE, usenet.articles(EPISODE, data), int(time.time()) - 86400))
    folder = sabnzbd.wait_complete(job)
    assert folder.startswith("/mnt/media/downloads/usenet/complete")
    source = folder if folder.endswith(".mkv") else f"{folder}/{EPISODE}"
    local.inside("sabnzbd", "ln", source, f"/mnt/media/media/tv/{EPISODE}", user="1000:1000")
    linked = local.library / "media" / "tv" / EPISODE
    assert linked.read_bytes() == data
    assert linked.stat().st_nlink == 2
    assert (linked.stat().st_uid, linked.stat().st_gid) == (1000, 1000)


def test_a_file_of_the_cloud_is_read_by_another_container(local: Local) -> None:
    served = (local.folder / "config" / "webdav" / "welcome.txt").read_text()
    assert served
    assert local.inside("gerbera", "cat", WELCOME, user="1000:1000") == served
    assert local.inside("gerbera", "cat", f"/mnt/media/{CLOUD}/welcome.txt", user="1000:1000") == served
    assert "fuse.rclone" in local.inside("gerbera", "cat", "/proc/mounts")
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if f" {CLOUDS}/{CLOUD} " in line]
    assert len(mounts) == 1


def test_a_consumer_reads_the_cloud_again_after_its_mount_died(local: Local, record_property: Record) -> None:
    kills = int(os.environ.get("PORTABLE_CLOUD_KILLS", "1"))
    started = local.inspected()["gerbera"]["State"]["StartedAt"]
    times = []
    for _ in range(kills):
        local.inside(f"cloud-{CLOUD}", "sh", "-c", "kill -9 $(cat /proc/[0-9]*/stat | awk '$2 == \"(rclone)\" {print $1}')")
        killed = time.monotonic()
        while time.monotonic() - killed < 30:
            read = subprocess.run(
                ["docker", "exec", local.container("gerbera"), "cat", WELCOME], capture_output=True, timeout=30, check=False
            )
            if read.returncode == 0:
                break
            time.sleep(0.1)
        assert read.returncode == 0, read.stderr.decode()
        times.append(time.monotonic() - killed)
    record_property("cloud_back_after", f"{max(times):.1f} s at most, {kills} kills")
    assert local.inspected()["gerbera"]["State"]["StartedAt"] == started


def test_up_again_changes_nothing(local: Local, record_property: Record) -> None:
    before = local.identity()
    ran = local.portable("up")
    assert "nothing to change" in ran.out
    assert local.identity() == before
    local.assert_well()
    assert local.identity() == before
    record_property("second_up", f"{ran.seconds:.1f} s")
