"""The doctor's checks of a host, before and while a stack runs: what is wrong, where, why it matters, and the command that repairs it."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from shlex import quote

from portable.backends.common import containers, main_container, on_host
from portable.catalog.quantities import amount
from portable.engines.mounts import MODULES, sharing
from portable.live.state_owners import ForeignState, state_folders
from portable.live.tunnel import tunnels
from portable.local.commands import typed
from portable.model.contracts import Check, Diagnosis, Judgement
from portable.model.devices import HostDevice
from portable.model.folders import folder_of
from portable.model.plan import CLOUDS, Folder, Plan
from portable.model.ports import PublishedPort
from portable.verify.host import Host, HostPaths

FULL = 80
"""A file system counts as full from this percentage (the owner's own limit)."""
STREAM = "stream"
"""The library's folder of links into clouds."""
OLD_DAYS = 90
"""A link there counts as old after these days: the script of `portable.verify.host` counts them, as does the app stream-links."""
SCRUB_DAYS = 40
"""The limit between scrubs: btrfs-scrub(8) advises once a month, plus some days of grace."""
_LXC = "on the Proxmox host, add to /etc/pve/lxc/ID.conf: {line}; then restart the container"
_NODES_OF_LXC = {
    "/dev/fuse": "features: fuse=1,nesting=1",
    "/dev/net/tun": "lxc.cgroup2.devices.allow: c 10:200 rwm and lxc.mount.entry: /dev/net/tun dev/net/tun none bind,create=file",
}


def asked(plan: Plan) -> HostPaths:
    """Return the paths of the host that matter for a plan."""
    devices = (plan.devices.tun, plan.devices.fuse, plan.devices.gpu)
    nodes = tuple(device.path for device in devices if isinstance(device, HostDevice))
    places = _folders(plan)
    clouds = tuple(f"{CLOUDS}/{cloud.id}/{cloud.known_entry}" for cloud in plan.clouds if cloud.known_entry)
    links = next(iter(library_folders(plan)), "") if plan.library and STREAM in plan.library.folders else ""
    return HostPaths(
        nodes=nodes,
        folders=tuple(sorted({*library_folders(plan), *places})),
        spaces=tuple(places),
        clouds=clouds,
        links=links,
        states=state_folders(plan),
    )


def examined(
    plan: Plan,
    host: Host,
    *,
    project: str,
    taken: Iterable[PublishedPort],
    docker_root: str = "",
    name_servers: Mapping[str, tuple[str, ...]] = {},
) -> Iterator[Diagnosis]:
    """Run all checks, ordered so that one explains the next.

    `taken` are the published ports on the host. `name_servers` has the name servers of each existing gateway container, by its name.
    """
    if host.kernel:
        inside = "; it is itself a container (LXC), and its own host assigns devices, nesting and memory" if host.contained else ""
        yield _diagnosis("kernel", "the host", f"Linux {host.kernel}{inside}")
    yield from _features(plan, host)
    yield from _wireguard(plan, host)
    yield from _resolver(plan, host, name_servers)
    yield from _storage(plan, host, docker_root)
    yield from _btrfs(host)
    yield from _scrubs(plan, host)
    yield from _disks(host)
    yield from _links(plan, host)
    yield from _rights(plan, host)
    yield from _states(plan, host)
    yield from _split(plan, host)
    yield from _clouds(plan, host)
    yield from _memory(plan, host)
    yield from _ports(plan, host, project, tuple(taken))


def _diagnosis(check: Check, where: str, text: str, *, why: str = "", remedy: str = "", verdict: Judgement | None = None) -> Diagnosis:
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
            module = f"run `modprobe {MODULES[path]}` as root" if path in MODULES else "set the right node in `devices` of the profile"
            remedy = _LXC.format(line=_NODES_OF_LXC[path]) if host.contained and path in _NODES_OF_LXC else module
            why = {"fuse": "no cloud can be mounted", "tun": "no tunnel can start", "gpu": "players transcode on the CPU"}[name]
            yield _diagnosis("devices", path, "this device node does not exist", why=why, remedy=remedy)
        elif device.group is not None and host.nodes[path] != device.group:
            text = f"its group is {host.nodes[path]}, but the profile has {device.group}"
            why = "apps get a group that may not open it"
            remedy = f"set in the profile: `devices: {{{name}: {{host: {{group: {host.nodes[path]}}}}}}}`"
            yield _diagnosis("devices", path, text, why=why, remedy=remedy)
        else:
            yield _diagnosis("devices", path, "exists")


def _wireguard(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    apps = {app.name: app for app in plan.apps}
    gateways = [name for name in tunnels(plan) if main_container(apps[name]).env.get("VPN_TYPE", "wireguard") == "wireguard"]
    if not gateways or not host.kernel:
        return
    if host.wireguard is None:
        text = "support for WireGuard is unknown: the module is not loaded, and the folder of modules is not visible here"
        yield _diagnosis("wireguard", "the kernel", text, verdict="unknown")
    elif host.wireguard:
        yield _diagnosis("wireguard", "the kernel", "supports WireGuard")
    else:
        names = ", ".join(gateways)
        why = f"{names} runs it in user space, which needs more CPU, and more memory during large downloads"
        remedy = f"install a kernel with the module `wireguard` (Linux 5.6 or later), or keep the memory limit of {names} at 256Mi or more"
        yield _diagnosis("wireguard", "the kernel", "does not support WireGuard", why=why, remedy=remedy, verdict="note")


def _resolver(plan: Plan, host: Host, name_servers: Mapping[str, tuple[str, ...]]) -> Iterator[Diagnosis]:
    """Check the host's name servers: an engine resolves container names itself, and sends others to a loopback address from the host."""
    loopback = [server for server in host.resolvers if _is_loopback(server)]
    gateways = tunnels(plan)
    if not loopback or not gateways:
        return
    where, text = "/etc/resolv.conf", f"the host's name server is on loopback ({', '.join(loopback)})"
    for name in gateways:
        if name in name_servers and not name_servers[name]:
            why = "names that the tunnel's name server takes for local ones are resolved by the host, outside the tunnel"
            remedy = f"run `portable up -p {plan.profile} {name}`, which recreates it with a name server of its own"
            own = f"{text}, and the container of {name} has no name server of its own"
            yield _diagnosis("resolver", where, own, why=why, remedy=remedy)
    others = f"the host itself resolves the names of all apps that are not behind {', '.join(gateways)}"
    remedy = "leave it as it is, or set another server as `dns` in the engine's daemon.json"
    yield _diagnosis("resolver", where, text, why=others, remedy=remedy, verdict="note")


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
            yield _diagnosis("storage", path, f"does not exist yet ({what})", verdict="unknown")
        elif space is not None:
            # Like df: space that is reserved for root is not free.
            used = round(100 * space.used / max(1, space.used + space.free))
            text = f"{used} % full, {amount(space.free * 1024 // 2**20 * 2**20)} free ({what})"
            if used >= FULL:
                why = "downloads stop half-way, and databases cannot be written"
                remedy = f"find the largest folders with `du -xh --max-depth=2 {path} | sort -h | tail`"
                yield _diagnosis("storage", path, text, why=why, remedy=remedy)
            else:
                yield _diagnosis("storage", path, text)


def _btrfs(host: Host) -> Iterator[Diagnosis]:
    for path, counter in host.btrfs:
        uuid, device = path.split("/sys/fs/btrfs/")[-1].split("/")[0], path.split("/devinfo/")[-1].split("/")[0]
        name, _, number = counter.partition(" ")
        at = _btrfs_at(host, uuid) or next((m.path for m in host.mounts if m.kind == "btrfs"), "/")
        if name == "missing":
            text = f"device {device} of the file system {uuid} is missing"
            why = "the mirror has no redundancy left: if another disk fails, all data is lost"
            remedy = f"run `btrfs filesystem show {at}`, then `btrfs replace start {device} /dev/NEW {at}`"
            yield _diagnosis("btrfs", at, text, why=why, remedy=remedy)
        else:
            text, why = f"device {device} of the file system {uuid} counted {number} {name}", "a disk or its cable returns wrong data"
            remedy = f"run `btrfs scrub start -B {at}`, then check the disk with `smartctl -a`"
            yield _diagnosis("btrfs", at, text, why=why, remedy=remedy)


def _btrfs_at(host: Host, uuid: str) -> str | None:
    """Return the mount point of a BTRFS; that of the first BTRFS if it is on mapped devices, which have other names there.

    None if it is mounted in a container only: the kernel lists those, too.
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
            yield _diagnosis("scrub", at, "last scrub time: needs root", verdict="unknown")
        elif days > SCRUB_DAYS:
            text = f"last complete scrub: {days} days ago" if scrub.at else "last complete scrub: never"
            why = "corruption on one disk can be repaired from the other only while that one is intact"
            monthly = f"`portable upkeep -p {plan.profile} --install` runs it once a month on the stack's file systems"
            yield _diagnosis("scrub", at, text, why=why, remedy=f"run `btrfs scrub start {quote(at)}` as root; {monthly}")
        else:
            yield _diagnosis("scrub", at, f"last complete scrub: {days} days ago")


def _disks(host: Host) -> Iterator[Diagnosis]:
    for device, disk in host.disks.items():
        if disk.faults:
            why = "a disk that has begun to fail keeps failing"
            remedy = f"run `smartctl -a {device}`, verify that the backup is complete, and replace the disk"
            yield _diagnosis("disk", device, "; ".join(disk.faults), why=why, remedy=remedy)
        elif disk.silent:
            remedy = f"run as root on the host: `apt-get install smartmontools`, then `smartctl -H -A {device}`"
            yield _diagnosis("disk", device, f"SMART status unknown: {disk.silent}", verdict="unknown", remedy=remedy)
        else:
            yield _diagnosis("disk", device, "SMART status: healthy")


def _links(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    if not (library := asked(plan).links):
        return
    folder = f"{library}/{STREAM}"
    if host.old_links:
        text = f"{host.old_links} link{'s are' if host.old_links > 1 else ' is'} older than {OLD_DAYS} days"
        delete = f"find {quote(folder)} -xdev -type l -mtime +{OLD_DAYS} -delete"
        remedy = f"run `{delete}`, or add the app `stream-links`, which does so every night"
        yield _diagnosis("links", folder, text, why="clouds remove files that nobody reads", remedy=remedy)
    if host.nowhere:
        text = f"{len(host.nowhere)} link{'s lead' if len(host.nowhere) > 1 else ' leads'} nowhere, for example {host.nowhere[0]}"
        remedy = "remove these links, or download their targets again"
        yield _diagnosis("links", folder, text, why="players list files that cannot be played", remedy=remedy)
    if host.cut:
        why = "there were too many" if host.cut == "time" else f"{host.cut} does not answer"
        yield _diagnosis("links", folder, f"some links were not followed: {why}", verdict="unknown")
    elif not host.old_links and not host.nowhere and folder in host.folders:
        yield _diagnosis("links", folder, "every link leads to a file")


def writer_of(plan: Plan) -> tuple[int, int] | None:
    """Return the user and group of all apps that write to the library; None without such apps, or if they differ."""
    writers = {
        (c.identity.uid, c.identity.gid)
        for app in plan.apps
        for c in app.containers
        if any(m.access == "rw" and plan.is_library(m.volume) for m in c.mounts) and c.identity.how != "fixed"
    }
    return next(iter(writers)) if len(writers) == 1 else None


def shut_out(plan: Plan, host: Host, writer: tuple[int, int]) -> Iterator[str]:
    """Yield the existing library folders that apps cannot write to."""
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
    denied = tuple(shut_out(plan, host, writer))
    for path in denied:
        folder = host.folders[path]
        text = f"it belongs to {folder.uid}:{folder.gid}, mode {folder.mode & 0o7777:04o}, but apps write as {uid}:{gid}"
        remedy = f"run `chown {uid}:{gid} {quote(path)}` as root"
        yield _diagnosis("rights", path, text, why="apps cannot create files there", remedy=remedy)
    if not denied and any(path in host.folders for path in library_folders(plan)):
        yield _diagnosis("rights", library_folders(plan)[0], f"apps may write there as {uid}:{gid}")


def _states(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    """Find state that a person brought from another program or user: its app fails at the first write."""
    for folder in state_folders(plan):
        if folder.path in host.foreign:
            entry, owner = host.foreign[folder.path]
            foreign = ForeignState(folder=folder, entry=entry, owner=owner)
            why = f"{folder.app} would fail, or start with new settings"
            yield _diagnosis("rights", folder.path, foreign.text, why=why, remedy=foreign.remedy)


def _split(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    """Find folders of the library on other file systems; a BTRFS subvolume is one, although `df` does not show it."""
    folders = [path for path in library_folders(plan) if path in host.folders]
    if not folders:
        return
    root = host.folders[folders[0]].device
    separate = [path for path in folders if host.folders[path].device != root]
    # Folders below a separate folder are not reported again.
    for path in (p for p in separate if not any(p.startswith(f"{other}/") for other in separate)):
        is_subvolume = (m := host.mount_of(path)) is not None and m.kind == "btrfs" and host.folders[path].inode == 256
        text = f"it is a separate {'subvolume' if is_subvolume else 'file system'}"
        why = "hard links cannot cross it: imports from downloads become copies and take twice the space"
        remedy = "move its content into a plain folder of that name, or declare it in `storage.datasets`"
        yield _diagnosis("split", path, text, why=why, remedy=remedy)
    if not separate:
        yield _diagnosis("split", folders[0], "the library is one file system")


def _clouds(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    for path, error in host.stale.items():
        why = "processes that read it hang or see nothing, and nothing can be mounted there"
        remedy = f"run `umount --lazy {quote(path)}` as root"
        yield _diagnosis("clouds", path, f"a FUSE mount that does not answer: {error}", why=why, remedy=remedy)
    if plan.clouds:
        mount = host.mount_of(CLOUDS)
        if mount is None or not mount.shared:
            remedy = f"run `portable up`, or as root: {typed(sharing(CLOUDS))}"
            yield _diagnosis("clouds", CLOUDS, "it is not a shared mount", why="apps would see an empty cloud", remedy=remedy)
        else:
            yield _diagnosis("clouds", CLOUDS, "containers see the mounts below it")


def _memory(plan: Plan, host: Host) -> Iterator[Diagnosis]:
    limits = sum(placed.container.resources.memory_limit for placed in containers(plan) if placed.app or placed.cloud)
    if not host.memory:
        return
    text = f"the memory limits of all apps are {amount(limits)}, the host has {amount(host.memory // 2**20 * 2**20)}"
    if limits > host.memory:
        why = "the kernel kills an app, or the engine, when all use what they may"
        remedy = "remove apps, lower limits with `override`, or set the real size as `memory.total`"
        yield _diagnosis("memory", "the host", text, why=why, remedy=remedy)
    else:
        yield _diagnosis("memory", "the host", text)


def _ports(plan: Plan, host: Host, project: str, taken: tuple[PublishedPort, ...]) -> Iterator[Diagnosis]:
    own = {(t.number, t.protocol) for t in taken if t.project == project}
    others = {(t.number, t.protocol): t for t in taken if t.project != project}
    for exposure, how, port in on_host(plan):
        at = (how.number, port.protocol)
        where, why = f"port {how.number}/{port.protocol}", f"{exposure.app} cannot start, because it cannot use this port"
        port_of = f"{{{exposure.app}: {{{exposure.port}: {{{how.__struct_config__.tag}: NUMBER}}}}}}"
        setting = f"set another port in the profile: `exposure: {{apps: {port_of}}}`"
        if at in others:
            container = others[at].container
            remedy = f"stop that container with `docker stop {container}`, or {setting}"
            yield _diagnosis("ports", where, f"container {container} uses it", why=why, remedy=remedy)
        elif at not in own and (port.protocol, how.number) in host.listens:
            remedy = f"find the program with `ss -lnp` and stop it, or {setting}"
            yield _diagnosis("ports", where, "another program on the host uses it", why=why, remedy=remedy)
    yield from _public(host, project, taken)


def _public(host: Host, project: str, taken: tuple[PublishedPort, ...]) -> Iterator[Diagnosis]:
    """Find published ports on an address of the internet: an engine publishes past the rules of ufw and firewalld."""
    public = [address for address in host.addresses if ip_address(address).is_global]
    own: dict[str, set[int]] = {}
    for port in taken:
        if port.project == project and not (port.address and _is_loopback(port.address)):
            reached = [a for a in public if port.address in ("", "0.0.0.0", "::", a) and (port.address != "0.0.0.0" or ":" not in a)]  # noqa: S104
            for address in reached:
                own.setdefault(address, set()).add(port.number)
    for address, numbers in sorted(own.items()):
        text = f"ports {', '.join(map(str, sorted(numbers)))} are published on this address of the internet"
        why = "an engine publishes past the rules of ufw and firewalld, so everybody can open these apps"
        remedy = (
            "publish them at the host's LAN address only (`exposure: {lan-address: ...}`), or on loopback (`exposure: {default: loopback}`)"
        )
        yield _diagnosis("ports", address, text, why=why, remedy=remedy)


def _folders(plan: Plan) -> dict[str, str]:
    """Return the folders of the host that hold data, each with its purpose; the library comes first."""
    purposes = {folder: "the library" for v in plan.volumes if plan.is_library(v.id) and (folder := folder_of(v)) is not None}
    for volume in plan.volumes:
        if not plan.is_library(volume.id) and isinstance(volume.place, Folder):
            purposes.setdefault(volume.place.path, "state")
    return purposes


def library_folders(plan: Plan) -> tuple[str, ...]:
    """Return the library's root, then the folders in it that apps use."""
    root = next((folder_of(v) for v in plan.volumes if plan.is_library(v.id)), None)
    return () if root is None else (root, *(f"{root}/{folder}" for folder in (plan.library.folders if plan.library else ())))


def left_alone(plan: Plan) -> tuple[str, ...]:
    """Return the apps that only `portable heal` starts again after a restart of the host."""
    return tuple(plan.behind_gateways)
