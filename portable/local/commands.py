"""Runs commands that need root on this machine."""

import shlex
import subprocess
from collections.abc import Iterable, Sequence

from portable.model.errors import EngineError

_SECONDS = 30.0
"""Timeout of one command. Each has little to do, and a dead mount must not block it for ever."""


def typed(commands: Iterable[Iterable[str]]) -> str:
    """Return commands as one line to paste into a shell."""
    return " && ".join(shlex.join(command) for command in commands)


def carry_out(commands: Sequence[Sequence[str]], *, where: str) -> None:
    """Run commands that need root, until one fails. Raises EngineError with its output, and all commands as the remedy."""
    for command in commands:
        remedy = f"run as root: {typed(commands)}"
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"{command[0]}: {error}", code="file.root-command", where=where, remedy=remedy) from None
        if done.returncode != 0:
            raise EngineError(done.stderr.strip() or f"{command[0]} failed", code="file.root-command", where=where, remedy=remedy)
