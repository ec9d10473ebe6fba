"""The settings that apps need for each other, as wishes: computed from a plan and the interfaces in the catalog."""

from collections.abc import Sequence

from portable.model.base import Struct
from portable.model.plan import LIBRARY, Direct
from portable.model.secret_refs import SecretRef
from portable.planning import Planned
from portable.planning.hosts import full_name

CLIENTS = ("qbittorrent", "sabnzbd")
MANAGERS = ("lidarr", "radarr", "readarr", "sonarr", "whisparr")
INDEXERS = ("prowlarr",)
REQUESTED = {"seerr": ("radarr", "sonarr")}
"""The managers that each program sends requests to."""


class Peer(Struct, frozen=True, kw_only=True):
    """An app with an interface, at its stable name and port for other apps (promise 1)."""

    name: str
    speaks: str
    """The program whose interface the app has."""
    port: int
    secret: SecretRef
    user: str = ""
    folders: tuple[str, ...] = ()
    """Its folders in the library, at the paths that all apps see."""

    neighbours: frozenset[str] | None = None
    """The apps that it calls by their short names; None: all. Behind a gateway of a cluster these are the apps of its own pod."""
    full_name: str = ""
    """Its name for apps that cannot use the short one."""
    names: tuple[str, ...] = ()
    """The host names by which people come to it."""

    @property
    def url(self) -> str:
        """The address for other apps."""
        return f"http://{self.name}:{self.port}"

    def host_for(self, caller: "Peer") -> str:
        """Return the host name by which an app calls this one."""
        return self.name if caller.neighbours is None or self.name in caller.neighbours else self.full_name

    def url_for(self, caller: "Peer") -> str:
        """Return the address at which an app calls this one."""
        return f"http://{self.host_for(caller)}:{self.port}"


class Category(Struct, frozen=True, kw_only=True):
    """A download client keeps a manager's downloads in a category of their own."""

    told: Peer
    name: str


class HostNames(Struct, frozen=True, kw_only=True):
    """A download client lets browsers in by the names of its host (docs/facts/probes.md#host-checks)."""

    told: Peer
    names: tuple[str, ...]


class RootFolder(Struct, frozen=True, kw_only=True):
    """A manager keeps media in a folder of the library."""

    told: Peer
    path: str


class DownloadClient(Struct, frozen=True, kw_only=True):
    """A manager sends downloads to a client, in the category of the manager's name."""

    told: Peer
    client: Peer


class Manager(Struct, frozen=True, kw_only=True):
    """An app that has indexers, or takes requests, knows a manager."""

    told: Peer
    manager: Peer


Wish = Category | HostNames | RootFolder | DownloadClient | Manager


def peers(planned: Planned) -> tuple[Peer, ...]:
    """Return the apps of a plan that have an interface, sorted by name."""
    result = []
    for app in sorted(planned.plan.apps, key=lambda app: app.name):
        entry = planned.chosen.apps.get(app.name)
        interface = entry.facts.interface if entry else None
        port = next((port.number for port in app.ports if interface is not None and port.name == interface.port), None)
        if entry is None or interface is None or port is None:
            continue
        result.append(
            Peer(
                name=app.name,
                speaks=interface.speaks,
                port=port,
                secret=SecretRef(name=interface.secret),
                user=interface.user,
                folders=tuple(f"{LIBRARY}/{folder}" for folder in entry.facts.library.folders),
                neighbours=_neighbours(planned, app.name),
                full_name=full_name(planned.given, app.name),
                names=planned.names.get(app.name, ()),
            )
        )
    return tuple(result)


def _neighbours(planned: Planned, app: str) -> frozenset[str] | None:
    group = next((group for group in planned.plan.groups if app in group.apps), None)
    if group is None or isinstance(group.egress, Direct) or full_name(planned.given, app) == app:
        return None
    return frozenset(group.apps)


def wishes(known: Sequence[Peer]) -> tuple[Wish, ...]:
    """Return all wishes in the order of dependencies: clients, managers, then the apps that control managers."""

    def peers_of(*programs: str) -> tuple[Peer, ...]:
        return tuple(peer for peer in known if peer.speaks in programs)

    managers, clients = peers_of(*MANAGERS), peers_of(*CLIENTS)
    result: list[Wish] = []
    for client in clients:
        result += [HostNames(told=client, names=client.names)] if client.names else []
        result += [Category(told=client, name=manager.name) for manager in managers]
    for manager in managers:
        result += [RootFolder(told=manager, path=folder) for folder in manager.folders]
        result += [DownloadClient(told=manager, client=client) for client in clients]
    result += [Manager(told=peer, manager=manager) for peer in peers_of(*INDEXERS) for manager in managers]
    result += [Manager(told=peer, manager=manager) for peer in peers_of(*REQUESTED) for manager in peers_of(*REQUESTED[peer.speaks])]
    return tuple(result)
