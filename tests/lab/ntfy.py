"""A stand-in for ntfy: an HTTP server on loopback that speaks its publish route, and keeps what it accepts.

ntfy itself cannot be had here. Its route is that of docs.ntfy.sh/publish: POST of JSON to `/`, or of a text to `/TOPIC` with the title in a
header. A token is wanted as a bearer. `GET /ping/NAME` is the route of a dead man's ping.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "tk_0123456789abcdefghijklmnopqrs"
TOPIC = "portable-test-topic"


class NtfyStandIn:
    """What was published, and how it answers."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []
        self.pings: list[str] = []
        self.status = 200
        """Answer to every request; anything but 200 accepts nothing."""
        self.port = 0

    @property
    def url(self) -> str:
        """The channel in the form of Apprise."""
        return f"ntfy://{TOKEN}@127.0.0.1:{self.port}/{TOPIC}?mode=private&cto=120&rto=120"

    def ping_url(self, name: str) -> str:
        """The URL of a dead man's ping."""
        return f"http://127.0.0.1:{self.port}/ping/{name}"

    @property
    def titles(self) -> list[str]:
        """The titles in order of arrival."""
        return [message["title"] for message in self.published]


@contextmanager
def ntfy(port: int = 0) -> Iterator[NtfyStandIn]:
    """Serve on loopback until the block ends."""
    stand_in = NtfyStandIn()
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(stand_in))
    server.daemon_threads = True
    stand_in.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(stand_in: NtfyStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if stand_in.status == 200 and self.path.startswith("/ping/"):
                stand_in.pings.append(self.path.removeprefix("/ping/"))
                self._answer(200, {"ok": True})
            else:
                self._answer(stand_in.status if stand_in.status != 200 else 404, {"error": "page not found"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer(403, {"code": 40301, "http": 403, "error": "forbidden"})
            elif stand_in.status != 200:
                self._answer(stand_in.status, {"http": stand_in.status, "error": f"no to {TOPIC}"})
            else:
                topic = self.path.strip("/")
                message = json.loads(body) if not topic else {"topic": topic, "title": self.headers.get("X-Title"), "message": body}
                assert message["topic"] == TOPIC
                stand_in.published.append(message)
                self._answer(200, {"id": f"id{len(stand_in.published)}", "event": "message", **message})

        do_PUT = do_POST  # noqa: N815

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
