"""The doctor's checks of a host: each result with the problem, its place, its reason and its remedy."""

import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.engines.mounts import Mounted
from portable.model import plan as p
from portable.model.contracts import Diagnosis
from portable.model.ports import PublishedPort
from portable.verify.disks import Disk
from portable.verify.doctor import asked, examined, left_alone
from portable.verify.host import Host, HostFolderStat, HostPaths, Scrub, Space, host_script, look, parsed
from tests.factories import GI, full_plan

PLAN = full_plan("compose")
ROOT = "/mnt/storage"
OURS = HostFolderStat(device=1, inode=300, uid=1000, gid=1000, mode=0o40775)
HOST = Host(
    kernel="6.1.0",
    memory=16 * GI,
    mounts=(Mounted(path="/", kind="ext4", shared=True), Mounted(path="/mnt/clouds", kind="ext4", shared=True)),
    listens=frozenset({("tcp", 22)}),
    nodes={"/dev/net/tun": 0, "/dev/fuse": 0, "/dev/dri/renderD128": 105},
    folders=dict.fromkeys(asked(PLAN).folders, OURS),
    spaces={ROOT: Space(total=1000, used=300, free=700)},
)


def found(host: Host = HOST, plan: p.Plan = PLAN, taken: tuple[PublishedPort, ...] = ()) -> list[Diagnosis]:
    return list(examined(plan, host, project="media-full", taken=taken))


def wrong(plan: p.Plan = PLAN, taken: tuple[PublishedPort, ...] = (), **changes: Any) -> Diagnosis:
    """Return the only broken check; it has a reason and a remedy."""
    (only,) = [d for d in found(msgspec.structs.replace(HOST, **changes), plan, taken) if d.verdict == "broken"]
    assert only.why
    assert only.remedy
    return only


def test_a_host_as_it_should_be() -> None:
    assert [d for d in found() if d.verdict == "broken"] == []
    assert {d.check for d in found() if d.verdict == "holds"} == {"devices", "storage", "rights", "split", "clouds", "memory", "kernel"}


def test_what_is_asked_of_the_host() -> None:
    wanted = asked(PLAN)
    nodes, folders, spaces = wanted.nodes, wanted.folders, wanted.spaces
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
    ("changes", "check", "where", "parts", "remedy"),
    [
        ({"nodes": {"/dev/net/tun": 0, "/dev/dri/renderD128": 105}}, "devices", "/dev/fuse", ("exist",), "modprobe fuse"),
        ({"nodes": {**HOST.nodes, "/dev/dri/renderD128": 44}}, "devices", "/dev/dri/renderD128", ("44", "105"), "{group: 44}"),
        ({"spaces": {ROOT: Space(total=1000, used=850, free=150)}}, "storage", ROOT, ("85 %",), f"du -xh --max-depth=2 {ROOT}"),
        (
            {"btrfs": (("/sys/fs/btrfs/u/devinfo/1/error_stats", "corruption_errs 3"),)},
            "btrfs",
            "/",
            ("device 1", "3 corruption_errs"),
            "btrfs scrub start",
        ),
        ({"btrfs": (("/sys/fs/btrfs/u/devinfo/2/missing", "missing 1"),)}, "btrfs", "/", ("device 2", "missing"), "btrfs replace start 2"),
        (
            {"folders": {**HOST.folders, ROOT: msgspec.structs.replace(OURS, uid=0, gid=0)}},
            "rights",
            ROOT,
            ("0:0", "0775", "1000:1000"),
            f"chown 1000:1000 {ROOT}",
        ),
        (
            {"stale": {"/mnt/clouds/x": "Transport endpoint is not connected"}},
            "clouds",
            "/mnt/clouds/x",
            ("FUSE", "Transport endpoint is not connected"),
            "umount --lazy /mnt/clouds/x",
        ),
        ({"mounts": (Mounted(path="/", kind="ext4", shared=False),)}, "clouds", "/mnt/clouds", ("shared",), "mount --make-rshared"),
        ({"memory": 2 * GI}, "memory", "the host", ("limits", "2Gi"), "memory.total"),
        ({"listens": frozenset({("tcp", 8080)})}, "ports", "port 8080/tcp", ("program",), "ss -lnp"),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], check: str, where: str, parts: tuple[str, ...], remedy: str) -> None:
    told = wrong(**changes)
    assert (told.check, told.code, told.where) == (check, f"doctor.{check}", where)
    assert all(part in told.text for part in parts), told.text
    assert remedy in told.remedy


