"""Helper containers: they read the host, work on it, or join a network, and are removed afterwards."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import (
    HELPER,
)

if TYPE_CHECKING:
    pass

from portable.engines.docker.connection import ANSWER_SECONDS, Connection

_HOSTS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The search path of the host's programs, instead of that of the helper's image."""
_SCRUB_SECONDS = 48 * 3600
"""Timeout of a scrub: reading a disk of 20 TB takes a day and a half."""


class Helpers(Connection):
    """Starts and removes helper containers."""

    def on_host(self, image: str, script: str, arguments: Sequence[str]) -> str:
        """The output of a shell script in a helper container, which sees the host's file tree read-only at /host, and its network.

        The helper can only read: its one capability is to read files of all users. It is removed afterwards.
        """
        try:
            return self._on_host(image, script, arguments, "ro,rslave")
        except DockerError:  # the host's root is not a shared mount; present mounts are visible all the same
            return self._on_host(image, script, arguments, "ro")

    def _on_host(self, image: str, script: str, arguments: Sequence[str], mode: str) -> str:
        with self._doing("looking at the host"):
            made = self._api.create_container(
                image,
                command=["sh", "-c", script, "sh", *arguments],
                user="0",
                labels={HELPER: "doctor"},
                host_config=self._api.create_host_config(
                    binds=[f"/:/host:{mode}"],
                    network_mode="host",
                    cap_drop=["ALL"],
                    cap_add=["DAC_READ_SEARCH"],
                    read_only=True,
                    security_opt=["no-new-privileges"],
                ),
            )
            try:
                self._api.start(made["Id"])
                self._api.wait(made["Id"], timeout=ANSWER_SECONDS)
                return self._api.logs(made["Id"], stdout=True, stderr=False).decode(errors="replace")
            finally:
                self._api.remove_container(made["Id"], force=True)

    @contextlib.contextmanager
    def host_helper(self, image: str, network: str, *, seconds: int = 900) -> Iterator[str]:
        """The id of an idle container without rights on a network, for `piped`; it is removed afterwards.

        If it cannot be removed, for example after a kill, it ends and is removed by itself after `seconds`.
        """
        with self._doing("starting a helper"):
            made = self._api.create_container(
                image,
                command=["sleep", str(seconds)],
                user="65534:65534",
                labels={HELPER: "wire"},
                host_config=self._api.create_host_config(
                    network_mode=network, cap_drop=["ALL"], read_only=True, security_opt=["no-new-privileges"], auto_remove=True
                ),
            )
        try:
            with self._doing("starting a helper"):
                self._api.start(made["Id"])
            yield made["Id"]
        finally:
            self._lenient("removing a helper", lambda: self._api.remove_container(made["Id"], force=True))

    def run_as_host(self, image: str, script: str, arguments: Sequence[str]) -> str:
        """The output of a shell script in the host's own file tree, with its programs, as root who may manage file systems.

        For work that needs the host's kernel. It may take hours; the helper container is removed afterwards. Raises DockerError if the
        script fails.
        """
        with self._doing("working on the host"):
            made = self._api.create_container(
                image,
                # By its path: by name, BusyBox would run its built-in shell and programs.
                command=["chroot", "/host", "/bin/sh", "-c", script, "sh", *arguments],
                environment={"PATH": _HOSTS_PATH},
                user="0",
                labels={HELPER: "upkeep"},
                host_config=self._api.create_host_config(
                    binds=["/:/host"],
                    network_mode="none",
                    cap_drop=["ALL"],
                    cap_add=["SYS_ADMIN", "SYS_CHROOT"],
                    security_opt=["no-new-privileges"],
                ),
            )
            try:
                self._api.start(made["Id"])
                code = self._api.wait(made["Id"], timeout=_SCRUB_SECONDS)["StatusCode"]
                output = self._api.logs(made["Id"], stdout=True, stderr=True).decode(errors="replace")
                if code != 0:
                    raise self.trouble(output or f"the script ended with exit code {code}", "working on the host", responded=True)
                return output
            finally:
                self._api.remove_container(made["Id"], force=True)
