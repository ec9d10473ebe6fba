"""Helper containers: they look at the host, work on it, or stand on a network, and are removed afterwards."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from portable.engines.docker.errors import EngineTrouble
from portable.engines.docker.observed import (
    HELPER,
)

if TYPE_CHECKING:
    pass

from portable.engines.docker.connection import ANSWER_SECONDS, Connection

_HOSTS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a host has programs, whatever the helper's image says of itself."""
_SCRUB_SECONDS = 48 * 3600
"""A disk of 20 TB is read in a day and a half."""


class Helpers(Connection):
    """Starts and removes helper containers."""

    def on_host(self, image: str, script: str, arguments: Sequence[str]) -> str:
        """What a shell script prints in a helper that sees the host's whole tree at /host, read-only, and its network; removed afterwards.

        It can read and nothing else: no capability but the one to read what is not everybody's.
        """
        try:
            return self._on_host(image, script, arguments, "ro,rslave")
        except EngineTrouble:  # a host whose root is no shared mount; what is mounted there now is seen all the same
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
    def visitor(self, image: str, network: str, *, seconds: int = 900) -> Iterator[str]:
        """The id of a container on that network which does nothing and may nothing, for `piped`; removed afterwards.

        Where that can't be done, as after a kill, it ends and is removed by itself after so many seconds.
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

    def as_host(self, image: str, script: str, arguments: Sequence[str]) -> str:
        """What a shell script prints that runs in the host's own tree, with its programs, as root who may manage file systems.

        For what only the host's kernel can do. It may take hours; the helper is removed afterwards. Raises EngineTrouble where it does not
        end well.
        """
        with self._doing("working on the host"):
            made = self._api.create_container(
                image,
                # By its path: by its name alone BusyBox would run the shell, and the programs, that it is itself.
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
                said = self._api.logs(made["Id"], stdout=True, stderr=True).decode(errors="replace")
                if code != 0:
                    raise self.trouble(said or f"it ended with {code}", "working on the host", responded=True)
                return said
            finally:
                self._api.remove_container(made["Id"], force=True)
