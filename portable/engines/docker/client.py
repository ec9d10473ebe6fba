"""A private Docker configuration for the docker command, so that nothing of the person's own changes what runs.

Compose copies `proxies` of a client's `config.json` into every container that it makes, where they lead apps past the tunnel (measured).
So each call of the command reads a private folder instead. The engine's address and certificates come on the command line, and images are
pulled by the SDK, so that folder needs neither logins nor contexts.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from portable.model.errors import UsageError

FILE = "config.json"
PLUGINS = "cli-plugins"
_KEPT = ("HttpHeaders", "cliPluginsExtraDirs")
"""Headers that a gateway before the engine may ask for, and folders in which the Compose plug-in may lie."""


def config_folder(environment: Mapping[str, str], home: Path) -> Path:
    """The folder that the docker command would read."""
    return Path(environment.get("DOCKER_CONFIG") or home / ".docker").absolute()


def read_config(folder: Path) -> dict[str, Any]:
    """The person's `config.json`; empty where it does not exist. Raises UsageError for one that cannot be used."""
    file = folder / FILE
    try:
        file.stat()
    except OSError:
        return {}  # also the home folder of another user, as after `sudo -u`
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text) if text.strip() else {}  # as `touch` leaves it; Docker takes it for none too
    except IsADirectoryError:
        # An engine makes a folder where a container was to mount a file that was not there.
        text, remedy = (
            "a folder stands where the Docker configuration would",
            "remove it if it is empty, or set DOCKER_CONFIG to another folder",
        )
        raise UsageError(text, where=str(file), remedy=remedy) from None
    except OSError as error:
        text = f"the Docker configuration cannot be read: {error.strerror}"
        remedy = f"make it readable (`sudo chown $(id -u) {file}`), or set DOCKER_CONFIG to another folder"
        raise UsageError(text, where=str(file), remedy=remedy) from None
    except ValueError as error:
        at = f", line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(f"the Docker configuration is not valid JSON{at}", where=str(file), remedy="correct it, or remove it") from None
    if not isinstance(found, dict):
        raise UsageError("the Docker configuration is not a JSON object", where=str(file), remedy="correct it, or remove it")
    return found


class PrivateConfig:
    """A Docker configuration for one call of the docker command, which only this user can read. It is removed by `close`.

    The leftovers of a killed command hold nothing that the person's own does not.
    """

    def __init__(self, environment: Mapping[str, str], home: Path) -> None:
        """Raises UsageError for a configuration that cannot be used, and OSError where the folder cannot be made."""
        original = config_folder(environment, home)
        found = read_config(original)
        self._folder = tempfile.TemporaryDirectory(prefix="portable-docker-", ignore_cleanup_errors=True)
        self.path = self._folder.name
        try:
            descriptor = os.open(Path(self.path, FILE), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({key: found[key] for key in _KEPT if key in found}, file)
            if (original / PLUGINS).is_dir():
                Path(self.path, PLUGINS).symlink_to(original / PLUGINS)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "PrivateConfig":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove it; again does nothing."""
        self._folder.cleanup()
