"""What a doctor finds on a host: each thing with what, where, why it matters and what mends it."""

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.backends.compose.engine import Taken
from portable.backends.compose.host import Mounted
from portable.model import plan as p
from portable.model.contracts import Diagnosis
from portable.verify.doctor import asked, examined, left_alone
from portable.verify.host import SCRIPT, Host, Place, Space, look, parsed
from tests.factories import GI, full_plan

PLAN = full_plan("compose")
ROOT = "/mnt/storage"
OURS = Place(device=1, inode=300, uid=1000, gid=1000, mode=0o40775)
HOST = Host(
    kernel="6.1.0",
    memory=16 * GI,
    mounts=(Mounted(path="/", kind="ext4", shared=True), Mounted(path="/mnt/clouds", kind="ext4", shared=True)),
    listens=frozenset({("tcp", 22)}),
    nodes={"/dev/net/tun": 0, "/dev/fuse": 0, "/dev/dri/renderD128": 105},
    folders=dict.fromkeys(asked(PLAN).folders, OURS),
    spaces={ROOT: Space(total=1000, used=300, free=700)},
)


def found(host: Host = HOST, plan: p.Plan = PLAN, taken: tuple[Taken, ...] = ()) -> list[Diagnosis]:
    return list(examined(plan, host, project="media-full", taken=taken))


def wrong(plan: p.Plan = PLAN, taken: tuple[Taken, ...] = (), **changes: Any) -> Diagnosis:
    """The only thing that is wrong; it has a reason and a remedy."""
    (only,) = [d for d in found(msgspec.structs.replace(HOST, **changes), plan, taken) if d.verdict == "broken"]
    assert only.why
    assert only.remedy
    return only


def test_a_host_as_it_should_be() -> None:
    assert [d for d in found() if d.verdict == "broken"] == []
    assert {d.check for d in found() if d.verdict == "holds"} == {"devices", "storage", "rights", "split", "clouds", "memory"}


def test_what_is_asked_of_the_host() -> None:
    nodes, folders, spaces = asked(PLAN)
    assert nodes == ("/dev/net/tun", "/dev/fuse", "/dev/dri/renderD128")
    assert {ROOT, f"{ROOT}/downloads/torrents", f"{ROOT}/media/tv"} <= set(folders)
    assert spaces[0] == ROOT


def test_the_room_of_every_place_is_told_however_deep_it_lies() -> None:
    state = next(v for v in PLAN.volumes if v.holds == "state")
    deep = msgspec.structs.replace(state, place=p.Folder(path="/srv/media/of/ours/state"))
    library = next(v for v in PLAN.volumes if v.holds == "library")
    far = msgspec.structs.replace(library, place=p.Folder(path="/srv/media/of/ours/library"))
    plan = msgspec.structs.replace(PLAN, volumes=(deep, far))
    places = ("/srv/media/of/ours/library", "/srv/media/of/ours/state")
    assert asked(plan).spaces == places
    host = msgspec.structs.replace(HOST, spaces=dict.fromkeys(places, Space(total=1000, used=300, free=700)))
    assert [d.where for d in found(host, plan) if d.check == "storage"] == list(places)


@pytest.mark.parametrize(
    ("changes", "check", "where", "text"),
    [
        ({"nodes": {"/dev/net/tun": 0, "/dev/dri/renderD128": 105}}, "devices", "/dev/fuse", "there is no such node"),
        (
            {"nodes": {**HOST.nodes, "/dev/dri/renderD128": 44}},
            "devices",
            "/dev/dri/renderD128",
            "its group is 44, and the profile says 105",
        ),
        ({"spaces": {ROOT: Space(total=1000, used=850, free=150)}}, "storage", ROOT, "85 % full"),
        ({"btrfs": (("/sys/fs/btrfs/u/devinfo/1/error_stats", "corruption_errs 3"),)}, "btrfs", "/", "counted 3 corruption_errs"),
        ({"btrfs": (("/sys/fs/btrfs/u/devinfo/2/missing", "missing 1"),)}, "btrfs", "/", "device 2 of the file system u is missing"),
        (
            {"folders": {**HOST.folders, ROOT: msgspec.structs.replace(OURS, uid=0, gid=0)}},
            "rights",
            ROOT,
            "it belongs to 0:0, mode 0775, and apps write as 1000:1000",
        ),
        (
            {"stale": {"/mnt/clouds/x": "Transport endpoint is not connected"}},
            "clouds",
            "/mnt/clouds/x",
            "a FUSE mount that does not answer",
        ),
        ({"mounts": (Mounted(path="/", kind="ext4", shared=False),)}, "clouds", "/mnt/clouds", "what is mounted there stays there"),
        ({"memory": 2 * GI}, "memory", "the host", "and the host has 2Gi"),
        ({"listens": frozenset({("tcp", 8080)})}, "ports", "port 8080/tcp", "another program of the host listens there"),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], check: str, where: str, text: str) -> None:
    told = wrong(**changes)
    assert (told.check, told.where) == (check, where)
    assert text in told.text


