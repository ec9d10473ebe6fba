"""Repairs of a host that need no confirmation, and their commands. The caller runs them.

A repair is safe if nobody loses anything: it removes no file, changes no owner below a folder, and unmounts nothing that still answers.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from portable.engines.mounts import MODULES, sharing
from portable.model.base import Struct
from portable.model.devices import HostDevice
from portable.model.plan import CLOUDS, Folder, Plan
from portable.verify.doctor import library_folders, shut_out, writer_of
from portable.verify.host import Host

_DEAD = "Transport endpoint is not connected"
"""The kernel's error for a FUSE mount whose process is gone (ENOTCONN, errno(3)); a mount that is only slow is left alone."""


class Mend(Struct, frozen=True, kw_only=True):
    """One repair."""

    where: str
    text: str
    """The repair, as an imperative without a full stop."""
    commands: tuple[tuple[str, ...], ...]
    """To be run as root on the host, in this order."""


def mends(plan: Plan, host: Host) -> Iterator[Mend]:
    """Yield the repairs in the order of their dependencies."""
    yield from _modules(plan, host)
    for path in sorted(host.stale):
        if path.startswith(f"{CLOUDS}/") and _DEAD in host.stale[path]:
            # Checked again: the mount may be back by now, and a mount that is slow or denied to root is not dead.
            still = ("sh", "-c", f'! LC_ALL=C timeout -s KILL 5 stat "$0" 2>&1 | grep -q "{_DEAD}" || umount --lazy "$0"', path)
            yield Mend(where=path, text="unmount a FUSE mount whose process is gone", commands=(still,))
    if plan.clouds and ((mount := host.mount_of(CLOUDS)) is None or not mount.shared):
        commands = tuple(map(tuple, sharing(CLOUDS)))
        yield Mend(where=CLOUDS, text="make it a shared mount, so that containers see clouds", commands=commands)
    yield from _library(plan, host)


def _modules(plan: Plan, host: Host) -> Iterator[Mend]:
    needs = [container.needs for container in plan.containers()]
    wanted = ((plan.devices.fuse, any(n.fuse for n in needs)), (plan.devices.tun, any(n.tun for n in needs)))
    for device, needed in wanted:
        if needed and isinstance(device, HostDevice) and device.path in MODULES and device.path not in host.nodes and not host.contained:
            module = MODULES[device.path]
            yield Mend(where=device.path, text=f"load the kernel module {module}", commands=(("modprobe", module),))


def _library(plan: Plan, host: Host) -> Iterator[Mend]:
    """Yield repairs for library folders only. `portable up` creates state folders, with the correct owner."""
    if (owner := writer_of(plan)) is None or not (folders := library_folders(plan)):
        return
    if any(_is_bare(plan, host, folder) for folder in folders):
        return  # a new folder would lie hidden below the disk that is mounted later
    user = "{}:{}".format(*owner)
    denied = set(shut_out(plan, host, owner))
    for folder in folders:
        own = ("chown", "--no-dereference", user, folder)
        if folder not in host.folders:
            # If it exists after all, for example on a disk that answered too late, the second `mkdir` fails and nothing changes.
            made = (("mkdir", "-p", str(PurePosixPath(folder).parent)), ("mkdir", folder))
            yield Mend(where=folder, text=f"create the folder for {user}", commands=(*made, own, ("chmod", "0775", folder)))
        elif folder in denied and folder in host.empty:
            still = ("sh", "-c", 'found=$(ls -A "$0") && [ -z "$found" ]', folder)
            yield Mend(where=folder, text=f"change the owner of this empty folder to {user}", commands=(still, own))


def _is_bare(plan: Plan, host: Host, folder: str) -> bool:
    """Whether a disk that belongs at this folder is not mounted now."""
    places = [v.place.path for v in plan.volumes if isinstance(v.place, Folder) and v.place.mounted]
    around = [path for path in places if folder == path or folder.startswith(f"{path.rstrip('/')}/")]
    return any((mount := host.mount_of(path)) is None or mount.path != path for path in around)
