"""The name server of the namespace: local names are asked of the local resolvers, all others through the tunnel.

Facts: internal/dns of v3.41.3 and qdm12/dns: what is local, who is asked, and what nobody answers.
"""

import contextlib
import random
import socket
import socketserver
import ssl
import threading
import time
from pathlib import Path
from typing import Any

from . import names
from .log import Failure, Logger
from .settings import RESOLVERS, Settings

RESOLV_CONF = Path("/etc/resolv.conf")
_SECONDS = 2.0
"""How long an answer may take."""
_log = Logger("dns")


def by_udp(server: str, message: bytes, seconds: float = _SECONDS) -> bytes:
    """Ask a resolver by UDP."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.settimeout(seconds)
        udp.connect((server, 53))
        udp.send(message)
        while (answer := udp.recv(65535))[:2] != message[:2]:
            pass
        return answer


def by_tcp(server: str, message: bytes) -> bytes:
    """Ask a resolver by TCP."""
    with socket.create_connection((server, 53), _SECONDS) as tcp:
        return _exchanged(tcp, message)


def _exchanged(stream: socket.socket, message: bytes) -> bytes:
    stream.sendall(len(message).to_bytes(2, "big") + message)
    return _taken(stream, int.from_bytes(_taken(stream, 2), "big"))


def _taken(stream: socket.socket, size: int) -> bytes:
    """So many bytes; raises OSError where the stream ends before."""
    data = b""
    while len(data) < size:
        if not (part := stream.recv(size - len(data))):
            raise ConnectionResetError("EOF")
        data += part
    return data


def look_up(name: str, server: str, seconds: float = _SECONDS) -> list[str]:
    """The IPv4 addresses of a name, as that server says; raises OSError where it says none."""
    answer = by_udp(server, names.question(name), seconds)
    if not (found := names.addresses(answer) if names.rcode(answer) == names.SUCCESS else []):
        raise OSError(f"lookup {name} on {server}:53: no such host")
    return found


class Upstream:
    """Public resolvers: by TLS, over connections that are kept, or plain."""

    def __init__(self, settings: Settings) -> None:
        self._type = settings.dns_type
        self._servers = [(address, RESOLVERS[name][0]) for name in settings.dns_resolvers for address in RESOLVERS[name][1]]
        self._idle: list[ssl.SSLSocket] = []
        self._lock = threading.Lock()

    def ask(self, message: bytes) -> bytes:
        """Raises OSError where none answers."""
        address, certified = random.choice(self._servers)
        if self._type == "plain":
            answer = by_udp(address, message)
            return by_tcp(address, message) if names.is_truncated(answer) else answer
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept:
            with contextlib.suppress(OSError):
                return self._by_tls(kept, message)
            kept.close()
        plain = socket.create_connection((address, 853), _SECONDS)
        return self._by_tls(ssl.create_default_context().wrap_socket(plain, server_hostname=certified), message)

    def _by_tls(self, connection: ssl.SSLSocket, message: bytes) -> bytes:
        answer = _exchanged(connection, message)
        with self._lock:
            self._idle.append(connection)
        return answer


class Resolver:
    """Answers one question after the other, each in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._upstream = settings, Upstream(settings)
        self._rules = names.suffixes(names.PUBLIC_SUFFIXES.read_text())
        self._local: list[str] = []
        self._cache: dict[tuple[str, int], tuple[float, bytes]] = {}
        self.server = RESOLVERS[settings.dns_resolvers[0]][1][0]
        """Whom the gateway itself asks: a public one, until its own name server is there."""
        self._serving = False

    def before_the_tunnel(self) -> None:
        """Remember the local resolvers of /etc/resolv.conf, and let everybody ask a public one meanwhile."""
        self._local = names.local_resolvers(RESOLV_CONF.read_text())
        if self._settings.dns_keep:
            _log.warn("⚠️⚠️⚠️  keeping the default container nameservers, this will likely leak DNS traffic outside the VPN")
            return
        _log.info(f"using plaintext DNS at address {self.server}")
        self._write(self.server)

    def serve(self) -> None:
        """Listen on every address, and let everybody of the namespace ask here; the file is never written back."""
        if self._settings.dns_keep or not self._settings.dns_server or self._serving:
            return
        udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        udp.bind(("::", 53))
        threading.Thread(target=self._serve_udp, args=(udp,), daemon=True).start()
        threading.Thread(target=_tcp_server(self).serve_forever, daemon=True).start()
        _log.info("DNS server listening on [::]:53")
        self._serving, self.server = True, self._settings.dns_address
        self._write(self._settings.dns_address)
        for attempt in range(10):
            time.sleep(0.3 + 0.1 * attempt)
            with contextlib.suppress(OSError):
                look_up("github.com", self.server)
                _log.info("ready")
                return
        _log.warn("DNS is not working: after 10 tries: lookup github.com: server misbehaving")

    def _serve_udp(self, udp: socket.socket) -> None:
        while True:
            message, caller = udp.recvfrom(65535)
            threading.Thread(target=self._answer_udp, args=(udp, message, caller), daemon=True).start()

    def _answer_udp(self, udp: socket.socket, message: bytes, caller: Any) -> None:
        with contextlib.suppress(OSError, ValueError):
            udp.sendto(self.answer(message), caller)

    def answer(self, message: bytes) -> bytes:
        """The answer to a question; raises ValueError where it is none."""
        name, kind = names.asked(message)
        if names.is_local(name, self._rules):
            return self._asked_locally(message)
        if (found := self._cache.get((name.lower(), kind))) and found[0] > time.monotonic():
            return message[:2] + found[1][2:]
        try:
            answer = self._upstream.ask(message)
        except OSError as error:
            _log.warn(f"exchanging over tls connection for request IN {kind} {name}.: {error}")
            return names.refusal(message, names.SERVER_FAILURE)
        if names.points_inside(answer):
            return names.refusal(message, names.REFUSED)
        lives = min((lives for _, lives, _ in names.records(answer)), default=0)
        if self._settings.dns_caching and lives:
            self._cache[name.lower(), kind] = (time.monotonic() + lives, answer)
        return answer

    def _asked_locally(self, message: bytes) -> bytes:
        """The first resolver that has the name; where the only one is this name server, it asks itself for ever, as the real one does."""
        for server in self._local:
            with contextlib.suppress(OSError):
                answer = by_udp(server, message)
                if names.rcode(answer) == names.SUCCESS:
                    return by_tcp(server, message) if names.is_truncated(answer) else answer
        return names.refusal(message, names.NAME_ERROR)

    @staticmethod
    def _write(address: str) -> None:
        try:
            RESOLV_CONF.write_text(names.with_server(RESOLV_CONF.read_text(), address))
        except OSError as error:
            raise Failure(f"writing resolv file: {error}") from None


def _tcp_server(resolver: Resolver) -> socketserver.ThreadingTCPServer:
    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            """Questions one after the other, until the caller has no more."""
            with contextlib.suppress(OSError, ValueError):
                while True:
                    answer = resolver.answer(_taken(self.request, int.from_bytes(_taken(self.request, 2), "big")))
                    self.request.sendall(len(answer).to_bytes(2, "big") + answer)

    class Server(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6
        allow_reuse_address = daemon_threads = True

        def server_bind(self) -> None:
            """For both versions of IP."""
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            super().server_bind()

    return Server(("::", 53), Answer)
