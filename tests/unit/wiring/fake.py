"""A stack of recorded interfaces: each app of it answers as its program does, on a port of this machine."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence

from portable.live.network import Unreachable
from portable.model.errors import PortableError
from portable.model.plan import SecretRef
from portable.wiring import Lines, Outcome, foreseen, wire
from portable.wiring.line import Line, Pen
from portable.wiring.wishes import Peer, wishes
from tests.lab.recorded import Program, server

PORTS = {"lidarr": 8686, "prowlarr": 9696, "qbittorrent": 8080, "sabnzbd": 8080, "seerr": 5055}
FOLDERS = {"sonarr": ("/mnt/media/media/tv",), "radarr": ("/mnt/media/media/movies",), "lidarr": ("/mnt/media/media/music",)}
FOLDERS |= {"qbittorrent": ("/mnt/media/downloads/torrents",), "sabnzbd": ("/mnt/media/downloads/usenet/complete",)}


def peer(name: str, speaks: str = "") -> Peer:
    """An app as the catalog has it."""
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
    """It, and the network that reaches it. What is in `away` does not run, what is in `silent` runs and does not listen."""

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
        """Served until the block ends."""
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
        """Why it can't answer."""
        return "exited" if app in self.away else ""

    @contextlib.contextmanager
    def connect(self, host: str, port: int) -> Iterator[socket.socket]:
        """A connection to where that name leads."""
        known = next(p for p in self.peers if p.name == host)
        assert port == known.port, "apps are called at their own ports"
        if host in self.silent:
            raise Unreachable("Connection refused")
        with socket.create_connection(("127.0.0.1", self.servers[host].server_port)) as stream:
            yield stream

    def reveal(self, ref: SecretRef) -> str:
        """The value of a secret."""
        return self.values.get(ref.name, "")

    def waiting(self, app: str, reason: str) -> None:
        """Notes it, and the app begins to listen."""
        self.waited.append(f"{app}: {reason}")
        self.silent.discard(app)

    def wire(self, *, seconds: float = 0) -> Outcome:
        """Everything is told."""
        return wire(Lines(Pen, self.peers, self, self.reveal, seconds=seconds, waiting=self.waiting), wishes(self.peers))

    def foreseen(self) -> Outcome:
        """What would be."""
        return foreseen(Lines(Line, self.peers, self, self.reveal, seconds=0, waiting=self.waiting), wishes(self.peers))

    def told(self) -> list[tuple[str, str]]:
        """The app and the cause of each change that is made now."""
        outcome = self.wire()
        assert outcome.troubles == (), outcome.troubles
        return [(change.app, change.cause) for change in outcome.changes]

    def trouble(self) -> list[PortableError]:
        """The errors of a run now."""
        return list(self.wire().troubles)


@contextlib.contextmanager
def stack(*names: str) -> Iterator[Stack]:
    """A stack of those apps, `name` or `name:program`."""
    with Stack(names).up() as made:
        yield made
