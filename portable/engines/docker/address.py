"""Where the container engine is: from the profile, the environment, the docker context, or the default socket. Reads files only."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from portable.engines.docker.client import config_folder, read_config
from portable.model.base import Struct
from portable.model.errors import EngineError, UsageError

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
_SCHEMES = ("unix", "tcp", "ssh")


class Address(Struct, frozen=True, kw_only=True):
    """An engine, and who named it."""

    url: str
    named_by: str
    certificates: str | None = None
    """Folder with ca.pem, cert.pem and key.pem, where the connection is by TLS."""
    verify: bool = True

    @property
    def is_local(self) -> bool:
        """Whether the engine listens on a socket of this machine."""
        return self.url.startswith("unix://")

    @property
    def host(self) -> str:
        """The machine on which published ports are reached, as it stands in a web address."""
        name = "" if self.is_local else urlsplit(self.url).hostname or ""
        return f"[{name}]" if ":" in name else name or "127.0.0.1"

    def __str__(self) -> str:
        return f"{self.url} (from {self.named_by})"


def resolve(engine: str | None, environment: Mapping[str, str], home: Path) -> Address:
    """The engine that a profile names, or else the one that the `docker` command would use.

    Raises UsageError for an invalid address, also a context's, and for an unusable Docker configuration; EngineError for a docker context
    that does not exist.
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
    parts = urlsplit(url)
    remedy = "write unix:///path, tcp://host:port or ssh://user@host"
    if parts.scheme not in _SCHEMES:
        raise UsageError(f"{url!r} is no address of an engine", where=named_by, remedy=remedy)
    try:
        port = parts.port
    except ValueError:
        raise UsageError(f"{url!r} has a port that is no number", where=named_by, remedy=remedy) from None
    if (parts.scheme == "unix" and not parts.path.startswith("/")) or (parts.scheme != "unix" and not parts.hostname):
        raise UsageError(f"{url!r} names no {'path' if parts.scheme == 'unix' else 'host'}", where=named_by, remedy=remedy)
    if parts.password:
        raise UsageError("an engine's address must not hold a password", where=named_by, remedy="use a key and ssh-agent")
    if (parts.hostname or "").startswith("-") or (parts.username or "").startswith("-"):
        raise UsageError(f"{url!r} names no host", where=named_by, remedy=remedy)
    if parts.scheme != "tcp":
        return Address(url=url, named_by=named_by)
    if port is None:
        raise UsageError(f"{url!r} has no port", where=named_by, remedy="2376 is usual with TLS, 2375 without")
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
        raise EngineError(f"the docker context {name} is not there", remedy="`docker context ls` lists those that are") from None
    certificates = config / "contexts" / "tls" / folder / "docker"
    return Address(
        url=_checked(url, named_by, {}, config).url,
        named_by=named_by,
        certificates=str(certificates) if certificates.is_dir() else None,
        verify=not endpoint.get("SkipTLSVerify", False),
    )
