"""Paths of this user on this machine, from the environment: nothing is created or read there."""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from portable.model.errors import UsageError


def home_of(environment: Mapping[str, str]) -> Path:
    """The user's home folder. Raises UsageError if it is unknown, for example for a service without HOME or a container's user."""
    if environment.get("HOME", "").startswith("/"):
        return Path(environment["HOME"])
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        text = f"your home folder is unknown: HOME is not set, and user {os.getuid()} has no entry in /etc/passwd"
        raise UsageError(text, code="file.home", where="environment", remedy="set it: `export HOME=/a/folder/of/yours`") from None


def cache_home(environment: Mapping[str, str] | None = None) -> Path:
    """`$XDG_CACHE_HOME/portable`, by default `~/.cache/portable`. Raises UsageError if there is no home folder."""
    environment = os.environ if environment is None else environment
    base = environment.get("XDG_CACHE_HOME") or ""
    return (Path(base) if base.startswith("/") else home_of(environment) / ".cache") / "portable"


def state_home(environment: Mapping[str, str] | None = None) -> Path:
    """`$XDG_STATE_HOME/portable`, by default `~/.local/state/portable`."""
    environment = os.environ if environment is None else environment
    base = environment.get("XDG_STATE_HOME") or ""
    return (Path(base) if base.startswith("/") else home_of(environment) / ".local" / "state") / "portable"
