"""Serves the page of a place over HTTP, read-only, by default on loopback. Each request gets facts that are at most a few seconds old."""

import contextlib
import ipaddress
import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from portable.model.base import Struct
from portable.model.errors import PortableError, UsageError
from portable.page.facts import PageFacts
from portable.page.forms import html, json_of

log = logging.getLogger("portable.page")
DEFAULT = "127.0.0.1:8480"
FRESH_SECONDS = 20.0
"""Requests within this time get the same facts: reloading a page must not keep the engine busy."""
_REQUEST_SECONDS = 10.0
"""A client that sends its request more slowly is disconnected."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ListenAddress(Struct, frozen=True, kw_only=True):
    """The address at which the page is served."""

    address: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return ipaddress.ip_address(self.address).is_loopback

    @property
    def url(self) -> str:
        """The address for a browser."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}/"


def listen_address(text: str) -> ListenAddress:
    """Parse `ADDRESS:PORT`. Raises UsageError."""
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
        if (address.version == 6) != host.startswith("[") or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:
            raise ValueError(text)
    except ValueError:
        remedy = f"use an IP address and a port, such as {DEFAULT} or [::1]:8480"
        raise UsageError(f"{text!r} is not an address and a port", code="usage.listen", where="--listen", remedy=remedy) from None
    return ListenAddress(address=str(address), port=int(port))


class FreshFacts:
    """Collects facts on request: one collection at a time, which later requests share while it is fresh."""

    def __init__(self, collect: Callable[[], PageFacts], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._collect, self._clock = collect, clock
        self._lock = threading.Lock()
        self._facts: PageFacts | None = None
        self._at = 0.0

    def __call__(self) -> PageFacts:
        """The facts. Raises PortableError if the profile cannot be read now."""
        with self._lock:
            if self._facts is None or self._clock() - self._at >= FRESH_SECONDS:
                self._facts = None  # an error must not bring back facts that are too old
                self._facts = self._collect()
                self._at = self._clock()
            return self._facts


class PageServer(ThreadingHTTPServer):
    """Answers GET and HEAD of `/` and `/page.json`, and nothing else."""

    daemon_threads = True

    def __init__(self, at: ListenAddress, facts: Callable[[], PageFacts], *, names: tuple[str, ...] = ()) -> None:
        """`names` are host names by which people reach this machine, beside its own and all IP addresses. Raises OSError."""
        self.address_family = socket.AF_INET6 if ":" in at.address else socket.AF_INET
        self.facts = facts
        own = socket.gethostname()
        self.names = frozenset(name.lower() for name in ("localhost", own, f"{own}.local", *names))
        super().__init__((at.address, at.port), PageHandler)

    def server_bind(self) -> None:
        """Bind without the look-up of this machine's name, which can take seconds without DNS."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @property
    def url(self) -> str:
        """The address for a browser, with the port that the system chose instead of port 0."""
        return ListenAddress(address=str(self.server_address[0]), port=self.server_port).url

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is not an error of this program."""


class PageHandler(BaseHTTPRequestHandler):
    """One connection."""

    server: PageServer
    server_version, sys_version = "portable", ""
    timeout = _REQUEST_SECONDS

    def do_GET(self) -> None:
        """Answer with a document, or with the reason why it cannot be made."""
        if not self._is_asked_by_name():
            # Without this, a page of another site could read this one after its name was pointed to this address (DNS rebinding).
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", "this host name is not one of this server: use its IP address\n")
            return
        path = urlsplit(self.path).path
        if path not in ("/", "/page.json"):
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", "not found: there are / and /page.json\n")
            return
        try:
            facts = self.server.facts()
        except (PortableError, OSError) as error:
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", f"the page cannot be made: {error}\n")
        except Exception as error:  # noqa: BLE001  # reported as a bug; its message may hold a secret
            log.debug("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
            text = f"the page cannot be made, because of a bug in portable ({type(error).__name__}): `portable --debug page` shows where\n"
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", text)
        else:
            self._show(path, facts)

    do_HEAD = do_GET  # noqa: N815 - as above

    def _show(self, path: str, facts: PageFacts) -> None:
        if path == "/":
            self._answer(HTTPStatus.OK, "text/html", html(facts))
        else:
            self._answer(HTTPStatus.OK, "application/json", json.dumps(json_of(facts), indent=2, ensure_ascii=False) + "\n")

    def _is_asked_by_name(self) -> bool:
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        except ValueError:
            return False
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host)
            return True
        return host.lower() in self.server.names

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode("utf-8", errors="replace")
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden method
        """Requests are not logged."""


@contextlib.contextmanager
def server(at: ListenAddress, facts: Callable[[], PageFacts], *, names: tuple[str, ...] = ()) -> Iterator[PageServer]:
    """Open a server, which answers in `serve_forever`. Raises PortableError if the port is in use, or the address is another machine's."""
    try:
        opened = PageServer(at, facts, names=names)
    except OSError as error:
        remedy = "use another port with `--listen`" if at.port else "use an address of this machine with `--listen`"
        text = f"it cannot listen there: {error.strerror or error}"
        raise PortableError(text, code="usage.listen", where=at.url, remedy=f"{remedy}: `ss -ltn` lists the ports in use") from None
    with opened:
        yield opened
