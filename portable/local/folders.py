"""The folders of this user on this machine in which `portable` keeps what it can make anew."""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from portable.local.files import translated
from portable.model.errors import UsageError

FILE = "compose.yaml"
"""The document as it was handed to Compose last."""


def home_of(environment: Mapping[str, str]) -> Path:
    """The person's own folder. Raises UsageError where nothing tells it, as for a service without HOME or a container's user."""
    if environment.get("HOME", "").startswith("/"):
        return Path(environment["HOME"])
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        text = f"nothing tells where your files lie: HOME is not set, and user {os.getuid()} has no entry in /etc/passwd"
        raise UsageError(text, where="environment", remedy="export HOME=/a/folder/of/yours") from None


def state_home(environment: Mapping[str, str] | None = None) -> Path:
    """`$XDG_STATE_HOME/portable`, by default `~/.local/state/portable`."""
    environment = os.environ if environment is None else environment
    base = environment.get("XDG_STATE_HOME") or ""
    return (Path(base) if base.startswith("/") else home_of(environment) / ".local" / "state") / "portable"


def project_folder(project: str) -> Path:
    """The project's folder, made if it isn't there; nobody else may look into it."""
    folder = state_home() / project
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    return folder


def ran_before(project: str) -> bool:
    """Whether an earlier `up` from this machine left its document."""
    return (state_home() / project / FILE).exists()