def test_a_subvolume_that_breaks_links_is_told_once() -> None:
    """It has another device number, and `df` does not show it; folders below it are not reported again."""
    apart = msgspec.structs.replace(OURS, device=2, inode=256)
    folders = {**HOST.folders, f"{ROOT}/media": apart, f"{ROOT}/media/tv": msgspec.structs.replace(apart, inode=257)}
    library = p.Library(volume="library", folders=("downloads/torrents", "media", "media/tv"))
    plan = msgspec.structs.replace(PLAN, library=library)
    btrfs = (*HOST.mounts, Mounted(path=ROOT, kind="btrfs", shared=True))
    told = wrong(plan, folders=folders, mounts=btrfs)
    assert (told.check, told.where, "subvolume" in told.text) == ("split", f"{ROOT}/media", True)


def port_of(project: str, container: str) -> PublishedPort:
    return PublishedPort(number=8080, protocol="tcp", address="0.0.0.0", project=project, container=container)


def test_a_port_of_another_container_is_told_and_ones_own_is_not() -> None:
    told = wrong(taken=(port_of("other", "rival"),))
    assert (told.check, told.where, "rival" in told.text, "`docker stop rival`" in told.remedy) == ("ports", "port 8080/tcp", True, True)
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
    return subprocess.run(["sh", "-c", host_script(), "sh", *arguments], capture_output=True, text=True, check=True).stdout


def test_the_script_tells_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir(mode=0o750)
    wanted = HostPaths(nodes=("/dev/null", "/dev/none"), folders=(str(tmp_path / "a b"), "/nowhere"), spaces=(str(tmp_path),))
    host = look(run, wanted)
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
        Mounted(path="/", kind="ext4", shared=True, source="a"),
        Mounted(path="/mnt/a b", kind="btrfs", shared=False, source="b"),
    )
    assert parsed("space\t/x\t1024-blocks Used Available\nspace\t/y\t10 4 6\n").spaces == {"/y": Space(total=10, used=4, free=6)}
    assert parsed("idmap\t 0 100000 65536\n").contained
    assert not parsed("idmap\t 0 0 4294967295\n").contained


STREAM = msgspec.structs.replace(PLAN, library=p.Library(volume="library", folders=("stream",)))
WITH_STREAM: dict[str, Any] = {"folders": {**HOST.folders, f"{ROOT}/stream": OURS}}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"old_links": 3}, "3 links are older than 90 days"),
        ({"old_links": 1}, "1 link is older than 90 days"),
        ({"nowhere": (f"{ROOT}/stream/a", f"{ROOT}/stream/b")}, f"2 links lead nowhere, for example {ROOT}/stream/a"),
        ({"nowhere": (f"{ROOT}/stream/a",)}, f"1 link leads nowhere, for example {ROOT}/stream/a"),
    ],
)
def test_links_that_are_old_or_lead_nowhere_are_told(changes: dict[str, Any], text: str) -> None:
    """Singular and plural matter here."""
    told = wrong(STREAM, **WITH_STREAM, **changes)
    assert (told.check, told.where, told.text) == ("links", f"{ROOT}/stream", text)


def test_links_that_could_not_be_followed_are_not_judged() -> None:
    host = msgspec.structs.replace(HOST, **WITH_STREAM, cut="/mnt/clouds/zurg")
    (told,) = [d for d in found(host, STREAM) if d.check == "links"]
    assert (told.verdict, "/mnt/clouds/zurg" in told.text) == ("unknown", True)


@pytest.mark.parametrize(
    ("at", "verdict", "part"),
    [(0, "broken", "never"), (59 * 86400, "broken", "41 days"), (60 * 86400, "holds", "40 days"), (-1, "unknown", "root")],
)
def test_a_file_system_that_nobody_reads_through_is_told_where_it_is_mounted(at: int, verdict: str, part: str) -> None:
    mounts = tuple(
        Mounted(path=path, kind="btrfs", shared=True, source=device) for path, device in (("/other", "/dev/sdc"), (ROOT, "/dev/sdb"))
    )
    scrubs = (Scrub(uuid="u", at=at, devices=("sda", "sdb")),)
    host = msgspec.structs.replace(HOST, mounts=(*HOST.mounts, *mounts), scrubs=scrubs, now=100 * 86400)
    (told,) = [d for d in found(host) if d.check == "scrub"]
    assert (told.where, told.verdict, part in told.text) == (ROOT, verdict, True)
    apart = msgspec.structs.replace(host, mounts=HOST.mounts)
    assert [d for d in found(apart) if d.check == "scrub"] == [], "one that is mounted in a container alone is not the host's"


def test_a_disk_that_fails_is_wrong_and_one_that_nobody_asks_is_not() -> None:
    assert wrong(disks={"/dev/sda": Disk(faults=("8 sectors lost",))}).where == "/dev/sda"
    host = msgspec.structs.replace(HOST, disks={"/dev/sda": Disk(silent="there is no `smartctl` here"), "/dev/sdb": Disk()})
    silent, well = (d for d in found(host) if d.check == "disk")
    assert (silent.verdict, well.verdict) == ("unknown", "holds")
    assert "smartmontools" in silent.remedy


