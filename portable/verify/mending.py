"""What of a host can be mended without a question, and by which commands. It runs none: who asked for it does.

Safe is what loses nothing and takes nothing from anybody: never a file removed, never an owner changed below a folder, never a mount
taken that still answers.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from portable.engines.mounts import MODULES, sharing
from portable.model.base import Struct
from portable.model.plan import CLOUDS, Folder, HostDevice, Plan
from portable.verify.doctor import library_folders, shut_out, writer_of
from portable.verify.host import Host

_DEAD = "Transport endpoint is not connected"
"""What the kernel says of a FUSE mount whose process is gone (ENOTCONN, errno(3)); one that is only slow is left alone."""


class Mend(Struct, frozen=True, kw_only=True):
    """One thing that is mended."""

    where: str
    text: str
    """What is done, in a sentence's words."""
    commands: tuple[tuple[str, ...], ...]
    """As root, on the host, one after the other."""


def mends(plan: Plan, host: Host) -> Iterator[Mend]:
    """In the order in which one needs the other."""
    yield from _modules(plan, host)
    for path in sorted(host.stale):
        if path.startswith(f"{CLOUDS}/") and _DEAD in host.stale[path]:
            # Asked once more: whoever mounts it may have brought it back meanwhile, and one that is slow or shut to root is not dead.
            still = ("sh", "-c", f'! LC_ALL=C timeout -s KILL 5 stat "$0" 2>&1 | grep -q "{_DEAD}" || umount --lazy "$0"', path)
            yield Mend(where=path, text="a mount whose process is gone is cleared away", commands=(still,))
    if plan.clouds and ((mount := host.mount_of(CLOUDS)) is None or not mount.shared):
        commands = tuple(map(tuple, sharing(CLOUDS)))
        yield Mend(where=CLOUDS, text="it is made a shared mount, so that clouds are seen in containers", commands=commands)
    yield from _library(plan, host)


def _modules(plan: Plan, host: Host) -> Iterator[Mend]:
    needs = [container.needs for container in plan.containers()]
    wanted = ((plan.devices.fuse, any(n.fuse for n in needs)), (plan.devices.tun, any(n.tun for n in needs)))
    for device, needed in wanted:
        if needed and isinstance(device, HostDevice) and device.path in MODULES and device.path not in host.nodes and not host.contained:
            module = MODULES[device.path]
            yield Mend(where=device.path, text=f"the kernel's module {module} is loaded", commands=(("modprobe", module),))


def _library(plan: Plan, host: Host) -> Iterator[Mend]:
    """Folders of the library alone: those of an app's state are made for their owner by `portable up`."""
    if (owner := writer_of(plan)) is None or not (folders := library_folders(plan)):
        return
    if any(_is_bare(plan, host, folder) for folder in folders):
        return  # what is made there would lie below the disk that is to be mounted
    who = "{}:{}".format(*owner)
    wrong = set(shut_out(plan, host, owner))
    for folder in folders:
        own = ("chown", "--no-dereference", who, folder)
        if folder not in host.folders:
            # Where it is there after all, as on a disk that answered too late, the second one fails and nothing is changed.
            made = (("mkdir", "-p", str(PurePosixPath(folder).parent)), ("mkdir", folder))
            yield Mend(where=folder, text=f"it is made, for {who}", commands=(*made, own, ("chmod", "0775", folder)))
        elif folder in wrong and folder in host.empty:
            still = ("sh", "-c", 'found=$(ls -A "$0") && [ -z "$found" ]', folder)
            yield Mend(where=folder, text=f"it is empty, and is given to {who}", commands=(still, own))


def _is_bare(plan: Plan, host: Host, folder: str) -> bool:
    """Whether a disk belongs there that is not mounted now."""
    places = [v.place.path for v in plan.volumes if isinstance(v.place, Folder) and v.place.mounted]
    around = [path for path in places if folder == path or folder.startswith(f"{path.rstrip('/')}/")]
    return any((mount := host.mount_of(path)) is None or mount.path != path for path in around)
