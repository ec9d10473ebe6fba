"""What a doctor finds on a host before and while a stack runs on it: what, where, why it matters, and the command that mends it."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from shlex import quote

from portable.backends.common import containers, main_container, on_host
from portable.catalog.quantities import amount
from portable.engines.mounts import MODULES, sharing
from portable.live.tunnel import tunnels
from portable.local.commands import typed
from portable.model.contracts import Diagnosis, Judgement
from portable.model.folders import folder_of
from portable.model.plan import CLOUDS, Folder, HostDevice, Plan
from portable.model.ports import PublishedPort
from portable.verify.host import Asked, Host

FULL = 80
"""Per cent of a file system from which on it is told (the owner's own bar)."""
STREAM = "stream"
"""The library's folder of links into clouds."""
OLD_DAYS = 90
"""From which on a link there is told: the script of `portable.verify.host` counts them, as the app stream-links does."""
SCRUB_DAYS = 40
"""Once a month is what btrfs-scrub(8) advises; from then on, with some days of grace, it is told."""
_LXC = "on the Proxmox host, in /etc/pve/lxc/ID.conf: {line}; then restart the container"
_NODES_OF_LXC = {
    "/dev/fuse": "features: fuse=1,nesting=1",
    "/dev/net/tun": "lxc.cgroup2.devices.allow: c 10:200 rwm and lxc.mount.entry: /dev/net/tun dev/net/tun none bind,create=file",
}


def asked(plan: Plan) -> Asked:
    """What is to be looked at for a plan."""
    devices = (plan.devices.tun, plan.devices.fuse, plan.devices.gpu)
    nodes = tuple(device.path for device in devices if isinstance(device, HostDevice))
    places = _folders(plan)
    clouds = tuple(f"{CLOUDS}/{cloud.id}/{cloud.known_entry}" for cloud in plan.clouds if cloud.known_entry)
    links = next(iter(library_folders(plan)), "") if plan.library and STREAM in plan.library.folders else ""
    return Asked(nodes=nodes, folders=tuple(sorted({*library_folders(plan), *places})), spaces=tuple(places), clouds=clouds, links=links)


def examined(
    plan: Plan,
    host: Host,
    *,
    project: str,
    taken: Iterable[PublishedPort],
    docker_root: str = "",
    name_servers: Mapping[str, tuple[str, ...]] = {},
) -> Iterator[Diagnosis]:
    """Everything, in the order in which one thing explains the next.

    `name_servers` are those that the container of each gateway was made with, by its name; a gateway that is not there is left out.
    """
    if host.kernel:
        inside = "; it is itself a container (LXC): its own host gives it devices, nesting and memory" if host.contained else ""
        yield _found("kernel", "the host", f"Linux {host.kernel}{inside}")
    yield from _features(plan, host)
    yield from _wireguard(plan, host)
    yield from _resolver(plan, host, name_servers)
    yield from _storage(plan, host, docker_root)
    yield from _btrfs(host)
    yield from _scrubs(plan, host)
    yield from _disks(host)
    yield from _links(plan, host)
    yield from _rights(plan, host)
    yield from _split(plan, host)
    yield from _clouds(plan, host)
    yield from _memory(plan, host)
    yield from _ports(plan, host, project, tuple(taken))


def _found(check: str, where: str, text: str, *, why: str = "", remedy: str = "", verdict: Judgement | None = None) -> Diagnosis:
    return Diagnosis(check=check, where=where, verdict=verdict or ("broken" if why else "holds"), text=text, why=why, remedy=remedy)


def _features(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    needs = [placed.container.needs for placed in containers(plan)]
    for name, wanted, device in (
        ("fuse", any(n.fuse for n in needs), plan.devices.fuse),
        ("tun", any(n.tun for n in needs), plan.devices.tun),
        ("gpu", any(n.gpu for n in needs), plan.devices.gpu),
    ):
        if not wanted or not isinstance(device, HostDevice):
            continue
        path = device.path
        if path not in host.nodes:
            module = f"as root: modprobe {MODULES[path]}" if path in MODULES else "name the right node under `devices` of the profile"
            remedy = _LXC.format(line=_NODES_OF_LXC[path]) if host.contained and path in _NODES_OF_LXC else module
            why = {"fuse": "no cloud can be mounted", "tun": "no tunnel can be made", "gpu": "players transcode without help"}[name]
            yield _found("devices", path, "there is no such node", why=why, remedy=remedy)
        elif device.group is not None and host.nodes[path] != device.group:
            text = f"its group is {host.nodes[path]}, and the profile says {device.group}"
            why = "apps get a group that may not open it"
            yield _found(
                "devices", path, text, why=why, remedy=f"in the profile: `devices: {{{name}: {{host: {{group: {host.nodes[path]}}}}}}}`"
            )
        else:
            yield _found("devices", path, "it is there")


def _wireguard(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    apps = {app.name: app for app in plan.apps}
    gateways = [name for name in tunnels(plan) if main_container(apps[name]).env.get("VPN_TYPE", "wireguard") == "wireguard"]
    if not gateways or not host.kernel:
        return
    if host.wireguard is None:
        text = "whether it has WireGuard can't be told: its modules are not here, and none of that name is loaded"
        yield _found("wireguard", "the kernel", text, verdict="unknown")
    elif host.wireguard:
        yield _found("wireguard", "the kernel", "it has WireGuard")
    else:
        names = ", ".join(gateways)
        why = f"{names} runs it in user space, which needs more CPU, and more memory while much is downloaded"
        remedy = f"install a kernel that has it (Linux 5.6 or later, module `wireguard`), or leave {names} a memory limit of 256Mi or more"
        yield _found("wireguard", "the kernel", "it has no WireGuard", why=why, remedy=remedy, verdict="note")


def _resolver(plan: Plan, host: Host, name_servers: Mapping[str, tuple[str, ...]]) -> Iterator[Diagnosis]:
    """An engine answers the names of containers by itself, and hands on all others: to a loopback address it does so on the host."""
    loopback = [server for server in host.resolvers if _is_loopback(server)]
    gateways = tunnels(plan)
    if not loopback or not gateways:
        return
    where, text = "/etc/resolv.conf", f"the host's name server is on loopback ({', '.join(loopback)})"
    for name in gateways:
        if name in name_servers and not name_servers[name]:
            why = "names that the tunnel's name server takes for local ones are asked by the host, past the tunnel"
            remedy = f"`portable up -p {plan.profile} {name}`: it is made anew, with a name server of its own"
            yield _found("resolver", where, f"{text}, and the container of {name} has no name server of its own", why=why, remedy=remedy)
    others = f"what other apps than those behind {', '.join(gateways)} ask for is asked by the host itself"
    remedy = "nothing has to be done; to change it, name another server under `dns` in the engine's daemon.json"
    yield _found("resolver", where, text, why=others, remedy=remedy, verdict="note")


def _is_loopback(server: str) -> bool:
    try:
        return ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _storage(plan: Plan, host: Host, docker_root: str) -> Iterator[Diagnosis]:
    places = _folders(plan)
    if docker_root:
        places.setdefault(docker_root, "the engine's own folder")
    for path, what in places.items():
        space = host.spaces.get(path)
        if path not in host.folders and path not in host.spaces:
            yield _found("storage", path, f"it is not there yet ({what})", verdict="unknown")
        elif space is not None:
            # As df counts: what only root may still use is no room.
            used = round(100 * space.used / max(1, space.used + space.free))
            text = f"{used} % full, {amount(space.free * 1024 // 2**20 * 2**20)} free ({what})"
            if used >= FULL:
                why = "downloads stop half-way, and databases can't be written"
                yield _found(
                    "storage", path, text, why=why, remedy=f"`du -xh --max-depth=2 {path} | sort -h | tail` shows what takes the room"
                )
            else:
                yield _found("storage", path, text)


def _btrfs(host: Host) -> Iterator[Diagnosis]:
    for path, said in host.btrfs:
        uuid, device = path.split("/sys/fs/btrfs/")[-1].split("/")[0], path.split("/devinfo/")[-1].split("/")[0]
        name, _, number = said.partition(" ")
        at = _btrfs_at(host, uuid) or next((m.path for m in host.mounts if m.kind == "btrfs"), "/")
        if name == "missing":
            text, why = (
                f"device {device} of the file system {uuid} is missing",
                "the mirror is one disk now: the next one that fails takes all",
            )
            yield _found(
                "btrfs", at, text, why=why, remedy=f"`btrfs filesystem show {at}`, then `btrfs replace start {device} /dev/NEW {at}`"
            )
        else:
            text, why = f"device {device} of the file system {uuid} counted {number} {name}", "a disk or its cable gives wrong data"
            yield _found("btrfs", at, text, why=why, remedy=f"`btrfs scrub start -B {at}`; then look at the disk with `smartctl -a`")


def _btrfs_at(host: Host, uuid: str) -> str | None:
    """Where that file system is mounted; the first one of its kind where its devices are a mapper's, which have other names there.

    None where it is mounted in some container alone: the kernel tells of all.
    """
    names = {f"/dev/{name}" for scrub in host.scrubs if scrub.uuid == uuid for name in scrub.devices}
    mounts = [m for m in host.mounts if m.kind == "btrfs"]
    mapped = any(name.startswith("/dev/dm-") for name in names)
    return next((m.path for m in (*(m for m in mounts if m.source in names), *(mounts if mapped else ()))), None)


def _scrubs(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    for scrub in host.scrubs:
        if (at := _btrfs_at(host, scrub.uuid)) is None:
            continue
        days = (host.now - scrub.at) // 86400
        if scrub.at < 0:
            yield _found("scrub", at, "when it was last read through is for root to know", verdict="unknown")
        elif days > SCRUB_DAYS:
            text = f"it was last read through {days} days ago" if scrub.at else "it was never read through to its end"
            why = "what rots on one disk is mended from the other only while that one is still good"
            often = f"`portable upkeep -p {plan.profile} --install` does so for what the stack lies on"
            yield _found("scrub", at, text, why=why, remedy=f"as root, once a month: btrfs scrub start {quote(at)}; {often}")
        else:
            yield _found("scrub", at, f"it was read through {days} days ago")


def _disks(host: Host) -> Iterator[Diagnosis]:
    for device, disk in host.disks.items():
        if disk.faults:
            why = "a disk that has begun to fail goes on failing"
            remedy = f"look at `smartctl -a {device}`, make sure that the backup is whole, and replace the disk"
            yield _found("disk", device, "; ".join(disk.faults), why=why, remedy=remedy)
        elif disk.silent:
            remedy = f"as root, on the host: apt-get install smartmontools; smartctl -H -A {device}"
            yield _found("disk", device, f"its health was not looked at: {disk.silent}", verdict="unknown", remedy=remedy)
        else:
            yield _found("disk", device, "it says that it is well")


def _links(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    if not (library := asked(plan).links):
        return
    folder, app = f"{library}/{STREAM}", "the app `stream-links` does so each night"
    if host.old_links:
        text = f"{host.old_links} link{'s are' if host.old_links > 1 else ' is'} older than {OLD_DAYS} days"
        remedy = f"find {quote(folder)} -xdev -type l -mtime +{OLD_DAYS} -delete; {app}"
        yield _found("links", folder, text, why="a cloud lets go of what nobody reads", remedy=remedy)
    if host.nowhere:
        text = f"{len(host.nowhere)} link{'s lead' if len(host.nowhere) > 1 else ' leads'} nowhere, as {host.nowhere[0]}"
        yield _found("links", folder, text, why="players show what can't be played", remedy="remove them, or fetch what they led to again")
    if host.cut:
        why = "there were too many for the time" if host.cut == "time" else f"{host.cut} does not answer"
        yield _found("links", folder, f"not every link was followed: {why}", verdict="unknown")
    elif not host.old_links and not host.nowhere and folder in host.folders:
        yield _found("links", folder, "every link leads somewhere")


def writer_of(plan: Plan) -> tuple[int, int] | None:
    """The one user and group that apps write the library as; None where there is none, or more than one."""
    writers = {
        (c.identity.uid, c.identity.gid)
        for app in plan.apps
        for c in app.containers
        if any(m.access == "rw" and plan.is_library(m.volume) for m in c.mounts) and c.identity.how != "fixed"
    }
    return next(iter(writers)) if len(writers) == 1 else None


def shut_out(plan: Plan, host: Host, writer: tuple[int, int]) -> Iterator[str]:
    """The folders of the library that are there, and in which apps can't write."""
    uid, gid = writer
    for path in library_folders(plan):
        if (f := host.folders.get(path)) is not None and not (
            (f.uid == uid and f.mode & 0o300 == 0o300) or (f.gid == gid and f.mode & 0o030 == 0o030) or f.mode & 0o003 == 0o003
        ):
            yield path


def _rights(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    if (writer := writer_of(plan)) is None:
        return
    uid, gid = writer
    wrong = tuple(shut_out(plan, host, writer))
    for path in wrong:
        seen = host.folders[path]
        text = f"it belongs to {seen.uid}:{seen.gid}, mode {seen.mode & 0o7777:04o}, and apps write as {uid}:{gid}"
        yield _found("rights", path, text, why="apps can't put anything there", remedy=f"as root: chown {uid}:{gid} {path}")
    if not wrong and any(path in host.folders for path in library_folders(plan)):
        yield _found("rights", library_folders(plan)[0], f"apps may write there as {uid}:{gid}")


def _split(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    """Folders of one library on several file systems; a subvolume of BTRFS is one, though `df` does not show it."""
    there = [path for path in library_folders(plan) if path in host.folders]
    if not there:
        return
    root = host.folders[there[0]].device
    apart = [path for path in there if host.folders[path].device != root]
    # What lies below a folder that is apart is apart with it.
    for path in (p for p in apart if not any(p.startswith(f"{other}/") for other in apart)):
        kind = (m := host.mount_of(path)) is not None and m.kind == "btrfs" and host.folders[path].inode == 256
        text = f"it is {'a subvolume' if kind else 'a file system'} of its own"
        why = "a hard link can't cross it: imports from downloads are copies, and take twice the room"
        yield _found(
            "split", path, text, why=why, remedy="move what is in it into a plain folder of that name; or say so in `storage.datasets`"
        )
    if not apart:
        yield _found("split", there[0], "the library is one file system")


def _clouds(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    for path, said in host.stale.items():
        why = "who reads it hangs or sees nothing, and nothing can be mounted there"
        yield _found("clouds", path, f"a FUSE mount that does not answer: {said}", why=why, remedy=f"as root: umount --lazy {path}")
    if plan.clouds:
        mount = host.mount_of(CLOUDS)
        if mount is None or not mount.shared:
            remedy = f"as root: {typed(sharing(CLOUDS))}; `portable up` does so too"
            yield _found("clouds", CLOUDS, "what is mounted there stays there", why="apps would see an empty cloud", remedy=remedy)
        else:
            yield _found("clouds", CLOUDS, "what is mounted there reaches containers")


def _memory(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    limits = sum(placed.container.resources.memory_limit for placed in containers(plan) if placed.app or placed.cloud)
    if not host.memory:
        return
    text = f"the limits of all apps are {amount(limits)}, and the host has {amount(host.memory // 2**20 * 2**20)}"
    if limits > host.memory:
        why = "the kernel ends an app, or the engine, when all want what they may have"
        yield _found(
            "memory",
            "the host",
            text,
            why=why,
            remedy="leave apps out, lower limits under `override`, or say what there is in `memory.total`",
        )
    else:
        yield _found("memory", "the host", text)


def _ports(plan: Plan, host: Host, project: str, taken: tuple[PublishedPort, ...]) -> Iterator[Diagnosis]:
    own = {(t.number, t.protocol) for t in taken if t.project == project}
    others = {(t.number, t.protocol): t for t in taken if t.project != project}
    for exposure, how, port in on_host(plan):
        at = (how.number, port.protocol)
        where, why = f"port {how.number}/{port.protocol}", f"{exposure.app} can't be reached there, and does not start"
        port_of = f"{{{exposure.app}: {{{exposure.port}: {{{how.__struct_config__.tag}: NUMBER}}}}}}"
        remedy = f"stop what has it, or in the profile: `exposure: {{apps: {port_of}}}`"
        if at in others:
            yield _found("ports", where, f"the container {others[at].container} has it", why=why, remedy=remedy)
        elif at not in own and (port.protocol, how.number) in host.listens:
            yield _found("ports", where, "another program of the host listens there", why=why, remedy=f"{remedy}; `ss -lnp` shows it")


def _folders(plan: Plan) -> dict[str, str]:
    """Where things lie on the host, each place with what it is for; the library's comes first."""
    found = {folder: "the library" for v in plan.volumes if plan.is_library(v.id) and (folder := folder_of(v)) is not None}
    for volume in plan.volumes:
        if not plan.is_library(volume.id) and isinstance(volume.place, Folder):
            found.setdefault(volume.place.path, "state")
    return found


def library_folders(plan: Plan) -> tuple[str, ...]:
    """The library's root, then the folders in it that apps name."""
    root = next((folder_of(v) for v in plan.volumes if plan.is_library(v.id)), None)
    return () if root is None else (root, *(f"{root}/{folder}" for folder in (plan.library.folders if plan.library else ())))


def left_alone(plan: Plan) -> tuple[str, ...]:
    """The apps that nothing starts after a restart of the host, but `portable heal`."""
    return tuple(plan.behind_gateways)
