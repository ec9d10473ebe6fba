"""Whose secrets a stack runs on: a second user, or `sudo` with another home, must not make new ones."""

import getpass
import os
import socket
from pathlib import Path

from portable.model.errors import Refused
from portable.secrets.sources import FileSource, Source


def owner_of(source: Source) -> str:
    """The user, this machine, and the file of secrets as one line; empty for a source that is not a file."""
    if not isinstance(source, FileSource):
        return ""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}:{Path(source.path).expanduser()}"


def is_other_owner(source: Source, owner: str) -> bool:
    """Whether the stack was started with another file. The same path on the same machine is the same file, whoever runs the command."""
    mine = owner_of(source)
    return bool(owner and mine) and owner.partition("@")[2] != mine.partition("@")[2]


def refuse_other_owner(source: Source, owner: str) -> None:
    """Raise Refused where secrets are missing here, and the stack was started with those of another file."""
    mine = owner_of(source)
    if not is_other_owner(source, owner):
        return
    who, _, path = owner.partition(":")
    raise Refused(
        f"this stack runs on the secrets of {who} in {path}, and this file lacks some of them: new ones would not fit the apps' own data",
        code="secret.other-owner",
        where=mine.partition(":")[2],
        remedy=f"run the command as that user, or copy {path} here with mode 0600, or write `secrets: {{file: {path}}}` in the profile; "
        "if it is lost, make each secret anew with `portable secrets set --generate NAME`",
    )


def refuse_other_values(source: Source, owner: str, *, anew: str = "`portable down`") -> None:
    """Raise Refused where the containers run on other values than this file has, and were started with another file.

    `anew` is the command after which these values are accepted.
    """
    if not is_other_owner(source, owner):
        return
    who, _, path = owner.partition(":")
    raise Refused(
        f"this stack runs on the secrets of {who} in {path}, and this file has other values: they would not fit the apps' own data",
        code="secret.other-owner",
        where=owner_of(source).partition(":")[2],
        remedy=f"run the command as that user, or copy {path} here with mode 0600, or write `secrets: {{file: {path}}}` in the profile; "
        f"if that file is lost or out of date, run {anew}, then `portable up`, and set the new values in the apps too",
    )