def test_the_script_follows_links_and_walks_into_no_cloud(tmp_path: Path) -> None:
    """Paths inside containers are translated to the host's; links in snapshots or into a cloud that does not answer are not judged."""
    library, cloud = tmp_path / "library", tmp_path / "cloud"
    for folder in (library / "stream" / ".snapshots", library / "media", cloud):
        folder.mkdir(parents=True)
    (cloud / "film").touch()
    (library / "shelf").symlink_to(cloud)
    stream = library / "stream"
    (stream / "there").symlink_to("/mnt/media/shelf/film")
    (stream / "with a\nnewline").symlink_to("/mnt/media/shelf/gone")
    (stream / "beside").symlink_to("../media")
    (stream / "elsewhere").symlink_to("/config/of/an/app")
    (stream / ".snapshots" / "gone").symlink_to("/mnt/media/shelf/gone")
    os.utime(stream / "there", (1, 1), follow_symlinks=False)
    host = look(run, HostPaths(links=str(library)))
    assert (host.old_links, host.nowhere, host.cut) == (1, (f"{stream}/with a?newline",), "")
    (stream / "away").symlink_to("/mnt/clouds/portable-none/film")
    (stream / "away too").symlink_to("/mnt/media/portable-none/film")
    host = look(run, HostPaths(links=str(library), clouds=("/mnt/clouds/portable-none/known",)))
    assert (host.nowhere, host.cut) == ((f"{stream}/with a?newline",), "/mnt/clouds/portable-none")


def test_the_script_reads_what_btrfs_keeps_of_scrubs(tmp_path: Path) -> None:
    """The oldest start of all devices, if each finished its scrub."""
    for uuid in ("done", "never"):
        (tmp_path / "sys/fs/btrfs" / uuid / "devices" / "sda").mkdir(parents=True)
    state = tmp_path / "var/lib/btrfs/scrub.status.done"
    state.parent.mkdir(parents=True)
    line = "|data_extents_scrubbed:1|t_start:{}|t_resumed:0|duration:9|canceled:0|finished:1\n"
    state.write_text(f"scrub status:1\ndone:1{line.format(2000)}done:2{line.format(1000)}")
    host = look(run, HostPaths(), root=str(tmp_path))
    assert host.scrubs == (Scrub(uuid="done", at=1000, devices=("sda",)), Scrub(uuid="never", at=0, devices=("sda",)))
    state.write_text(f"scrub status:1\ndone:1{line.format(2000)}done:2{line.format(1000).replace('finished:1', 'finished:0')}")
    assert look(run, HostPaths(), root=str(tmp_path)).scrubs[0].at == 0


def notes(plan: p.Plan = PLAN, servers: dict[str, tuple[str, ...]] = {}, **changes: Any) -> dict[str, list[Diagnosis]]:  # noqa: B006
    """Return the results about WireGuard and the host's name server, by check."""
    host = msgspec.structs.replace(HOST, **changes)
    rows = examined(plan, host, project="media-full", taken=(), name_servers=servers)
    chosen = [d for d in rows if d.check in ("wireguard", "resolver")]
    return {check: [d for d in chosen if d.check == check] for check in ("wireguard", "resolver")}


def with_vpn_type(kind: str) -> p.Plan:
    apps = tuple(
        msgspec.structs.replace(app, containers=(msgspec.structs.replace(app.containers[0], env={"VPN_TYPE": kind}), *app.containers[1:]))
        if app.name == "gateway"
        else app
        for app in PLAN.apps
    )
    return msgspec.structs.replace(PLAN, apps=apps)


def sealed() -> p.Plan:
    groups = tuple(
        msgspec.structs.replace(group, egress=p.Sealed(gateway="gateway")) if group.name == "gateway" else group for group in PLAN.groups
    )
    return msgspec.structs.replace(PLAN, groups=groups)


@pytest.mark.parametrize(("known", "verdict"), [(True, "holds"), (False, "note"), (None, "unknown")])
def test_a_kernel_without_wireguard_is_worth_a_note(known: bool | None, verdict: str) -> None:
    (found,) = notes(wireguard=known)["wireguard"]
    assert found.verdict == verdict
    if verdict == "note":
        assert "gateway" in found.why
        assert "256Mi" in found.remedy
    assert notes(with_vpn_type("openvpn"), wireguard=known)["wireguard"] == [], "its tunnel is by OpenVPN"
    assert notes(sealed(), wireguard=known)["wireguard"] == [], "it has no tunnel"


