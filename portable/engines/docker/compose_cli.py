"""Docker Compose by its command line: its version, hashes of services, and `up`."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import (
    Versions,
)
from portable.engines.docker.process import Running, compose_environment

if TYPE_CHECKING:
    pass

from portable.engines.docker.connection import ANSWER_SECONDS, Connection, log, numbers

OLDEST_COMPOSE = (2, 23, 1)


class ComposeCommandReader(Connection):
    """Reads from Docker Compose."""

    _known_compose = ""
    """The version of Docker Compose, once it was asked for."""

    def check(self) -> Versions:
        """Raise DockerError unless the engine answers and both it and Compose are new enough."""
        with self._doing("asking for its version"):
            versions = self._api.version(api_version=False)
        compose = self._known_compose = self._known_compose or self._compose_version()
        if not compose:
            raise DockerError(
                "old",
                "the command `docker compose` does not exist on this machine",
                code="engine.compose-absent",
                where="docker compose",
                remedy="install the Compose plug-in (on Debian: `scripts/bootstrap.sh engine`)",
            )
        if numbers(compose) < OLDEST_COMPOSE:
            raise DockerError(
                "old",
                f"Docker Compose {compose} is too old: 2.23.1 is the first version that copies config files to a remote engine",
                code="engine.compose-old",
                where="docker compose",
                remedy="update the plug-in (on Debian: `scripts/bootstrap.sh engine`)",
            )
        return Versions(engine=str(versions.get("Version", "")), api=str(versions.get("ApiVersion", "")), compose=compose)

    def _compose_version(self) -> str:
        if shutil.which("docker") is None:
            raise DockerError(
                "old",
                "the command `docker` does not exist on this machine",
                code="engine.docker-absent",
                where="docker",
                remedy="install it (on Debian: `scripts/bootstrap.sh engine`)",
            )
        with self._doing("asking Docker Compose for its version"):
            command = ["docker", "compose", "version", "--short"]
            process = self._docker(command, {}, capture_output=True, timeout=ANSWER_SECONDS, stdin=subprocess.DEVNULL)
        log.debug("docker compose version: %s %s", process.stdout.strip(), process.stderr.strip())
        return process.stdout.strip().lstrip("v") if process.returncode == 0 else ""

    def config_hashes(self, project: str, document: str, environment: Mapping[str, str]) -> dict[str, str]:
        """Compose's hash of every service of the document, by which Compose decides what to recreate."""
        command = [*self._compose(project, "-"), "config", "--hash", "*"]
        log.debug("running %s", command)
        with self._doing("reading the project"):
            process = self._docker(command, environment, input=document, capture_output=True, timeout=ANSWER_SECONDS)
        if process.returncode != 0:
            raise self.trouble(process.stderr, "reading the project with Docker Compose")
        return {name: digest for name, _, digest in (line.partition(" ") for line in process.stdout.splitlines()) if digest}


class ComposeCommandWriter(ComposeCommandReader):
    """Changes a project with Docker Compose."""

    def compose_up(
        self,
        project: str,
        file: Path,
        services: Sequence[str],
        environment: Mapping[str, str],
        *,
        force: bool = False,
        keep_open: tuple[int, ...] = (),
    ) -> "Running":
        """Create, recreate or start these services after their dependencies; runs in the background.

        Not with `--no-deps`: Compose 2.26 then leaves `depends_on` out of its hash, and the next run would see a change (measured).
        The process inherits the file descriptors `keep_open`: the project stays locked as long as anything works on it.
        """
        command = [*self._compose(project, str(file)), "up", "--detach", "--no-build", "--pull", "never"]
        if force:
            command.append("--force-recreate")
        log.debug("running %s", [*command, *services])
        with self._doing("starting Docker Compose"):
            return self._running([*command, *services], environment, keep_open)

    def compose_recreate(
        self, project: str, file: Path, services: Sequence[str], environment: Mapping[str, str], *, keep_open: tuple[int, ...] = ()
    ) -> "Running":
        """Recreate the containers of these services without starting them; their anonymous volumes stay."""
        command = [*self._compose(project, str(file)), "up", "--no-start", "--no-build", "--pull", "never", "--force-recreate"]
        log.debug("running %s", [*command, *services])
        with self._doing("starting Docker Compose"):
            return self._running([*command, *services], environment, keep_open)

    def _running(self, command: list[str], secrets: Mapping[str, str], keep_open: tuple[int, ...]) -> "Running":
        config = self._config()
        try:
            return Running(command, compose_environment(secrets, config.path), keep_open, config.close)
        except BaseException:
            config.close()
            raise
