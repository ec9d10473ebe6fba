"""`doctor` on a real host: nothing is wrong with a healthy stack, and each problem is reported with its reason and remedy.

Repairs happen on this machine, in folders of the test's own library, and nowhere else.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab import own
from tests.lab.forward import tcp_engine
from tests.lab.local import Local, docker
from tests.lab.own import CLOUDS, is_foreign

SILENT = f"{CLOUDS}/{own.SILENT}"
pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(300)]


def wrong(local: Local, *arguments: str) -> dict[str, set[str]]:
    """Return the places of broken results, by check; exit 3 if there are any."""
    ran = local.portable("doctor", "--format", "json", *arguments, code=None)
    rows = json.loads(ran.out)["doctor"]
    found: dict[str, set[str]] = {}
    for row in rows:
        if row["verdict"] == "broken" and not is_foreign(row["where"]):
            assert row["why"], row
            assert row["remedy"], row
            assert row["code"] == f"doctor.{row['check']}", row
            found.setdefault(row["check"], set()).add(row["where"])
    assert ran.code == (3 if any(row["verdict"] == "broken" for row in rows) else 0), str(ran)
    return found


@pytest.fixture(autouse=True, scope="module")
def no_old_links(local: Local) -> None:
    """The old links of the lab's library are for upkeep, and would be reported here."""
    for name in ("old link", "dead link"):
        local.old[name].unlink(missing_ok=True)


def test_nothing_is_wrong_with_a_stack_as_it_should_be(local: Local) -> None:
    local.portable("up")
    assert wrong(local) == {}
    said = local.portable("doctor", "--all").out
    for check in ("engine", "kernel", "devices", "storage", "links", "rights", "split", "clouds", "memory"):
        assert f"\n{check}: " in f"\n{said}"


def test_a_host_that_is_another_machine_is_looked_at_by_a_helper(local: Local) -> None:
    """The same engine by TCP: this machine's own folders are not read then. The helper is removed afterwards."""
    with tcp_engine() as (url, _forwarder):
        assert wrong(local, "--set", f"engine={url}") == {}
        os.chown(local.library / "media", 0, 0)
        (local.library / "media").chmod(0o755)
        try:
            assert wrong(local, "--set", f"engine={url}") == {"rights": {f"{local.library}/media"}}
        finally:
            os.chown(local.library / "media", 1000, 1000)
    assert local.helpers() == []


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


def test_links_are_followed_into_the_cloud_near_and_far(local: Local) -> None:
    """Files in the cloud are found; a dead link is reported, from here and by a helper."""
    stream = local.library / "stream"
    dead = stream / "dead"
    dead.symlink_to(f"/mnt/media/{own.SHELF}/gone.mkv")
    try:
        assert wrong(local) == {"links": {str(stream)}}
        with tcp_engine() as (url, _forwarder):
            rows = json.loads(local.portable("doctor", "--format", "json", "--set", f"engine={url}", code=3).out)["doctor"]
        (row,) = [row for row in rows if row["check"] == "links"]
        assert (row["code"], row["verdict"]) == ("doctor.links", "broken")
        assert row["text"].startswith("1 link leads nowhere")
        assert str(dead) in row["text"]
    finally:
        dead.unlink()


def test_what_is_safe_is_mended_and_said_and_nothing_else(local: Local) -> None:
    """A missing folder is created, an empty one gets its writer as owner; one with content keeps its owner and stays broken."""
    usenet, media = local.library / "downloads" / "usenet" / "incomplete", local.library / "media"
    os.chown(usenet, 0, 0)
    os.chown(media, 0, 0)
    usenet.chmod(0o755)
    media.chmod(0o755)
    try:
        told = json.loads(local.portable("doctor", "--fix", "--dry-run", "--format", "json", code=3).out)
        assert [row["where"] for row in told["fixed"]] == [str(usenet)]
        assert usenet.stat().st_uid == 0, "a dry run changes nothing"
        said = local.portable("doctor", "--fix", code=3).out
        (done,) = [line for line in said.splitlines() if line.startswith(f"{usenet}: done: ")]
        assert "1000:1000" in done
        assert (usenet.stat().st_uid, media.stat().st_uid) == (1000, 0)
        assert wrong(local, "--fix") == {"rights": {str(media)}}
        usenet.rmdir()
        said = local.portable("doctor", "--fix", code=3).out
        (done,) = [line for line in said.splitlines() if line.startswith(f"{usenet}: done: ")]
        assert "create" in done
        assert "1000:1000" in done
        assert (usenet.stat().st_uid, usenet.stat().st_mode & 0o777) == (1000, 0o775)
    finally:
        os.chown(media, 1000, 1000)
        media.chmod(0o775)
        local.portable("up")
    assert json.loads(local.portable("doctor", "--fix", "--format", "json").out)["fixed"] == []


def test_bad_calls(local: Local) -> None:
    assert "[usage.option-missing]" in local.portable("doctor", "--dry-run", code=2).err
    with tcp_engine() as (url, _forwarder):
        assert "[usage.fix-remote]" in local.portable("doctor", "--fix", "--set", f"engine={url}", code=4).err


def beside(local: Local, how: str, *arguments: str) -> tuple[dict[str, list[dict[str, str]]], float]:
    """Return the results of `doctor` with a mount below /mnt/clouds that does not answer, in its own mount namespace, and the seconds."""
    alone = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tests.lab.silent", how, SILENT]
    command = [*alone, *local.command("doctor", "--format", "json", *arguments)]
    start = time.monotonic()
    try:
        ran = subprocess.run(command, cwd=local.folder, env=local.environment(), capture_output=True, text=True, check=False, timeout=120)
    finally:
        Path(SILENT).rmdir()
    assert ran.returncode in (0, 3), ran.stderr
    took, told = time.monotonic() - start, json.loads(ran.stdout)
    return {key: [row for row in told.get(key, ()) if not is_foreign(row["where"])] for key in ("doctor", "fixed")}, took


def broken_clouds(told: dict[str, list[dict[str, str]]]) -> set[str]:
    return {row["where"] for row in told["doctor"] if row["check"] == "clouds" and row["verdict"] == "broken"}


def test_a_mount_that_hangs_does_not_hang_the_doctor_and_is_left_alone(local: Local) -> None:
    """A link into it is not judged; the new mount namespace is not shared, and `--fix` shares it."""
    link = local.library / "stream" / "into silence"
    link.symlink_to(f"{SILENT}/film.mkv")
    try:
        told, seconds = beside(local, "hung", "--fix")
    finally:
        link.unlink()
    assert [row["where"] for row in told["fixed"]] == ["/mnt/clouds"]
    assert not told["fixed"][0]["failed"]
    assert broken_clouds(told) == {SILENT}
    assert [row["verdict"] for row in told["doctor"] if row["check"] == "links"] == ["unknown"]
    assert seconds < 60
    print(f"with a mount that hangs: looked at, mended and looked at again in {seconds:.1f} s")


def test_a_mount_whose_process_is_gone_is_cleared_away(local: Local) -> None:
    told, _ = beside(local, "dead")
    assert broken_clouds(told) == {SILENT, "/mnt/clouds"}
    told, _ = beside(local, "dead", "--fix")
    assert [row["where"] for row in told["fixed"]] == [SILENT, "/mnt/clouds"]
    assert broken_clouds(told) == set()
