"""Reads an engine: containers, networks, ports and logs."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from portable.engines.docker.observed import (
    HELPER,
    ONE_OFF,
    PROJECT,
    Described,
    Neighbour,
    Observed,
    ObservedContainer,
    ObservedNetwork,
)
from portable.model.engine_facts import EngineFacts
from portable.model.moments import seconds_of
from portable.model.ports import PublishedPort

if TYPE_CHECKING:
    pass

from portable.engines.docker.connection import SETTLING_SECONDS
from portable.engines.docker.containers import describe, seen
from portable.engines.docker.facts import facts_of
from portable.engines.docker.images import ImageReader


def record_volume(project: str) -> str:
    """The name of the empty volume whose labels are the project's record: it outlives containers and networks."""
    return f"{project}_portable-record"


def next_record_volume(project: str) -> str:
    """The name of the volume with the record that is about to replace that one."""
    return f"{record_volume(project)}-next"


def note_volume(project: str, note: str) -> str:
    """The name of the empty volume whose labels are a note about the project."""
    return f"{project}_portable-note-{note}"


class Observation(ImageReader):
    """Reads containers, networks and logs."""

    def observe(self, project: str, images: Iterable[str] = ()) -> Observed:
        """The containers, networks and images of a project. Containers that disappear meanwhile are left out."""
        return Observed(containers=self.containers(project), networks=self.networks(project), images=self.image_ids(images))

    def record(self, project: str) -> dict[str, str]:
        """What `replace_record` stored for the project on this engine; empty if nothing."""
        found = self.records(project)
        return found.get(next_record_volume(project)) or found.get(record_volume(project)) or {}

    def records(self, project: str) -> dict[str, dict[str, str]]:
        """The labels of the project's record, and of one that was about to replace it, by volume."""
        names = (record_volume(project), next_record_volume(project))
        with self._doing("reading the project's record"):
            found = self._api.volumes(filters={"name": record_volume(project)}).get("Volumes") or []
        return {str(one["Name"]): dict(one.get("Labels") or {}) for one in found if one["Name"] in names}

    def notes(self, project: str, label: str) -> dict[str, str]:
        """The notes about a project on this engine: the value of that label by the note's name."""
        with self._doing("reading the project's notes"):
            found = self._api.volumes(filters={"label": [f"{PROJECT}={project}", label]}).get("Volumes") or []
        front = note_volume(project, "")
        return {str(one["Name"]).removeprefix(front): str(one["Labels"][label]) for one in found if str(one["Name"]).startswith(front)}

    def containers(self, project: str) -> tuple[ObservedContainer, ...]:
        """All containers of the project, sorted by name, without those of `compose run`."""
        return tuple(seen for seen, _ in self.described(project))

    def described(self, project: str) -> tuple[tuple[ObservedContainer, Described], ...]:
        """The same containers with their settings, from one moment."""
        with self._doing("listing containers"):
            listed = self._api.containers(all=True, filters={"label": f"{PROJECT}={project}"})
            mine = [entry for entry in listed if (entry.get("Labels") or {}).get(ONE_OFF, "False").lower() != "true"]
            if len(mine) > 8:
                self._api.adapters  # noqa: B018  # the pool of connections is shared by the threads
                with ThreadPoolExecutor(4) as pool:
                    inspected = list(pool.map(self._inspect, (entry["Id"] for entry in mine)))
            else:
                inspected = [self._inspect(entry["Id"]) for entry in mine]
        return tuple(
            sorted(
                ((seen(description, self.hide), describe(description)) for description in inspected if description),
                key=lambda both: (both[0].name, both[0].id),
            )
        )

    def _inspect(self, container: str) -> dict[str, Any] | None:
        from docker.errors import NotFound

        try:
            description: dict[str, Any] = self._api.inspect_container(container)
        except NotFound:
            return None
        return description

    def networks(self, project: str) -> tuple[ObservedNetwork, ...]:
        """The project's networks, sorted by name and id."""
        with self._doing("listing networks"):
            listed = self._api.networks(filters={"label": f"{PROJECT}={project}"})
            seen = []
            names = [entry["Name"] for entry in listed]
            for entry in listed:  # only its own record shows whether a network is used; needed if two have one name
                used = names.count(entry["Name"]) > 1 and bool(self._api.inspect_network(entry["Id"]).get("Containers"))
                seen.append(
                    ObservedNetwork(
                        id=entry["Id"],
                        name=entry["Name"],
                        key=(entry.get("Labels") or {}).get("com.docker.compose.network", ""),
                        subnets=tuple(c["Subnet"] for c in (entry.get("IPAM") or {}).get("Config") or [] if c.get("Subnet")),
                        in_use=used,
                    )
                )
        return tuple(sorted(seen, key=lambda n: (n.name, n.id)))

    def guests(self, container: str) -> tuple[tuple[str, str], ...]:
        """The running containers in a container's network namespace, as (id, name), without helpers of portable."""
        with self._doing("listing containers"):
            listed = self._api.containers()
        return tuple(
            (str(entry["Id"]), (entry.get("Names") or ["?"])[0].lstrip("/"))
            for entry in listed
            if (entry.get("HostConfig") or {}).get("NetworkMode") == f"container:{container}" and HELPER not in (entry.get("Labels") or {})
        )

    def ports(self) -> tuple[PublishedPort, ...]:
        """Ports of the engine's host that running containers publish."""
        with self._doing("listing containers"):
            listed = self._api.containers()
        return tuple(
            PublishedPort(
                number=port["PublicPort"],
                protocol=port.get("Type", "tcp"),
                address=port.get("IP", ""),
                container=(entry.get("Names") or ["?"])[0].lstrip("/"),
                project=(entry.get("Labels") or {}).get(PROJECT, ""),
                app=(entry.get("Labels") or {}).get("portable.app", ""),
            )
            for entry in listed
            for port in entry.get("Ports") or []
            if port.get("PublicPort")
        )

    def neighbours(self) -> tuple[Neighbour, ...]:
        """All running containers, of every project."""
        with self._doing("listing containers"):
            listed = self._api.containers()
        return tuple(
            Neighbour(
                container=(entry.get("Names") or ["?"])[0].lstrip("/"),
                project=(entry.get("Labels") or {}).get(PROJECT, ""),
                app=(entry.get("Labels") or {}).get("portable.app", ""),
                folders={
                    m["Source"]: m.get("Destination", "") for m in entry.get("Mounts") or [] if m.get("Type") == "bind" and m.get("RW")
                },
            )
            for entry in listed
        )

    def facts(self, compose: str = "") -> EngineFacts:
        """The engine's answers about itself and its networks; `compose` is the version of the Compose plug-in."""
        with self._doing("asking for its properties"):
            return facts_of(self._api.info(), self._api.version(api_version=False), self._api.networks(), compose)

    def data_root(self) -> str:
        """The engine's own folder on its host, which holds images and containers."""
        with self._doing("asking for its folder"):
            return str(self._api.info().get("DockerRootDir") or "")

    def logs(
        self, container: str, *, tail: int | None = None, timestamps: bool = False, hidden: bool = True, since: float = 0.0
    ) -> Iterator[str]:
        """The log lines of a container, oldest first. With `hidden`, secrets are removed.

        `since` is in seconds since 1970, by the engine's clock.
        """
        with self._doing("reading logs"):
            last: Any = "all" if tail is None else tail
            raw = self._api.logs(container, stdout=True, stderr=True, tail=last, timestamps=timestamps, since=since or None)
        yield from (self.hide(line) if hidden else line for line in raw.decode(errors="replace").splitlines())

    def dated_logs(self, container: str, *, tail: int, since: float) -> tuple[tuple[float, str], ...]:
        """The last log lines since a time, as (seconds since 1970 by the engine's clock, text)."""
        lines = (line.partition(" ") for line in self.logs(container, tail=tail, timestamps=True, since=since))
        return tuple((seconds_of(moment), text) for moment, _, text in lines)

    def was_stopped(self, container: str, moment: str) -> bool:
        """Whether somebody stopped a container that ended at this time of the engine's clock, if the engine still remembers.

        `docker stop` leaves an event of its own; `docker kill` and a crash do not. An engine keeps only the last 256 events.
        """
        if not moment:
            return False
        begin = seconds_of(moment)
        with self._doing("asking for events"):
            # The event comes right after the end; the engine keeps the answer open until `until`.
            events = self._api.events(
                since=int(begin), until=int(begin) + SETTLING_SECONDS, filters={"container": container, "event": "stop"}, decode=True
            )
            return any(True for _ in events)

    def follow(self, container: str, *, tail: int | None = None, timestamps: bool = False) -> Iterator[str]:
        """Log lines as the container writes them, until it stops."""
        with self._doing("following logs"):
            stream = self._api.logs(container, stream=True, follow=True, tail="all" if tail is None else tail, timestamps=timestamps)
            rest = b""
            for chunk in stream:
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (self.hide(line.decode(errors="replace").rstrip("\r")) for line in lines)
            if rest:
                yield self.hide(rest.decode(errors="replace"))
