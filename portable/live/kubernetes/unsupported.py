"""What drivers can do and the one for clusters cannot yet: each method says so, and what to do instead."""
# ruff: noqa: ARG002  # the arguments are those of the protocol

from collections.abc import Sequence
from typing import NoReturn

from portable.live.driver import Reopen, StackDriver
from portable.model.changes import Change
from portable.model.errors import Refused
from portable.model.progress import Progress, silent


def refuse_unsupported(where: str, what: str, remedy: str) -> NoReturn:
    """Raise Refused for something that clusters do not support yet."""
    raise Refused(f"{what} is not supported on clusters yet", code="cluster.unsupported", where=where, remedy=remedy)


class UnsupportedWriting(StackDriver):
    """The methods of a driver that are not supported."""

    @property
    def host_root(self) -> str:
        """A cluster has no host whose tree is seen."""
        return ""

    def watch(self, reopen: Reopen, *, every: float, progress: Progress = silent) -> None:
        """Not supported on clusters yet."""
        remedy = "the cluster restarts containers by itself; `portable heal` replaces the pods that do not recover"
        refuse_unsupported(self.where, "heal --watch", remedy)

    def build_images(self, recipes: Sequence[str] = (), *, progress: Progress = silent) -> tuple[Change, ...]:
        """Not supported on clusters yet."""
        refuse_unsupported(self.where, "building images", "build them elsewhere, and push them to a registry that the nodes reach")

    def read_host(self, script: str, arguments: Sequence[str]) -> str:
        """Not supported on clusters yet."""
        refuse_unsupported(self.where, "reading from a node", "log in to the node")

    def run_as_host(self, script: str, arguments: Sequence[str]) -> str:
        """Not supported on clusters yet."""
        refuse_unsupported(self.where, "running a script on a node", "log in to the node")
