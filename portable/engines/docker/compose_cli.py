"""Docker Compose by its command line: versions, hashes, and bringing services up."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from portable.engines.docker.errors import EngineTrouble
from portable.engines.docker.observed import (
    Versions,
)
from portable.engines.docker.process import Running, compose_environment

if TYPE_CHECKING:
    pass

from portable.engines.docker.connection import ANSWER_SECONDS, Connection, log, numbers

OLDEST_COMPOSE = (2, 23, 1)


class ComposeReader(Connection):
    """Asks Docker Compose."""

    def check(self) -> Versions:
        """Raise EngineTrouble unless the engine answers and both it and Compose are new enough."""
        with self._doing("asking for its version"):
            versions = self._api.version(api_version=False)
        compose = self._compose_version()
        if not compose:
            raise EngineTrouble(
                "old",
                "the command `docker compose` is missing on this machine",
                where="docker compose",
                remedy="install the Compose plug-in (`scripts/bootstrap.sh engine` does on Debian)",
            )
        if numbers(compose) < OLDEST_COMPOSE:
            raise EngineTrouble(
                "old",
                f"Docker Compose {compose} is too old: 2.23.1 is the first that brings config files to a remote engine",
                where="docker compose",
                remedy="update the plug-in (`scripts/bootstrap.sh engine` does on Debian)",
            )
        return Versions(engine=str(versions.get("Version", "")), api=str(versions.get("ApiVersion", "")), compose=compose)

    def _compose_version(self) -> str:
        if shutil.which("docker") is None:
            raise EngineTrouble(
                "old",
                "there is no `docker` command on this machine",
                where="docker",
                remedy="install it (`scripts/bootstrap.sh engine` does on Debian)",
            )
        with self._doing("asking Docker Compose for its version"):
            command = ["docker", "compose", "version", "--short"]
            asked = self._docker(command, {}, capture_output=True, timeout=ANSWER_SECONDS, stdin=subprocess.DEVNULL)
        log.debug("docker compose version: %s %s", asked.stdout.strip(), asked.stderr.strip())
        return asked.stdout.strip().lstrip("v") if asked.returncode == 0 else ""

    def config_hashes(self, project: str, document: str, environment: Mapping[str, str]) -> dict[str, str]:
        """Compose's own hash of every service of the document: what it compares to decide what to recreate."""
        command = [*self._compose(project, "-"), "config", "--hash", "*"]
        log.debug("running %s", command)
        with self._doing("reading the project"):
            done = self._docker(command, environment, input=document, capture_output=True, timeout=ANSWER_SECONDS)
        if done.returncode != 0:
            raise self.trouble(done.stderr, "reading the project with Docker Compose")
        return {name: digest for name, _, digest in (line.partition(" ") for line in done.stdout.splitlines()) if digest}


class ComposeWriter(ComposeReader):
    """Lets Docker Compose change a project."""

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
        """Create, recreate or start these services, after what they depend on; runs in the background.

        Not with `--no-deps`: that takes `depends_on` out of the hash of Compose 2.26, so that the next run would see a change (measured).
        `keep_open` are file descriptors that the process inherits: the project's lock stays held as long as anything works on it.
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
        """Make the containers of these services anew without starting them, keeping their anonymous volumes."""
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
