"""What may be asked inside a container without a right to change anything there."""

from typing import NamedTuple


class Question(NamedTuple):
    """A shell script that only reads. It is part of this program: no text from elsewhere becomes one."""

    script: str

    def command(self, *arguments: str) -> tuple[str, ...]:
        """The command that asks it."""
        return ("sh", "-c", self.script, "sh", *arguments)
