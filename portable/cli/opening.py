"""Reads the stack and the profile of a command, and names both with their files once, on standard error."""

import sys
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from portable.cli.formats import is_json
from portable.model.errors import PortableError

if TYPE_CHECKING:
    from portable.backends.prepare import Inputs, Prepared

_announced: ContextVar[frozenset[str]] = ContextVar("announced", default=frozenset())
"""The lines that this command printed."""


def prepared_for(profile: str, *, sets: Sequence[str] = (), catalogs: Sequence[Path] = ()) -> "Prepared":
    """Plan and render the profile of this command. Raises UsageError and InputError; findings do not stop it."""
    from portable.backends.prepare import prepare

    return prepare(profile, sets=sets, catalogs=catalogs, announce=_announce)


def forget_announced() -> None:
    """Forget that the stack and the profile were named."""
    _announced.set(frozenset())


def headline(inputs: "Inputs") -> str:
    """The stack, its file, the profile and its file as one line."""
    return f"{_stack(inputs.stack, inputs.stack_file)}, {_profile(inputs.profile, inputs.profile_file, is_shipped=inputs.is_shipped)}"


def announce_stack(profile: str | None = None) -> Path | None:
    """Name the stack of this folder, for a command that plans nothing, and a profile that it reads. Return the stack's file.

    Raises UsageError for a file that is only nearly called like the stack. A stack with mistakes has no name here.
    """
    from portable.profiles.load import find_stack, is_shipped, load_stack, profile_file, profile_files, profile_folders

    file = find_stack(Path.cwd())
    try:
        line = _stack(load_stack(file)[0].name, file)
    except PortableError:
        line = f"stack of {file}"
    own = profile_file(profile, profile_files(profile_folders(file))) if profile else None
    _print_once(f"{line}, {_profile(own.stem, own, is_shipped=is_shipped(own))}" if own else line)
    return file


def _stack(name: str, file: Path | None) -> str:
    return f"stack {name} ({file if file else 'no portable.yaml here'})"


def _profile(name: str, file: Path, *, is_shipped: bool) -> str:
    return f"profile {name} ({'shipped' if is_shipped else file.absolute()})"


def _announce(inputs: "Inputs") -> None:
    _print_once(headline(inputs))


def _print_once(line: str) -> None:
    if line not in _announced.get() and not is_json():
        _announced.set(_announced.get() | {line})
        sys.stderr.write(f"portable: {line}\n")
        sys.stderr.flush()
