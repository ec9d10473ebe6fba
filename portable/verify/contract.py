"""What every contract is made of, and the few things that several of them ask."""

from collections.abc import Callable, Iterator

from portable.backends.common import Placed, containers, main_container
from portable.model.base import Struct
from portable.model.contracts import Held, Verdict
from portable.model.plan import App, Container, Folder, Volume
from portable.verify.stack import Stack

Found = tuple[str, Verdict, str, str]
"""Subject, verdict, text and remedy."""


class Contract(Struct, frozen=True, kw_only=True):
    """Something that must be true of a running stack, and the check that proves it."""

    name: str
    promise: str
    """A sentence that a person understands without the documents."""
    check: Callable[[Stack], Iterator[Found]]

    def tried(self, stack: Stack) -> Iterator[Held]:
        """Everything that the check found, as it finds it."""
        for subject, verdict, text, remedy in self.check(stack):
            yield Held(contract=self.name, subject=subject, verdict=verdict, text=text, remedy=remedy)


def holds(subject: str, text: str) -> Found:
    """It is as promised."""
    return subject, "holds", text, ""


def broken(subject: str, text: str, remedy: str) -> Found:
    """It is not."""
    return subject, "broken", text, remedy


def unknown(subject: str, text: str) -> Found:
    """It could not be tried."""
    return subject, "unknown", text, ""


def about(placed: Placed) -> str:
    """What a person calls a container: the app, with the container's name where that is another one."""
    if placed.cloud:
        return f"cloud {placed.cloud.id}"
    if placed.app is None:
        return "init"
    return placed.app.name if placed.container is main_container(placed.app) else f"{placed.app.name}-{placed.container.name}"


def running(stack: Stack) -> Iterator[Placed]:
    """Every container in which commands can be run; those that do not run are the contract `runs`'s to tell."""
    for placed in containers(stack.plan):
        if (placed.app or placed.cloud) and stack.look(placed).is_running:
            yield placed


def running_apps(stack: Stack) -> Iterator[tuple[App, Placed]]:
    """The apps whose main container runs, with it."""
    for placed in running(stack):
        if placed.app and placed.container is main_container(placed.app):
            yield placed.app, placed


def mounts_of(stack: Stack, container: Container) -> Iterator[tuple[Volume, str, str]]:
    """The volumes that a container sees: each with its path inside, and `ro` or `rw`."""
    volumes = {volume.id: volume for volume in stack.plan.volumes}
    for mount in container.mounts:
        if mount.volume in volumes:
            yield volumes[mount.volume], mount.path, mount.access


def library_of(stack: Stack, container: Container) -> tuple[str, str] | None:
    """Where a container sees the library, and whether it may write there."""
    for volume, path, access in mounts_of(stack, container):
        if stack.plan.library and volume.id == stack.plan.library.volume:
            return path, access
    return None


def writer(container: Container) -> str:
    """The user and group that a container's app writes files as, for `exec`."""
    return f"{container.identity.uid}:{container.identity.gid}"


def folder_of(volume: Volume) -> str | None:
    """Where a volume lies on the host; None where it is no folder of it."""
    if not isinstance(volume.place, Folder):
        return None
    return f"{volume.place.path.rstrip('/')}/{volume.folder}".rstrip("/") if volume.folder else volume.place.path
