"""Read-only scripts that run inside a container without permission to change anything there."""

from typing import NamedTuple

from portable.model.shell import script


class Question(NamedTuple):
    """A read-only shell script. It is a file beside a module of this program, never text from elsewhere."""

    module: str
    """The `__name__` of that module."""
    file: str

    @property
    def script(self) -> str:
        """The text of the script."""
        return script(self.module, self.file)

    def command(self, *arguments: str) -> tuple[str, ...]:
        """The command that runs the script with these arguments."""
        return ("sh", "-c", self.script, "sh", *arguments)
