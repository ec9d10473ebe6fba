"""A stack of recorded interfaces: each app answers like its program, on a port of this machine."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence

from portable.live.network import Unreachable
from portable.model.errors import PortableError
from portable.model.secret_refs import SecretRef
from portable.wiring import Channels, WiringOutcome, foreseen, wire
from portable.wiring.channel import Channel, Writer
from portable.wiring.wishes import Peer, wishes
from tests.lab.recorded import Program, server

PORTS = {"lidarr": 8686, "prowlarr": 9696, "qbittorrent": 8080, "sabnzbd": 8080, "seerr": 5055}
FOLDERS = {"sonarr": ("/mnt/media/media/tv",), "radarr": ("/mnt/media/media/movies",), "lidarr": ("/mnt/media/media/music",)}
FOLDERS |= {"qbittorrent": ("/mnt/media/downloads/torrents",), "sabnzbd": ("/mnt/media/downloads/usenet/complete",)}


def peer(name: str, speaks: str = "") -> Peer:
    """Return an app with the catalog's settings."""
    speaks = speaks or name
    return Peer(
        name=name,
        speaks=speaks,
        port=PORTS.get(speaks, 8989),
        secret=SecretRef(name=f"{name}-key"),
        user="admin" if speaks == "qbittorrent" else "",
        folders=FOLDERS.get(speaks, ()),
    )


class Stack:
    """The stack, and the network that reaches it. Apps in `away` do not run; apps in `silent` run but do not listen."""

    def __init__(self, names: Sequence[str]) -> None:
        self.peers = tuple(peer(*name.split(":")) for name in names)
        self.programs = {p.name: Program(p.speaks, f"value of {p.secret.name}") for p in self.peers}
        self.values = {p.secret.name: f"value of {p.secret.name}" for p in self.peers}
        self.away: set[str] = set()
        self.silent: set[str] = set()
        self.waited: list[str] = []
        self.servers = {name: server(program) for name, program in self.programs.items()}

    @contextlib.contextmanager
    def up(self) -> Iterator["Stack"]:
        """Serve until the block ends."""
        threads = [threading.Thread(target=s.serve_forever, args=(0.01,)) for s in self.servers.values()]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for one in self.servers.values():
                one.shutdown()
                one.server_close()
            for thread in threads:
                thread.join()

    def missing(self, app: str) -> str:
        """Return why an app cannot answer."""
        return "exited" if app in self.away else ""

    @contextlib.contextmanager
    def connect(self, host: str, port: int) -> Iterator[socket.socket]:
        """Connect to the server of that app."""
        known = next(p for p in self.peers if p.name == host)
        assert port == known.port, "apps are called at their own ports"
        if host in self.silent:
            raise Unreachable("Connection refused")
        with socket.create_connection(("127.0.0.1", self.servers[host].server_port)) as stream:
            yield stream

    def reveal(self, ref: SecretRef) -> str:
        """Return the value of a secret."""
        return self.values.get(ref.name, "")

    def waiting(self, app: str, reason: str) -> None:
        """Record the wait, and let the app listen."""
        self.waited.append(f"{app}: {reason}")
        self.silent.discard(app)

    def wire(self, *, seconds: float = 0) -> WiringOutcome:
        """Make all changes."""
        return wire(Channels(Writer, self.peers, self, self.reveal, seconds=seconds, waiting=self.waiting), wishes(self.peers))

    def foreseen(self) -> WiringOutcome:
        """Return the changes that `wire` would make."""
        return foreseen(Channels(Channel, self.peers, self, self.reveal, seconds=0, waiting=self.waiting), wishes(self.peers))

    def told(self) -> list[tuple[str, str]]:
        """Make all changes without an error; return the app and the cause of each."""
        outcome = self.wire()
        assert outcome.troubles == (), outcome.troubles
        return [(change.app, change.cause) for change in outcome.changes]

    def trouble(self) -> list[PortableError]:
        """Make all changes; return the errors."""
        return list(self.wire().troubles)


@contextlib.contextmanager
def stack(*names: str) -> Iterator[Stack]:
    """A stack of those apps, `name` or `name:program`."""
    with Stack(names).up() as made:
        yield made
