"""What drivers can do and the one for clusters cannot yet: each method says so, and what to do instead."""
# ruff: noqa: ARG002  # the arguments are those of the protocol

from collections.abc import Sequence
from typing import NoReturn

from portable.live.driver import Reopen, StackDriver, StackReader
from portable.live.image_needs import ImageNeed
from portable.model.changes import Change
from portable.model.errors import Refused
from portable.model.progress import Progress, silent
from portable.model.registry import Offered


def refuse_unsupported(where: str, what: str, remedy: str) -> NoReturn:
    """Raise Refused for something that clusters do not support yet."""
    raise Refused(f"{what} is not supported on clusters yet", code="cluster.unsupported", where=where, remedy=remedy)


class UnsupportedReading(StackReader):
    """The methods of a reader that are not supported."""

    def offered(self, reference: str) -> Offered:
        """Not supported on clusters yet."""
        refuse_unsupported(self.where, "looking for newer images", f"`skopeo inspect docker://{reference}` asks the registry")


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

    def bring(self, needs: Sequence[ImageNeed], *, progress: Progress = silent) -> None:
        """Not supported: nodes pull images by themselves."""
        refuse_unsupported(self.where, "pulling images beforehand", "`portable up` lets each node pull what its pods need")

    def build_images(self, recipes: Sequence[str] = (), *, progress: Progress = silent) -> tuple[Change, ...]:
        """Not supported on clusters yet."""
        refuse_unsupported(self.where, "building images", "build them elsewhere, and push them to a registry that the nodes reach")

    def read_host(self, script: str, arguments: Sequence[str]) -> str:
        """Not supported on clusters yet."""
        refuse_unsupported(self.where, "reading from a node", "log in to the node")

    def run_as_host(self, script: str, arguments: Sequence[str]) -> str:
        """Not supported on clusters yet."""
        refuse_unsupported(self.where, "running a script on a node", "log in to the node")
