"""The parts of every contract, and helpers that several of them use."""

import logging
import traceback
from collections.abc import Callable, Iterator

from portable.backends.common import PlacedContainer, containers, main_container
from portable.live.view import CommandResult, View
from portable.model.base import Struct
from portable.model.contracts import ContractResult, Verdict
from portable.model.errors import PortableError
from portable.model.plan import App, Container, Volume

log = logging.getLogger("portable.verify")
Found = tuple[str, Verdict, str, str]
"""Subject, verdict, text and remedy."""
_NO_PROGRAM = (126, 127)
"""Exit codes for a program that is missing or cannot be executed (POSIX, 2.8.2)."""


class Contract(Struct, frozen=True, kw_only=True):
    """A condition that a running stack must meet, and the check that proves it."""

    name: str
    promise: str
    """A sentence that a person understands without the documentation; its explanation has it as its title."""
    check: Callable[[View], Iterator[Found]]
    inside: bool = True
    """Whether the check runs commands inside containers, so that stopped containers cannot be checked."""

    def tried(self, stack: View) -> Iterator[ContractResult]:
        """Yield the results of the check one by one, so that a failing engine keeps the results before it.

        A bug in the check becomes a result, too: it must not prevent the checks of other contracts.
        """
        try:
            for subject, verdict, text, remedy in self.check(stack):
                yield ContractResult(contract=self.name, subject=subject, verdict=verdict, text=text, remedy=remedy)
        except PortableError as error:
            yield ContractResult(
                contract=self.name, subject="the stack", verdict="unknown", text=f"the check was interrupted: {error.text}"
            )
        except Exception as error:  # noqa: BLE001  # reported as a bug
            kind = type(error).__name__
            log.debug("%s: %s\n%s", self.name, kind, "".join(traceback.format_tb(error.__traceback__)))  # its message may hold a secret
            text = f"the check was interrupted by a bug in portable ({kind}); `portable --debug verify {self.name}` prints its traceback"
            yield ContractResult(contract=self.name, subject="the stack", verdict="unknown", text=text)
        states = [(placed, stack.look(placed)) for placed in parts(stack)] if self.inside else []
        down = [about(placed) for placed, state in states if not state.is_running and not state.is_idle]
        if down:
            text = f"not checked in stopped containers: {', '.join(down)}"
            yield ContractResult(contract=self.name, subject="the stack", verdict="unknown", text=text)


def holds(subject: str, text: str) -> Found:
    """Return a result that the promise is kept."""
    return subject, "holds", text, ""


def broken(subject: str, text: str, remedy: str) -> Found:
    """Return a result that the promise is broken."""
    return subject, "broken", text, remedy


def unknown(subject: str, text: str) -> Found:
    """Return a result that the promise could not be checked."""
    return subject, "unknown", text, ""


def restart_with_group(stack: View, gateway: str) -> str:
    """Return the remedy for a gateway whose apps share its network namespace: a command that restarts all of them, in order."""
    return f"run `portable restart -p {stack.plan.profile} {gateway}`, which restarts all apps in its network namespace"


def untried(said: CommandResult) -> bool:
    """Whether a command proves nothing, because it could not be run or did not end."""
    return said.code is None or said.code in _NO_PROGRAM


def about(placed: PlacedContainer) -> str:
    """Return the name of a container for people: the app, and the container's own name unless it is the main one."""
    if placed.cloud:
        return f"cloud {placed.cloud.id}"
    if placed.app is None:
        return "init"
    return placed.app.name if placed.container is main_container(placed.app) else f"{placed.app.name}-{placed.container.name}"


def parts(stack: View) -> Iterator[PlacedContainer]:
    """Return every container that must run; `init` is left out, since it ends after its preparations."""
    return (placed for placed in containers(stack.plan) if placed.app or placed.cloud)


def running(stack: View) -> Iterator[PlacedContainer]:
    """Return every container in which commands can be run."""
    return (placed for placed in parts(stack) if stack.look(placed).is_running)


def running_apps(stack: View) -> Iterator[tuple[App, PlacedContainer]]:
    """Yield each app whose main container runs, with that container."""
    for placed in running(stack):
        if placed.app and placed.container is main_container(placed.app):
            yield placed.app, placed


def mounts_of(stack: View, container: Container) -> Iterator[tuple[Volume, str, str]]:
    """Yield the volumes of a container: each with its path inside, and `ro` or `rw`."""
    volumes = {volume.id: volume for volume in stack.plan.volumes}
    for mount in container.mounts:
        if mount.volume in volumes:
            yield volumes[mount.volume], mount.path, mount.access


def library_of(stack: View, container: Container) -> tuple[str, str] | None:
    """Return the library's path in a container, and `ro` or `rw`; None if it does not see the library."""
    for volume, path, access in mounts_of(stack, container):
        if stack.plan.is_library(volume.id):
            return path, access
    return None


def writer(container: Container) -> str | None:
    """Return user and group of a container's app, for `exec`; None if only the image knows them."""
    return None if container.identity.how == "fixed" else f"{container.identity.uid}:{container.identity.gid}"


def processes(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each process in `/proc/*/status`, without the processes of the command itself (`sh` and `cat`)."""
    for block in ("\n" + text).split("\nName:")[1:]:
        fields = {key: value.strip() for key, _, value in (line.partition(":") for line in f"Name:{block}".splitlines())}
        if fields["Name"] != "cat" and not (fields["Name"] == "sh" and fields.get("PPid") == "0" and fields.get("Pid") != "1"):
            yield fields


PROCESSES = ("sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null || true")
"""The command whose output `processes` reads."""
