"""A private Docker configuration for the docker command, so that the user's own configuration does not change the stack.

Compose copies `proxies` from the client's `config.json` into every container that it creates, where they lead apps past the tunnel
(measured). So each call of the command reads a private folder instead. That folder needs neither logins nor contexts: the engine's address
and certificates are passed on the command line, and the SDK pulls the images.
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
_COPIED_KEYS = ("HttpHeaders", "cliPluginsExtraDirs")
"""HTTP headers that a proxy before the engine may require, and folders that may hold the Compose plug-in."""


def config_folder(environment: Mapping[str, str], home: Path) -> Path:
    """The configuration folder that the docker command would read."""
    return Path(environment.get("DOCKER_CONFIG") or home / ".docker").absolute()


def read_config(folder: Path) -> dict[str, Any]:
    """The user's `config.json`; empty where it does not exist. Raises UsageError where it cannot be used."""
    file = folder / FILE
    try:
        file.stat()
    except OSError:
        return {}  # also in the home folder of another user, for example after `sudo -u`
    try:
        text = file.read_text(encoding="utf-8")
        config = json.loads(text) if text.strip() else {}  # for example after `touch`; Docker ignores an empty file too
    except IsADirectoryError:
        # An engine creates a folder in the place of a missing file that a container mounts.
        text, remedy = "the Docker configuration is a folder", "remove it if it is empty, or set DOCKER_CONFIG to another folder"
        raise UsageError(text, code="engine.config-folder", where=str(file), remedy=remedy) from None
    except OSError as error:
        text = f"the Docker configuration cannot be read: {error.strerror}"
        remedy = f"make it readable (`sudo chown $(id -u) {file}`), or set DOCKER_CONFIG to another folder"
        raise UsageError(text, code="engine.config-unreadable", where=str(file), remedy=remedy) from None
    except ValueError as error:
        at = f", line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        text, remedy = f"the Docker configuration is not valid JSON{at}", "correct it, or remove it"
        raise UsageError(text, code="engine.config-invalid", where=str(file), remedy=remedy) from None
    if not isinstance(config, dict):
        text, remedy = "the Docker configuration is not a JSON object", "correct it, or remove it"
        raise UsageError(text, code="engine.config-invalid", where=str(file), remedy=remedy)
    return config


class PrivateConfig:
    """A Docker configuration for one call of the docker command, readable by this user only. `close` removes it.

    A killed command leaves it behind; it holds nothing that the user's own configuration does not.
    """

    def __init__(self, environment: Mapping[str, str], home: Path) -> None:
        """Raises UsageError for a configuration that cannot be used, and OSError where the folder cannot be created."""
        folder = config_folder(environment, home)
        original = read_config(folder)
        self._folder = tempfile.TemporaryDirectory(prefix="portable-docker-", ignore_cleanup_errors=True)
        self.path = self._folder.name
        try:
            descriptor = os.open(Path(self.path, FILE), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({key: original[key] for key in _COPIED_KEYS if key in original}, file)
            if (folder / PLUGINS).is_dir():
                Path(self.path, PLUGINS).symlink_to(folder / PLUGINS)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "PrivateConfig":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder; a second call does nothing."""
        self._folder.cleanup()
