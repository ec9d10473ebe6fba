"""Every app sees the library and its state at the paths that hold everywhere (promise 1), and it is the host's own."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from portable.backends.common import Placed
from portable.live.view import HostFolder, View
from portable.model.folders import folder_of
from portable.model.plan import Folder, Scratch
from portable.verify.contract import Contract, Found, about, broken, holds, library_of, mounts_of, running, unknown


class _Promised(NamedTuple):
    path: str
    folder: str
    """On the host."""
    mount_point: str
    """Where on the host a file system of its own must begin, at that folder or above; empty where none must."""


def check(stack: View) -> Iterator[Found]:
    """What is mounted where in each container; whether it is what the host has there now; whether all see one library."""
    up = f"`portable up -p {stack.plan.profile}` makes it anew with what the plan says"
    promises = [promised for placed in running(stack) for promised in _folders(stack, placed)]
    folders = sorted({folder for promised in promises for folder in (promised.folder, promised.mount_point) if folder})
    host = stack.on_host(folders) if folders else {}
    for placed in running(stack):
        seen, wrong = stack.look(placed).mounts, []
        promised = [entry for entry in mounts_of(stack, placed.container) if not isinstance(entry[0].place, Scratch)]
        for volume, path, _ in promised:
            folder = folder_of(volume)
            if path not in seen:
                wrong.append(f"{path} is not mounted")
            elif folder is not None and seen[path] != folder:
                wrong.append(f"{path} is {seen[path]} instead of {folder}")
        if wrong:
            yield broken(about(placed), "; ".join(wrong), up)
        elif promised:
            yield from _hosts_own(stack, placed, host)
    yield from _one_library(stack)


def _folders(stack: View, placed: Placed) -> list[_Promised]:
    return [
        _Promised(path, folder, volume.place.path if volume.place.mounted else "")
        for volume, path, _ in mounts_of(stack, placed.container)
        if isinstance(volume.place, Folder) and (folder := folder_of(volume)) is not None
    ]


def _hosts_own(stack: View, placed: Placed, host: Mapping[str, HostFolder] | None) -> Iterator[Found]:
    """By device and inode: what was mounted on the host after the container began, or put in a folder's place, is not what it sees."""
    folders = _folders(stack, placed)
    subject = about(placed)
    if not folders:
        yield holds(subject, "what it has is mounted")
        return
    if host is None:
        yield unknown(
            subject, f"{', '.join(f.path for f in folders)}: as promised by the engine; the host's own folders are not seen from here"
        )
        return
    said = stack.inside(placed, ["stat", "-c", "%d:%i", *(f.path for f in folders)])
    inside = said.text.splitlines()
    if not said.done or len(inside) != len(folders):
        yield unknown(subject, f"what it sees can't be told: {said.text or said.code}")
        return
    again = f"`portable restart -p {stack.plan.profile} {placed.app.name if placed.app else ''}`, once it is right on the host"
    wrong = []
    for promised, seen in zip(folders, inside, strict=True):
        there = host[promised.folder]
        if not there.identity:
            wrong.append(f"{promised.folder} is not there on the host")
        elif there.identity != seen:
            wrong.append(f"{promised.path} is not what lies at {promised.folder} on the host now")
        elif promised.mount_point and not host[promised.mount_point].mounted:
            wrong.append(f"nothing is mounted at {promised.mount_point}, which must be a file system of its own")
    if wrong:
        yield broken(subject, "; ".join(wrong), again)
    else:
        yield holds(subject, f"{', '.join(sorted(f.path for f in folders))}: as promised, and what the host has")


def _one_library(stack: View) -> Iterator[Found]:
    """By device and inode of its root inside: a mount that came later may cover what the engine says is there."""
    found: dict[str, list[str]] = {}
    for placed in running(stack):
        seen = library_of(stack, placed.container)
        if seen is None:
            continue
        said = stack.inside(placed, ["stat", "-c", "%d:%i", seen[0]])
        if said.done:
            found.setdefault(said.text, []).append(about(placed))
        else:
            yield unknown(about(placed), f"its library can't be looked at: {said.text or said.code}")
    most = max(found.values(), key=len, default=[])
    for apps in found.values():
        for app in apps:
            if apps is not most:
                remedy = f"`portable restart -p {stack.plan.profile} {app}` after the library is mounted on the host"
                yield broken(app, f"sees another library than {', '.join(most)}", remedy)
            elif len(most) > 1:
                yield holds(app, "sees the one library")


CONTRACT = Contract(name="paths", promise="every app sees the one library and its own state at the promised paths", check=check)
