"""Commands that need root on this machine."""

import shlex
import subprocess
from collections.abc import Iterable, Sequence

from portable.model.errors import EngineError

_SECONDS = 30.0
"""For a command on this machine: none of them has much to do, and a dead mount must not hold it for ever."""


def typed(commands: Iterable[Iterable[str]]) -> str:
    """Commands as a person types them."""
    return " && ".join(shlex.join(command) for command in commands)


def carry_out(commands: Sequence[Sequence[str]], *, where: str) -> None:
    """Run commands that need root on this machine, until one fails: raises EngineError with its words and all of them."""
    for command in commands:
        remedy = f"as root: {typed(commands)}"
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"{command[0]}: {error}", where=where, remedy=remedy) from None
        if done.returncode != 0:
            raise EngineError(done.stderr.strip() or f"{command[0]} failed", where=where, remedy=remedy)