def test_a_subvolume_that_breaks_links_is_told_once() -> None:
    """It has another device number, and `df` does not show it; what lies below is apart with it."""
    apart = msgspec.structs.replace(OURS, device=2, inode=256)
    folders = {**HOST.folders, f"{ROOT}/media": apart, f"{ROOT}/media/tv": msgspec.structs.replace(apart, inode=257)}
    library = p.Library(volume="library", folders=("downloads/torrents", "media", "media/tv"))
    plan = msgspec.structs.replace(PLAN, library=library)
    btrfs = (*HOST.mounts, Mounted(path=ROOT, kind="btrfs", shared=True))
    told = wrong(plan, folders=folders, mounts=btrfs)
    assert (told.check, told.where, told.text) == ("split", f"{ROOT}/media", "it is a subvolume of its own")


def port_of(project: str, container: str) -> Taken:
    return Taken(number=8080, protocol="tcp", address="0.0.0.0", project=project, container=container)


def test_a_port_of_another_container_is_told_and_ones_own_is_not() -> None:
    assert "the container other has it" in wrong(taken=(port_of("other", "other"),)).text
    own = msgspec.structs.replace(HOST, listens=frozenset({("tcp", 8080)}))
    assert [d for d in found(own, taken=(port_of("media-full", "gateway"),)) if d.verdict == "broken"] == []


def test_in_a_container_of_proxmox_the_remedy_is_the_hosts() -> None:
    told = wrong(nodes={**{k: v for k, v in HOST.nodes.items() if k != "/dev/net/tun"}}, contained=True)
    assert "/etc/pve/lxc" in told.remedy


def test_what_is_not_there_yet_is_not_wrong() -> None:
    (told,) = [d for d in found(msgspec.structs.replace(HOST, folders={}, spaces={})) if d.check == "storage" and d.where == ROOT]
    assert told.verdict == "unknown"


def test_who_stays_down_after_a_restart() -> None:
    assert left_alone(PLAN) == ("torrents",)


def run(arguments: Any) -> str:
    return subprocess.run(["sh", "-c", SCRIPT, "sh", *arguments], capture_output=True, text=True, check=True).stdout


def test_the_script_tells_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir(mode=0o750)
    host = look(run, root="", nodes=["/dev/null", "/dev/none"], folders=[str(tmp_path / "a b"), "/nowhere"], spaces=[str(tmp_path)])
    assert host.kernel
    assert host.memory > GI
    assert list(host.nodes) == ["/dev/null"]
    place, here = host.folders[str(tmp_path / "a b")], (tmp_path / "a b").stat()
    assert (place.device, place.inode, place.mode & 0o777) == (here.st_dev, here.st_ino, 0o750)
    assert "/nowhere" not in host.folders
    assert host.spaces[str(tmp_path)].total > 0
    assert host.mount_of("/proc/self") == next(m for m in reversed(host.mounts) if m.path == "/proc")


def test_a_helper_tells_of_the_host_and_not_of_itself() -> None:
    lines = ("1 0 8:1 / / rw - overlay o rw", "2 1 8:1 / /host ro master:1 - ext4 a rw", "3 2 8:2 / /host/mnt/a\\040b ro - btrfs b rw")
    assert parsed("".join(f"mount\t{line}\n" for line in lines), "/host").mounts == (
        Mounted(path="/", kind="ext4", shared=True),
        Mounted(path="/mnt/a b", kind="btrfs", shared=False),
    )
    assert parsed("idmap\t 0 100000 65536\n").contained
    assert not parsed("idmap\t 0 0 4294967295\n").contained
