"""Health: a check when the tunnel is up, a small one each minute, a full one each five minutes, and what the last of them said by HTTP."""

import contextlib
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .dns import look_up
from .log import Failure, Logger
from .settings import RESOLVERS, Settings

_STARTUP_SECONDS = 6.0
_SMALL_TRIES = (5, 5, 5, 10, 10, 10, 15, 15, 15, 30)
_FULL_TRIES = (10, 15, 30)
_FULL_MINUTES = 5
_DNS_SERVERS = ("1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", *RESOLVERS["quad9"][1])
_SHORTEST = 1.0
"""No try is shorter, however short a minute of the stand-in is."""
_KINDS = {"icmp": "ICMP echo", "dns": "plain DNS over UDP"}
_log = Logger("healthcheck")


class NotPermitted(OSError):  # noqa: N818  # an outcome
    """No raw socket without NET_RAW."""


class Checker:
    """Asks the outside through the tunnel."""

    def __init__(self, settings: Settings, server: Callable[[], str]) -> None:
        self._settings, self._server = settings, server
        self._small = settings.health_small
        self._next_dns = 0

    def at_start(self) -> str:
        """Why none of the targets answers within six seconds; empty where one does."""
        targets = self._settings.health_targets
        with ThreadPoolExecutor(len(targets)) as pool:
            said = list(pool.map(lambda target: self._dialled(target, _STARTUP_SECONDS), targets))
        if "" in said:
            return ""
        parts = (f"parallel attempt {at}/{len(said)} failed: {why}" for at, why in enumerate(said, 1))
        return f"startup check: all check tries failed: {', '.join(parts)}"

    def watch(self, over: threading.Event, told: Callable[[str], bool]) -> None:
        """Check until that is over, and tell each outcome; ends where the one who is told wants no more."""
        minute = self._settings.minute
        small, full = time.monotonic() + minute, time.monotonic() + _FULL_MINUTES * minute
        while not over.wait(max(0.0, min(small, full) - time.monotonic())):
            if small <= full:
                why = self._small_check(over)
                small = time.monotonic() + minute
            else:
                why = self._tried("full periodic check", "TCP+TLS dial", _FULL_TRIES, self._dial_try, over)
                full = time.monotonic() + _FULL_MINUTES * minute
            if over.is_set() or not told(why):
                return

    def _small_check(self, over: threading.Event) -> str:
        return self._tried("small periodic check", _KINDS[self._small], _SMALL_TRIES, self._small_try, over)

    def _tried(self, what: str, name: str, tries: tuple[int, ...], check: Callable[[int, float], str], over: threading.Event) -> str:
        """Empty where one of the tries does it."""
        said = []
        for at, seconds in enumerate(tries):
            began = time.monotonic()
            allowed = seconds if self._settings.minute >= 60 else max(_SHORTEST, seconds * self._settings.minute / 60)
            if not (why := check(at, allowed)):
                return ""
            if over.is_set():
                return f"{what}: {name}: context canceled"
            said.append(f"attempt {at + 1} ({(time.monotonic() - began) * 1000:.0f}ms): {why}")
            over.wait(max(0.0, 0.05 - (time.monotonic() - began)))
        return f"{what}: all check tries failed:\n\t" + "\n\t".join(said)

    def _dial_try(self, at: int, seconds: float) -> str:
        return self._dialled(self._settings.health_targets[at % len(self._settings.health_targets)], seconds)

    def _small_try(self, at: int, seconds: float) -> str:
        if self._small == "icmp":
            try:
                return _echoed(self._settings.health_icmp[at % len(self._settings.health_icmp)], seconds)
            except NotPermitted:
                self._small = "dns"
                why = "not permitted: you can try adding NET_RAW capability to resolve this"
                _log.info(f"{why}; permanently falling back to {_KINDS['dns']} checks")
        server = _DNS_SERVERS[self._next_dns % len(_DNS_SERVERS)]
        try:
            look_up("github.com", server, seconds)
        except OSError as error:
            self._next_dns += 1
            return f"with DNS server {server}:53: {error}"
        return ""

    def _dialled(self, target: str, seconds: float) -> str:
        """Why no connection is made, by TLS on port 443; empty where one is."""
        host, _, port = target.rpartition(":") if ":" in target else (target, "", "443")
        try:
            address = host if host.replace(".", "").isdecimal() else look_up(host, self._server(), seconds)[0]
            with socket.create_connection((address, int(port)), seconds) as plain:
                if port == "443":
                    ssl.create_default_context().wrap_socket(plain, server_hostname=host).close()
        except OSError as error:
            return f"dialing: dial tcp4 {target}: {error}"
        return ""


def _echoed(address: str, seconds: float) -> str:
    """Why no echo comes back; empty where one does."""
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        raise NotPermitted from None
    with raw:
        own = os.urandom(2)
        message = struct.pack(">BBH", 8, 0, 0) + own + b"\0\1stand-in"
        total = sum(struct.unpack(f">{len(message) // 2}H", message))
        total = (total >> 16) + (total & 0xFFFF)
        message = message[:2] + struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF) + message[4:]
        end = time.monotonic() + seconds
        try:
            raw.sendto(message, (address, 0))
            while (left := end - time.monotonic()) > 0:
                raw.settimeout(left)
                packet = raw.recv(2048)
                head = (packet[0] & 0x0F) * 4
                if packet[head] == 0 and packet[head + 4 : head + 6] == own:
                    return ""
        except OSError as error:
            return f"waiting for ICMP echo reply: {error}"
    return "waiting for ICMP echo reply: i/o timeout"


class HealthServer:
    """What the last check said: 200, or 500 and why."""

    def __init__(self, address: str) -> None:
        self.why = "healthcheck did not run yet"
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Any path."""
                body = f"{outer.why}\n".encode() if outer.why else b""
                self.send_response(500 if body else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Asked every few seconds: nothing to tell."""

        host, _, port = address.rpartition(":")
        _log.info(f"listening on {address}")
        try:
            server = ThreadingHTTPServer((host, int(port)), Answer)
        except OSError as error:
            _log.error(str(error))
            return
        threading.Thread(target=server.serve_forever, daemon=True).start()


def ask(address: str) -> None:
    """What `healthcheck` does: raises Failure unless the gateway that runs says 200."""
    port = address.rpartition(":")[2]
    with contextlib.closing(socket.create_connection(("127.0.0.1", int(port)), 1)) as http:
        http.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while part := http.recv(4096):
            answer += part
    head, _, body = answer.decode(errors="replace").partition("\r\n\r\n")
    if " 200 " not in head.splitlines()[0]:
        status = head.splitlines()[0].partition(" ")[2]
        raise Failure(f"HTTP response status is not OK: {status.partition(' ')[0]} {status}: {body.strip()}")