@pytest.mark.parametrize("server", ["127.0.0.53", "127.0.0.1", "::1"])
def test_a_name_server_on_loopback(server: str) -> None:
    resolvers = ("192.168.1.1", server)
    new, old = notes(resolvers=resolvers, servers={"gateway": ("127.0.0.1",)}), notes(resolvers=resolvers, servers={"gateway": ()})
    assert [d.verdict for d in new["resolver"]] == ["note"]
    assert server in new["resolver"][0].text
    assert [d.verdict for d in old["resolver"]] == ["broken", "note"], "the gateway is of before it got a name server of its own"
    assert "`portable up -p full gateway`" in old["resolver"][0].remedy
    assert [d.verdict for d in notes(resolvers=resolvers)["resolver"]] == ["note"], "there is no gateway yet"
    assert notes(sealed(), resolvers=resolvers)["resolver"] == []


@pytest.mark.parametrize("server", ["192.168.1.1", "fe80::1%eth0", "not an address"])
def test_a_name_server_elsewhere_is_no_matter(server: str) -> None:
    assert notes(resolvers=(server,), servers={"gateway": ()})["resolver"] == []


def machine(folder: Path, *, link: str = "", files: dict[str, str]) -> Host:
    """Run the script on a tree of files, with this machine's kernel."""
    release = Path("/proc/sys/kernel/osrelease").read_text().strip()
    for name, text in files.items():
        path = folder / name.replace("RELEASE", release)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if link:
        (folder / "etc/resolv.conf").symlink_to(link)
    ran = subprocess.run(["sh", "-c", host_script(), "sh", str(folder)], capture_output=True, text=True, check=True)
    return parsed(ran.stdout, str(folder))


@pytest.mark.skipif(
    Path("/proc/modules").exists() and "wireguard " in Path("/proc/modules").read_text(), reason="this kernel has it loaded"
)
@pytest.mark.parametrize(
    ("files", "known"),
    [
        ({"lib/modules/RELEASE/modules.dep": "kernel/drivers/net/wireguard/wireguard.ko.xz: kernel/x.ko\n"}, True),
        (
            {"usr/lib/modules/RELEASE/modules.dep": "", "usr/lib/modules/RELEASE/modules.builtin": "kernel/net/wireguard/wireguard.ko\n"},
            True,
        ),
        ({"sys/module/wireguard/version": "1"}, True),
        ({"lib/modules/RELEASE/modules.dep": "kernel/drivers/net/tun.ko:\n"}, False),
        ({"lib/modules/1.0-other/modules.dep": "wireguard/wireguard.ko:\n"}, None if Path("/proc/modules").exists() else False),
    ],
)
def test_the_script_looks_for_wireguard(files: dict[str, str], known: bool | None, tmp_path: Path) -> None:
    assert machine(tmp_path, files=files).wireguard is known


@pytest.mark.parametrize("link", ["", "/run/systemd/resolve/stub-resolv.conf", "../run/systemd/resolve/stub-resolv.conf"])
def test_the_script_reads_name_servers(link: str, tmp_path: Path) -> None:
    at = "run/systemd/resolve/stub-resolv.conf" if link else "etc/resolv.conf"
    files = {"etc/hostname": "nas\n", at: "# nameserver 9.9.9.9\nnameserver 127.0.0.53\nnameserver\tfe80::1%eth0\nsearch home.lan\n"}
    assert machine(tmp_path, link=link, files=files).resolvers == ("127.0.0.53", "fe80::1%eth0")


@pytest.mark.parametrize(
    ("published", "addresses", "where"),
    [
        ("0.0.0.0", ("192.168.1.5", "93.184.216.34"), ["93.184.216.34"]),
        ("::", ("2606:2800:220:1::1", "fd00::1"), ["2606:2800:220:1::1"]),
        ("0.0.0.0", ("2606:2800:220:1::1",), []),
        ("", ("93.184.216.34", "2606:2800:220:1::1"), ["2606:2800:220:1::1", "93.184.216.34"]),
        ("127.0.0.1", ("93.184.216.34",), []),
        ("192.168.1.5", ("192.168.1.5", "93.184.216.34"), []),
        ("0.0.0.0", ("192.168.1.5", "100.64.0.1"), []),
    ],
)
def test_a_port_on_an_address_of_the_internet_is_wrong(published: str, addresses: tuple[str, ...], where: list[str]) -> None:
    port = PublishedPort(number=8096, protocol="tcp", address=published, container="media-full-jellyfin-1", project="media-full")
    found_there = [d for d in found(msgspec.structs.replace(HOST, addresses=addresses), taken=(port,)) if "internet" in d.text]
    assert [d.where for d in found_there] == where
    assert all(d.verdict == "broken" and d.why and d.remedy for d in found_there)
    other = msgspec.structs.replace(port, project="other")
    assert not [d for d in found(msgspec.structs.replace(HOST, addresses=addresses), taken=(other,)) if "internet" in d.text]
