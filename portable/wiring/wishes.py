"""What apps should know of one another, as wishes: pure, from a plan and the interfaces that the catalog tells of."""

from collections.abc import Sequence

from portable.model.base import Struct
from portable.model.plan import LIBRARY, SecretRef
from portable.planning import Planned

CLIENTS = ("qbittorrent", "sabnzbd")
MANAGERS = ("lidarr", "radarr", "readarr", "sonarr", "whisparr")
INDEXERS = ("prowlarr",)
REQUESTED = {"seerr": ("radarr", "sonarr")}
"""Which managers each program hands requests to."""


class Peer(Struct, frozen=True, kw_only=True):
    """An app with an interface, as other apps reach it: at its stable name and port (promise 1)."""

    name: str
    speaks: str
    """The program whose interface it has."""
    port: int
    secret: SecretRef
    user: str = ""
    folders: tuple[str, ...] = ()
    """Its folders of the library, as all apps see them."""

    @property
    def url(self) -> str:
        """What other apps call."""
        return f"http://{self.name}:{self.port}"


class Category(Struct, frozen=True, kw_only=True):
    """A download client keeps apart what a manager asked it for."""

    told: Peer
    name: str


class RootFolder(Struct, frozen=True, kw_only=True):
    """A manager keeps media in a folder of the library."""

    told: Peer
    path: str


class DownloadClient(Struct, frozen=True, kw_only=True):
    """A manager hands downloads to a client, under the category of its own name."""

    told: Peer
    client: Peer


class Manager(Struct, frozen=True, kw_only=True):
    """What keeps indexers, or takes requests, knows a manager."""

    told: Peer
    manager: Peer


Wish = Category | RootFolder | DownloadClient | Manager


def peers(planned: Planned) -> tuple[Peer, ...]:
    """The apps of a plan that have an interface, by name."""
    found = []
    for app in sorted(planned.plan.apps, key=lambda app: app.name):
        entry = planned.chosen.apps.get(app.name)
        said = entry.facts.interface if entry else None
        port = next((port.number for port in app.ports if said is not None and port.name == said.port), None)
        if entry is None or said is None or port is None:
            continue
        found.append(
            Peer(
                name=app.name,
                speaks=said.speaks,
                port=port,
                secret=SecretRef(name=said.secret),
                user=said.user,
                folders=tuple(f"{LIBRARY}/{folder}" for folder in entry.facts.library.folders),
            )
        )
    return tuple(found)


def wishes(known: Sequence[Peer]) -> tuple[Wish, ...]:
    """All of them, in the order in which one needs another: clients, managers, then who tells managers what to do."""

    def those(*programs: str) -> tuple[Peer, ...]:
        return tuple(peer for peer in known if peer.speaks in programs)

    managers, clients = those(*MANAGERS), those(*CLIENTS)
    found: list[Wish] = [Category(told=client, name=manager.name) for client in clients for manager in managers]
    for manager in managers:
        found += [RootFolder(told=manager, path=folder) for folder in manager.folders]
        found += [DownloadClient(told=manager, client=client) for client in clients]
    found += [Manager(told=told, manager=manager) for told in those(*INDEXERS) for manager in managers]
    found += [Manager(told=told, manager=manager) for told in those(*REQUESTED) for manager in those(*REQUESTED[told.speaks])]
    return tuple(found)
