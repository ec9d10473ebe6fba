"""Whose secrets a stack runs on: a second user, or `sudo` with another home, must not make new ones."""

import getpass
import hashlib
import os
import re
import socket
from pathlib import Path

import msgspec

from portable.model.base import Struct
from portable.model.errors import Refused
from portable.secrets.sources import FileSource, Source

_LINE = re.compile(r"(?s)^(.*?)@([^@:#]*)(?:#([0-9a-f]+))?:(.*)\Z")
_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
"""Where a machine's identity lies, which stays when its host name changes (machine-id(5))."""
_DIGITS = 16


class SecretsOwner(Struct, frozen=True, kw_only=True):
    """A user with a file of secrets on a machine."""

    user: str
    host: str
    machine: str
    """A digest of the machine's identity, which itself is confidential; empty if unknown."""
    path: str

    @property
    def line(self) -> str:
        """The form in which an engine keeps it."""
        return f"{self.user}@{self.host}{f'#{self.machine}' if self.machine else ''}:{self.path}"

    @property
    def who(self) -> str:
        """User and host, for a message."""
        return f"{self.user}@{self.host}"

    def has_same_file(self, other: "SecretsOwner") -> bool:
        """Whether both name one file, whoever uses it: the same path on the same machine, known by its identity, else by its name."""
        is_same_machine = self.machine == other.machine if self.machine and other.machine else self.host == other.host
        return is_same_machine and self.path == other.path


def owner_of(source: Source) -> str:
    """The user, this machine, and the file of secrets as one line; empty for a source that is not a file."""
    if not isinstance(source, FileSource):
        return ""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    path = str(Path(source.path).expanduser())
    return SecretsOwner(user=user, host=socket.gethostname(), machine=machine_digest(), path=path).line


def machine_digest(files: tuple[Path, ...] = _MACHINE_IDS) -> str:
    """A digest of this machine's identity; empty if it has none, for example in a container."""
    for file in files:
        try:
            identity = file.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if re.fullmatch(r"[0-9a-f]{32}", identity) and identity.strip("0"):
            return hashlib.sha256(f"portable secrets {identity}".encode()).hexdigest()[:_DIGITS]
    return ""


def owner_in(line: str) -> SecretsOwner | None:
    """The owner that an engine keeps; None if it keeps none."""
    match = _LINE.match(line)
    return SecretsOwner(user=match[1], host=match[2], machine=match[3] or "", path=match[4]) if match else None


def is_other_owner(source: Source, owner: str) -> bool:
    """Whether the stack was started with another file. The same path on the same machine is the same file, whoever runs the command."""
    recorded, mine = owner_in(owner), owner_in(owner_of(source))
    return recorded is not None and mine is not None and not recorded.has_same_file(mine)


def recordable(source: Source, owner: str) -> str:
    """The line to record in place of that one; empty if it is still true. Of the same file, the first user stays."""
    recorded, mine = owner_in(owner), owner_in(owner_of(source))
    if mine is None:
        return ""
    if recorded is not None and recorded.has_same_file(mine):
        mine = msgspec.structs.replace(mine, user=recorded.user, machine=mine.machine or recorded.machine)
    return "" if mine == recorded else mine.line


def refuse_other_owner(source: Source, owner: str) -> None:
    """Raise Refused where secrets are missing here, and the stack was started with those of another file."""
    why = "this file lacks some of them: new ones would not fit the apps' own data"
    adopt = "if it is this file, moved or on a renamed machine, run `portable secrets adopt`"
    _refuse(source, owner, why, f"{adopt}; if it is lost, make each secret anew with `portable secrets set --generate NAME`")


def refuse_other_values(source: Source, owner: str, *, anew: str = "`portable down`") -> None:
    """Raise Refused where the containers run on other values than this file has, and were started with another file.

    `anew` is the command after which these values are accepted.
    """
    lost = f"if that file is lost or out of date, run {anew}, then `portable up`, and set the new values in the apps too"
    _refuse(source, owner, "this file has other values: they would not fit the apps' own data", lost)


def _refuse(source: Source, owner: str, why: str, lost: str) -> None:
    recorded, mine = owner_in(owner), owner_in(owner_of(source))
    if recorded is None or mine is None or recorded.has_same_file(mine):
        return
    raise Refused(
        f"this stack runs on the secrets of {recorded.who} in {recorded.path}, and {why}",
        code="secret.other-owner",
        where=mine.path,
        remedy=f"run the command as that user, or copy {recorded.path} here with mode 0600, or write "
        f"`secrets: {{file: {recorded.path}}}` in the profile; {lost}",
    )
