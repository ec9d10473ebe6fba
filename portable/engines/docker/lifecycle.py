"""Starts, stops and removes containers and networks, never a volume with data."""

import contextlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from portable.engines.docker.errors import DockerError

if TYPE_CHECKING:
    pass

from portable.engines.docker.connection import SETTLING_SECONDS
from portable.engines.docker.containers import moment
from portable.engines.docker.observation import Observation, next_record_volume, note_volume, record_volume
from portable.engines.docker.observed import PROJECT


class Lifecycle(Observation):
    """Changes single containers and networks."""

    def replace_record(self, project: str, labels: Mapping[str, str]) -> None:
        """Store labels for the project on this engine in place of its record. They stay when the project is removed.

        Labels of a volume cannot change. So the new ones are kept beside the old record until it is replaced: a kill loses neither.
        """
        with self._doing("keeping the project's record"):
            if (unfinished := self.records(project).get(next_record_volume(project))) is not None:
                self._put_record(project, unfinished)  # a killed command wrote these, and they are the true ones
            self._api.create_volume(next_record_volume(project), labels={PROJECT: project, **labels})
            self._put_record(project, {PROJECT: project, **labels})

    def _put_record(self, project: str, labels: Mapping[str, str]) -> None:
        """Make the record anew with the labels that are kept beside it, which then go."""
        from docker.errors import NotFound

        for name in (record_volume(project), next_record_volume(project)):
            with contextlib.suppress(NotFound):
                self._api.remove_volume(name)
            if name == record_volume(project):
                self._api.create_volume(name, labels=dict(labels))

    def add_note(self, project: str, note: str, labels: Mapping[str, str]) -> None:
        """Store a note about the project on this engine, where every user of the engine sees it. An existing one stays as it is."""
        with self._doing("keeping a note"):
            self._api.create_volume(note_volume(project, note), labels={PROJECT: project, **labels})

    def remove_note(self, project: str, note: str) -> None:
        """Remove a note, which is an empty volume."""
        self._lenient("removing a note", lambda: self._api.remove_volume(note_volume(project, note)))

    def stop(self, container: str) -> None:
        """Stop a container within its own stop timeout; nothing happens if it is stopped or does not exist."""
        with self._doing("stopping a container"):
            grace = ((self._inspect(container) or {}).get("Config") or {}).get("StopTimeout")
        # The SDK waits for an answer one minute longer than this timeout (default: 10 s).
        self._lenient("stopping a container", lambda: self._api.stop(container, timeout=10 if grace is None else grace))

    def start(self, container: str) -> None:
        """Start a container."""
        with self._doing("starting a container"):
            self._api.start(container)

    def unpause(self, container: str) -> str:
        """Resume a container; returns the time by the engine's clock."""
        self._lenient("unpausing a container", lambda: self._api.unpause(container))
        with self._doing("asking for its clock"):
            return moment(str(self._api.info().get("SystemTime") or ""))

    def remove(self, container: str) -> None:
        """Remove a container, never its volumes."""
        self._lenient("removing a container", lambda: self._api.remove_container(container, v=False, force=True))

    def remove_network(self, network: str) -> None:
        """Remove an unused network.

        An engine may still count a container that was just removed (moby issues 19261 and 29631), so this tries again for some seconds.
        """
        end = time.monotonic() + SETTLING_SECONDS
        while True:
            try:
                return self._lenient("removing a network", lambda: self._api.remove_network(network))
            except DockerError as trouble:
                if "has active endpoints" not in str(trouble) or time.monotonic() > end:
                    raise
            time.sleep(0.2)
