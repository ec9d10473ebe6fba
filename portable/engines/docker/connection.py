"""A connection to an engine, and the translation of its errors. The base of all classes that talk to an engine."""

import contextlib
import logging
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from portable.engines.docker.address import Address
from portable.engines.docker.client import PrivateConfig, config_folder, read_config
from portable.engines.docker.errors import DockerError, chain_of, translate
from portable.engines.docker.process import compose_environment
from portable.engines.docker.ssh import CONNECT_SECONDS, SshBridge

if TYPE_CHECKING:
    from docker import APIClient
    from python_on_whales import DockerClient


OLDEST_API = (1, 41)
ANSWER_SECONDS = 60
"""Timeout of an answer of the engine."""
SETTLING_SECONDS = 5
"""How long the engine may take to record an end: the exit code of a command, the last container of a network."""
log = logging.getLogger("portable.engine")


def numbers(version: str) -> tuple[int, ...]:
    """The first three numbers of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


class Connection:
    """The connection to an engine, the docker command for it, and one family of errors."""

    def __init__(self, address: Address, *, hide: Callable[[str], str] = lambda text: text) -> None:
        """Does not connect yet. `hide` removes secrets from every foreign text; set it as soon as secrets are known."""
        self.address = address
        self.hide = hide
        self._answered = False
        self._bridge: SshBridge | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close connections; the engine keeps running."""
        if "_api" in self.__dict__:
            with contextlib.suppress(Exception):
                self._api.close()
        if self._bridge is not None:
            self._bridge.close()

    @contextlib.contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        """Translate every foreign error inside the block into an DockerError."""
        try:
            yield
        except DockerError:
            raise
        except Exception as error:
            foreign = type(error).__module__.split(".")[0] in ("docker", "requests", "urllib3", "python_on_whales", "http")
            if not foreign and not isinstance(error, OSError | subprocess.TimeoutExpired):
                raise
            explanation = str(getattr(error, "explanation", "") or "")
            raise self.trouble(explanation or chain_of(error), what, responded=bool(explanation)) from None

    def trouble(self, text: str, doing: str, *, responded: bool = False) -> DockerError:
        """The error for a foreign text. The whole text goes to the debug log only, without secrets.

        With `responded` the engine itself wrote the text, so it can neither be absent nor gone.
        """
        hidden, ssh = self.hide(text), self.hide(self._bridge.complaint()) if self._bridge is not None else ""
        log.debug("%s: %s", doing, f"{ssh}\n{hidden}" if ssh else hidden)
        # Compose passes the engine's answer on; the unreachable part in it may be a registry or an app.
        responded = responded or text.rstrip().rpartition("\n")[2].lstrip().startswith("Error response from daemon: ")
        return translate(
            hidden,
            where=self.address.url,
            doing=doing,
            answered=self._answered,
            responded=responded,
            named_by=self.address.named_by,
            ssh=ssh,
        )

    def _docker(self, command: Sequence[str], secrets: Mapping[str, str], **more: Any) -> "subprocess.CompletedProcess[str]":
        """Run the docker command to its end, without the user's configuration, environment and working folder."""
        with self._config() as config:
            environment = compose_environment(secrets, config.path)
            return subprocess.run(command, env=environment, cwd="/", check=False, text=True, **more)

    def _config(self) -> PrivateConfig:
        return PrivateConfig(os.environ, Path.home())

    @cached_property
    def _api(self) -> "APIClient":
        from docker import APIClient
        from docker.constants import DEFAULT_DOCKER_API_VERSION
        from docker.tls import TLSConfig
        from docker.utils.proxy import ProxyConfig

        read_config(config_folder(os.environ, Path.home()))  # the SDK ignores an unreadable one silently, with its logins
        url = self.address.url
        tls: Any = False
        if url.startswith("ssh://"):
            self._bridge = SshBridge(url)
            url = self._bridge.url
        elif self.address.certificates:
            folder = Path(self.address.certificates)
            tls = TLSConfig(
                client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")) if (folder / "cert.pem").exists() else None,
                ca_cert=str(folder / "ca.pem") if (folder / "ca.pem").exists() else None,
                verify=self.address.verify,
            )
        with self._doing("connecting"):
            client = APIClient(base_url=url, version=".".join(map(str, OLDEST_API)), timeout=CONNECT_SECONDS, tls=tls)
            client._proxy_configs = ProxyConfig()  # type: ignore[attr-defined]  # else the user's proxies go into every helper and build
            client.trust_env = False  # REQUESTS_CA_BUNDLE would replace the engine's own authority (measured)
            api_version = str(client.version(api_version=False).get("ApiVersion") or "0")
        client.timeout = ANSWER_SECONDS
        if numbers(api_version) < OLDEST_API:
            raise DockerError(
                "old",
                f"the engine is too old: it has API {api_version}, and portable needs 1.41 (Docker 20.10) or later",
                where=self.address.url,
                remedy="update the engine (on Debian: `scripts/bootstrap.sh engine`)",
            )
        client._version = min(api_version, DEFAULT_DOCKER_API_VERSION, key=numbers)  # type: ignore[attr-defined]  # it has no setter
        self._answered = True
        return client

    def _client(self, **compose: Any) -> "DockerClient":
        """The docker command for this engine."""
        from python_on_whales import DockerClient

        if not self.address.certificates:
            return DockerClient(host=self.address.url, **compose)
        folder = Path(self.address.certificates).absolute()
        files = {flag: folder / name for flag, name in (("tlscacert", "ca.pem"), ("tlscert", "cert.pem"), ("tlskey", "key.pem"))}
        certificates: dict[str, Any] = {flag: path for flag, path in files.items() if path.exists()}
        return DockerClient(host=self.address.url, tls=True, tlsverify=self.address.verify or None, **certificates, **compose)

    def _compose(self, project: str, *files: str) -> list[str]:
        """The command line up to the verb. It never holds a secret."""
        # Compose reads an `.env` beside the document; for a document from standard input, nobody else may be able to write there.
        paths = [file if file == "-" else str(Path(file).absolute()) for file in files]
        folder = str(Path(paths[0]).parent) if paths and paths[0] != "-" else "/"
        client = self._client(compose_project_name=project, compose_files=paths, compose_project_directory=folder)
        return [str(part) for part in client.compose.docker_compose_cmd]

    def _lenient(self, what: str, call: Callable[[], object]) -> None:
        from docker.errors import APIError, NotFound

        with self._doing(what):
            try:
                call()
            except NotFound:
                return
            except APIError as error:
                if error.status_code == 409 and "already in progress" in str(error):
                    return
                raise
