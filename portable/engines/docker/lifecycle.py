"""Starting, stopping and removing containers and networks. Never a volume."""

import time
from typing import TYPE_CHECKING

from portable.engines.docker.errors import EngineTrouble

if TYPE_CHECKING:
    pass

from portable.engines.docker.connection import SETTLING_SECONDS
from portable.engines.docker.containers import moment
from portable.engines.docker.observation import Observation


class Lifecycle(Observation):
    """Changes containers and networks one by one."""

    def stop(self, container: str) -> None:
        """Stop it within its own grace, however long that is; nothing happens when it is gone or stopped."""
        with self._doing("stopping a container"):
            grace = ((self._inspect(container) or {}).get("Config") or {}).get("StopTimeout")
        # The SDK waits for an answer as long as it was told that stopping may take, by default 10 s, and a minute more.
        self._lenient("stopping a container", lambda: self._api.stop(container, timeout=10 if grace is None else grace))

    def start(self, container: str) -> None:
        """Start it."""
        with self._doing("starting a container"):
            self._api.start(container)

    def unpause(self, container: str) -> str:
        """Let it go on; the moment, by the engine's clock."""
        self._lenient("unpausing a container", lambda: self._api.unpause(container))
        with self._doing("asking for its clock"):
            return moment(str(self._api.info().get("SystemTime") or ""))

    def remove(self, container: str) -> None:
        """Remove a container, never a volume of it."""
        self._lenient("removing a container", lambda: self._api.remove_container(container, v=False, force=True))

    def remove_network(self, network: str) -> None:
        """Remove a network that nothing uses any more.

        An engine may still count a container that was removed a moment ago (moby issues 19261 and 29631), and is asked again for seconds.
        """
        end = time.monotonic() + SETTLING_SECONDS
        while True:
            try:
                return self._lenient("removing a network", lambda: self._api.remove_network(network))
            except EngineTrouble as trouble:
                if "has active endpoints" not in str(trouble) or time.monotonic() > end:
                    raise
            time.sleep(0.2)
