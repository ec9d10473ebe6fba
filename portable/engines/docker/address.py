"""The address of the container engine: from the profile, the environment, the docker context or the default socket. Reads files only."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from portable.engines.docker.client import config_folder, read_config
from portable.model.addresses import has_password
from portable.model.base import Struct
from portable.model.errors import EngineError, UsageError

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
_SCHEMES = ("unix", "tcp", "ssh")


class Address(Struct, frozen=True, kw_only=True):
    """The address of an engine, and the setting that named it."""

    url: str
    named_by: str
    certificates: str | None = None
    """Folder with ca.pem, cert.pem and key.pem; None without TLS."""
    verify: bool = True

    @property
    def is_local(self) -> bool:
        """Whether the engine listens on a socket of this machine."""
        return self.url.startswith("unix://")

    @property
    def host(self) -> str:
        """The host on which published ports are reached, in the form of a URL."""
        name = "" if self.is_local else urlsplit(self.url).hostname or ""
        return f"[{name}]" if ":" in name else name or "127.0.0.1"

    def __str__(self) -> str:
        return f"{self.url} (from {self.named_by})"


def resolve(engine: str | None, environment: Mapping[str, str], home: Path) -> Address:
    """The engine that the profile names, or else the one that the `docker` command would use.

    Raises UsageError for an invalid address (also that of a context) and for an unusable Docker configuration, EngineError for a docker
    context that does not exist.
    """
    config = config_folder(environment, home)
    if engine:
        return _checked(engine, "the profile's `engine`", environment, config)
    if host := environment.get("DOCKER_HOST"):
        return _checked(host, "DOCKER_HOST", environment, config)
    context = environment.get("DOCKER_CONTEXT") or _current_context(config)
    if context and context != "default":
        return _of_context(context, config)
    return Address(url=DEFAULT_SOCKET, named_by="the default socket")


def _checked(url: str, named_by: str, environment: Mapping[str, str], config: Path) -> Address:
    if has_password(url):  # first, so that no other message quotes it
        raise UsageError(
            "the engine's address contains a password", code="engine.address-password", where=named_by, remedy="use a key and ssh-agent"
        )

    def invalid(reason: str, remedy: str = "write unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST") -> UsageError:
        return UsageError(f"engine {url!r} {reason}", code="engine.address", where=named_by, remedy=remedy)

    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that do not match
        raise invalid("is not a valid address") from None
    if parts.scheme not in _SCHEMES:
        raise invalid("is not a supported address")
    try:
        port = parts.port
    except ValueError:
        raise invalid("has a port that is not a number from 0 to 65535") from None
    if (parts.scheme == "unix" and not parts.path.startswith("/")) or (parts.scheme != "unix" and not parts.hostname):
        raise invalid(f"has no {'absolute path' if parts.scheme == 'unix' else 'host'}")
    if (parts.hostname or "").startswith("-") or (parts.username or "").startswith("-"):
        raise invalid("has a host or user that begins with a dash")
    if parts.scheme != "tcp":
        return Address(url=url, named_by=named_by)
    if port is None:
        raise invalid("has no port", f"write tcp://{parts.hostname}:2376 for TLS, or port 2375 without")
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    folder = environment.get("DOCKER_CERT_PATH") or (str(config) if verify else None)
    if environment.get("DOCKER_TLS") or verify or folder:
        return Address(url=url, named_by=named_by, certificates=folder or str(config), verify=verify)
    return Address(url=url, named_by=named_by)


def _current_context(config: Path) -> str | None:
    current = read_config(config).get("currentContext")
    return current if isinstance(current, str) else None


def _of_context(name: str, config: Path) -> Address:
    folder = hashlib.sha256(name.encode()).hexdigest()
    named_by = f"the docker context {name}"
    try:
        endpoint = json.loads((config / "contexts" / "meta" / folder / "meta.json").read_text())["Endpoints"]["docker"]
        url = str(endpoint["Host"])
    except (OSError, ValueError, KeyError, TypeError):
        raise EngineError(
            f"the docker context {name} does not exist", code="engine.context", remedy="choose one that `docker context ls` lists"
        ) from None
    certificates = config / "contexts" / "tls" / folder / "docker"
    return Address(
        url=_checked(url, named_by, {}, config).url,
        named_by=named_by,
        certificates=str(certificates) if certificates.is_dir() else None,
        verify=not endpoint.get("SkipTLSVerify", False),
    )
