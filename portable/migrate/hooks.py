"""What a move asks of the apps at its two ends. Two plain folders have no apps, so every hook has an empty form."""

from pathlib import Path

from portable.model.findings import Finding


class MoveHooks:
    """Hooks of a move, in the order of their calls. A resumed move calls the hook of an unfinished step again: each has to bear that."""

    def stop_source(self) -> None:
        """Stop the apps that write the source, and make sure that nobody starts them. Raises PortableError."""

    def checkpoint(self, source: Path) -> None:
        """Bring the databases in the source, whose apps are stopped, into a form that a copy of files keeps. Raises PortableError."""

    def gate(self, target: Path) -> tuple[Finding, ...]:  # noqa: ARG002 - an empty form
        """List what forbids the start on the target: refused findings stop the move before the start."""
        return ()

    def start_target(self, target: Path) -> None:
        """Start the apps on the target and wait until they are well. Raises PortableError."""

    def stop_target(self) -> None:
        """Stop the apps on the target, if they run. Raises PortableError."""

    def start_source(self) -> None:
        """Start the apps on the source again, as they ran before. Raises PortableError."""


def reach(_point: str) -> None:
    """A point at which a move may be killed. Tests replace this function to do so."""
