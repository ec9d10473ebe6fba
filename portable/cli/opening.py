"""Reads the stack and the profile of a command, and names both with their files once, on standard error."""

import sys
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from portable.cli.formats import is_json

if TYPE_CHECKING:
    from portable.backends.prepare import Inputs, Prepared

_is_announced: ContextVar[bool] = ContextVar("is_announced", default=False)


def prepared_for(profile: str, *, sets: Sequence[str] = (), catalogs: Sequence[Path] = ()) -> "Prepared":
    """Plan and render the profile of this command. Raises UsageError and InputError; findings do not stop it."""
    from portable.backends.prepare import prepare

    return prepare(profile, sets=sets, catalogs=catalogs, announce=_announce)


def forget_announced() -> None:
    """Forget that the stack and the profile were named."""
    _is_announced.set(False)


def headline(inputs: "Inputs") -> str:
    """The stack, its file, the profile and its file as one line."""
    stack = str(inputs.stack_file) if inputs.stack_file else "no portable.yaml here"
    profile = "shipped" if inputs.is_shipped else str(inputs.profile_file.absolute())
    return f"stack {inputs.stack} ({stack}), profile {inputs.profile} ({profile})"


def _announce(inputs: "Inputs") -> None:
    if not _is_announced.get() and not is_json():
        _is_announced.set(True)
        sys.stderr.write(f"portable: {headline(inputs)}\n")
        sys.stderr.flush()
