"""Every app sees the library and its state at the same paths on every back end (promise 1), and they are the host's own folders."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from portable.backends.common import PlacedContainer
from portable.live.view import HostFolder, View
from portable.model.folders import folder_of
from portable.model.plan import Ephemeral, Folder
from portable.model.shell import script
from portable.verify.contract import Contract, Found, about, broken, holds, library_of, mounts_of, running, unknown


class _Promised(NamedTuple):
    path: str
    folder: str
    """On the host."""
    mount_point: str
    """The folder of the host, this one or above it, that must be a mount point; empty if none must be."""


def check(stack: View) -> Iterator[Found]:
    """Check the mounts of each container, whether they are the host's current folders, and whether all apps see one library."""
    up = f"run `portable up -p {stack.plan.profile}`, which recreates it with the mounts of the plan"
    promises = [promised for placed in running(stack) for promised in _folders(stack, placed)]
    folders = sorted({folder for promised in promises for folder in (promised.folder, promised.mount_point) if folder})
    host = stack.on_host(folders) if folders else {}
    for placed in running(stack):
        mounts, faults = stack.look(placed).mounts, []
        planned = [entry for entry in mounts_of(stack, placed.container) if not isinstance(entry[0].place, Ephemeral)]
        for volume, path, _ in planned:
            folder = stack.source(volume)
            if path not in mounts:
                faults.append(f"{path} is not mounted")
            elif folder is not None and mounts[path] != folder:
                faults.append(f"{path} is {mounts[path]} instead of {folder}")
        if faults:
            yield broken(about(placed), "; ".join(faults), up)
        elif planned:
            yield from _hosts_own(stack, placed, host)
    yield from _one_library(stack)


def _folders(stack: View, placed: PlacedContainer) -> list[_Promised]:
    return [
        _Promised(path, folder, volume.place.path if volume.place.mounted else "")
        for volume, path, _ in mounts_of(stack, placed.container)
        if isinstance(volume.place, Folder) and (folder := folder_of(volume)) is not None
    ]


def _hosts_own(stack: View, placed: PlacedContainer, host: Mapping[str, HostFolder] | None) -> Iterator[Found]:
    """Compare device and inode: a container does not see a folder that was mounted or replaced on the host after its start."""
    folders = _folders(stack, placed)
    subject = about(placed)
    if not folders:
        yield holds(subject, "all its volumes are mounted")
        return
    if host is None:
        paths = ", ".join(f.path for f in folders)
        yield unknown(subject, f"{paths}: mounted as planned, but the host's folders cannot be read from here")
        return
    answer = stack.inside(placed, ["stat", "-c", "%d:%i", *(f.path for f in folders)])
    identities = answer.text.splitlines()
    if not answer.done or len(identities) != len(folders):
        yield unknown(subject, f"its folders cannot be examined: {answer.text or answer.code}")
        return
    restart = f"`portable restart -p {stack.plan.profile} {placed.app.name if placed.app else ''}`"
    faults = []
    for promised, identity in zip(folders, identities, strict=True):
        current = host[promised.folder]
        if not current.identity:
            faults.append(f"{promised.folder} does not exist on the host")
        elif current.identity != identity:
            faults.append(f"{promised.path} is not the folder that is at {promised.folder} on the host now")
        elif promised.mount_point and not host[promised.mount_point].mounted:
            faults.append(f"nothing is mounted at {promised.mount_point}, which must be a mount point")
    if faults:
        yield broken(subject, "; ".join(faults), f"correct the folder on the host, then run {restart}")
    else:
        yield holds(subject, f"{', '.join(sorted(f.path for f in folders))}: as planned, and the host's current folders")


def _one_library(stack: View) -> Iterator[Found]:
    """Compare device and inode of the library's root inside: a later mount can cover the one that the engine shows.

    Each node of a cluster numbers its devices, so the inode, the id of the file system and the names in the root are compared there.
    """
    question = ["stat", "-c", "%d:%i"] if stack.one_host else ["sh", "-c", script(__name__, "paths.sh"), "sh"]
    by_identity: dict[str, list[str]] = {}
    for placed in running(stack):
        library = library_of(stack, placed.container)
        if library is None:
            continue
        answer = stack.inside(placed, [*question, library[0]])
        if answer.done:
            by_identity.setdefault(answer.text, []).append(about(placed))
        else:
            yield unknown(about(placed), f"its library cannot be examined: {answer.text or answer.code}")
    majority = max(by_identity.values(), key=len, default=[])
    for apps in by_identity.values():
        for app in apps:
            if apps is not majority:
                remedy = f"mount the library on the host, then run `portable restart -p {stack.plan.profile} {app}`"
                yield broken(app, f"sees a different library than {', '.join(majority)}", remedy)
            elif len(majority) > 1:
                yield holds(app, "sees the one library")


CONTRACT = Contract(name="paths", promise="every app sees the one library and its own state at the promised paths", check=check)
