"""What every contract is made of, and the few things that several of them ask."""

import logging
import traceback
from collections.abc import Callable, Iterator

from portable.backends.common import Placed, containers, main_container
from portable.live.view import Said, View
from portable.model.base import Struct
from portable.model.contracts import Held, Verdict
from portable.model.errors import PortableError
from portable.model.plan import App, Container, Volume

log = logging.getLogger("portable.verify")
Found = tuple[str, Verdict, str, str]
"""Subject, verdict, text and remedy."""
_NO_PROGRAM = (126, 127)
"""Exit codes of a program that is not in the image, or can't be run (POSIX, 2.8.2)."""


class Contract(Struct, frozen=True, kw_only=True):
    """Something that must be true of a running stack, and the check that proves it."""

    name: str
    promise: str
    """A sentence that a person understands without the documents."""
    check: Callable[[View], Iterator[Found]]
    inside: bool = True
    """Whether it asks inside containers, so that it can tell nothing of those that do not run."""

    def tried(self, stack: View) -> Iterator[Held]:
        """Everything that the check found, as it finds it; an engine that fails half-way leaves what was found before.

        So does a mistake in the check itself: it must not keep the other contracts from being tried.
        """
        try:
            for subject, verdict, text, remedy in self.check(stack):
                yield Held(contract=self.name, subject=subject, verdict=verdict, text=text, remedy=remedy)
        except PortableError as error:
            yield Held(contract=self.name, subject="the stack", verdict="unknown", text=f"it could not be tried to its end: {error.text}")
        except Exception as error:  # noqa: BLE001  # told as what it is
            kind = type(error).__name__
            log.debug("%s: %s\n%s", self.name, kind, "".join(traceback.format_tb(error.__traceback__)))  # its message may hold a secret
            text = f"it could not be tried to its end: a mistake in portable ({kind}); `portable --debug verify {self.name}` shows where"
            yield Held(contract=self.name, subject="the stack", verdict="unknown", text=text)
        down = [about(placed) for placed in parts(stack) if not stack.look(placed).is_running] if self.inside else []
        if down:
            text = f"not tried in {', '.join(down)}: what does not run can't be asked"
            yield Held(contract=self.name, subject="the stack", verdict="unknown", text=text)


def holds(subject: str, text: str) -> Found:
    """It is as promised."""
    return subject, "holds", text, ""


def broken(subject: str, text: str, remedy: str) -> Found:
    """It is not."""
    return subject, "broken", text, remedy


def unknown(subject: str, text: str) -> Found:
    """It could not be tried."""
    return subject, "unknown", text, ""


def restart_with_group(stack: View, gateway: str) -> str:
    """The remedy for a gateway whose apps share its network namespace: a command that restarts all of them, in order."""
    return f"`portable restart -p {stack.plan.profile} {gateway}`, with all that share its network"


def untried(said: Said) -> bool:
    """Whether a command says nothing, since it could not be run or did not end."""
    return said.code is None or said.code in _NO_PROGRAM


def about(placed: Placed) -> str:
    """What a person calls a container: the app, with the container's name where that is another one."""
    if placed.cloud:
        return f"cloud {placed.cloud.id}"
    if placed.app is None:
        return "init"
    return placed.app.name if placed.container is main_container(placed.app) else f"{placed.app.name}-{placed.container.name}"


def parts(stack: View) -> Iterator[Placed]:
    """Every container that is to run; `init` ends when it has prepared."""
    return (placed for placed in containers(stack.plan) if placed.app or placed.cloud)


def running(stack: View) -> Iterator[Placed]:
    """Every container in which commands can be run."""
    return (placed for placed in parts(stack) if stack.look(placed).is_running)


def running_apps(stack: View) -> Iterator[tuple[App, Placed]]:
    """The apps whose main container runs, with it."""
    for placed in running(stack):
        if placed.app and placed.container is main_container(placed.app):
            yield placed.app, placed


def mounts_of(stack: View, container: Container) -> Iterator[tuple[Volume, str, str]]:
    """The volumes that a container sees: each with its path inside, and `ro` or `rw`."""
    volumes = {volume.id: volume for volume in stack.plan.volumes}
    for mount in container.mounts:
        if mount.volume in volumes:
            yield volumes[mount.volume], mount.path, mount.access


def library_of(stack: View, container: Container) -> tuple[str, str] | None:
    """Where a container sees the library, and whether it may write there."""
    for volume, path, access in mounts_of(stack, container):
        if stack.plan.is_library(volume.id):
            return path, access
    return None


def writer(container: Container) -> str | None:
    """The user and group that a container's app has, for `exec`; None for an image's own, which only the image knows."""
    return None if container.identity.how == "fixed" else f"{container.identity.uid}:{container.identity.gid}"


def processes(text: str) -> Iterator[dict[str, str]]:
    """The fields of each process of `/proc/*/status`; those of the question itself (`sh` and `cat`) are not among them."""
    for block in ("\n" + text).split("\nName:")[1:]:
        fields = {key: value.strip() for key, _, value in (line.partition(":") for line in f"Name:{block}".splitlines())}
        if fields["Name"] != "cat" and not (fields["Name"] == "sh" and fields.get("PPid") == "0" and fields.get("Pid") != "1"):
            yield fields


PROCESSES = ("sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null || true")
"""The command whose output `processes` reads."""
