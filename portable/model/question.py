"""What may be asked inside a container without a right to change anything there."""

from typing import NamedTuple

from portable.model.shell import script


class Question(NamedTuple):
    """A shell script that only reads. It lies beside a module of this program: no text from elsewhere becomes one."""

    module: str
    """The `__name__` of that module."""
    file: str

    @property
    def script(self) -> str:
        """Its text."""
        return script(self.module, self.file)

    def command(self, *arguments: str) -> tuple[str, ...]:
        """The command that asks it."""
        return ("sh", "-c", self.script, "sh", *arguments)
