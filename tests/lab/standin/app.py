"""The app that is stood in for: its ports, its health, its state and its part of the library."""

import errno
import json
import os
import socket
import socketserver
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .library import Library
from .outside import Counts
from .state import Line

_FRESH_SECONDS = 15.0
"""A row must be as young as this, or the app is not well: its disk is full, or gone."""


class App:
    """Everything that an app holds open."""

    def __init__(self, told: dict[str, Any], traffic: Counts) -> None:
        self._told, self._traffic = told, traffic
        self._lines = [Line(Path(folder) / f"{told['app']}.db") for folder in told["state"]]
        self._written = time.monotonic()
        self._sockets: list[socket.socket] = []
        self.library: Library | None = None
        self._settings()
        tree = told["library"]
        if tree and tree["keeps"]:
            self.library = Library(told["app"], Path(tree["path"]), tree["keeps"], tree["imports"])
            self.library.mark()

    def _settings(self) -> None:
        """A text file beside each database, and one in each cache. Values of the environment may be secrets: their names alone."""
        text = f"app = {self._told['app']}\nenvironment = {' '.join(sorted(os.environ))}\n"
        for folder in (*self._told["state"], *self._told["caches"]):
            (Path(folder) / "stand-in.conf").write_text(text)

    def tick(self) -> None:
        """What is done once a second."""
        try:
            for line in self._lines:
                line.add()
            self._written = time.monotonic()
        except sqlite3.OperationalError as error:
            print(f"NOT WRITTEN: {error}", file=sys.stderr)
        if self.library:
            self.library.look()

    def is_well(self) -> bool:
        """Whether the last row was committed lately."""
        return time.monotonic() - self._written < _FRESH_SECONDS

    def report(self) -> dict[str, Any]:
        """What a test may want to know, at `/standin`."""
        status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
        return {
            "app": self._told["app"],
            "container": self._told["container"],
            "user": [os.getuid(), os.getgid()],
            "umask": status["Umask"][-3:],
            "rows": {str(line.path): line.number for line in self._lines},
            "imported": self.library.imported if self.library else 0,
            "failed": list(self.library.failed.values()) if self.library else [],
        }

    def answer(self, path: str) -> tuple[int, str, str]:
        """Status, kind of content and body for a path."""
        path = path.partition("?")[0]
        if path == "/standin":
            return 200, "application/json", json.dumps(self.report())
        if path == "/standin/outside":
            return 200, "application/json", json.dumps(self._traffic)
        health = {entry["path"]: entry["status"] for entry in self._told["health"]}
        if path in health:
            return (health[path], "text/plain", "well\n") if self.is_well() else (500, "text/plain", "its database is not written\n")
        if path == "/":
            name = self._told["app"]
            return 200, "text/html", f"<!doctype html><title>{name}</title><h1>{name}</h1><p>A stand-in of portable's tests.</p>\n"
        return 404, "text/plain", "a stand-in has no such page\n"

    def serve(self) -> None:
        """Listen on every port. Raises OSError where one is taken."""
        for port in self._told["ports"]:
            host, family = ("127.0.0.1", socket.AF_INET) if port["private"] else _everywhere()
            if port["protocol"] == "udp":
                bound = socket.socket(family, socket.SOCK_DGRAM)
                bound.bind((host, port["number"]))
                self._sockets.append(bound)
            else:
                server = _Server(self, family, (host, port["number"]))
                threading.Thread(target=server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Databases whole, without logs."""
        for line in self._lines:
            line.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, app: App, family: int, address: tuple[str, int]) -> None:
        self.app, self.address_family = app, family
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the look-up of a name that the library's own does: it would be traffic."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # a pair, whatever the family


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        status, kind, body = self.server.app.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing: health is asked every few seconds."""


def _everywhere() -> tuple[str, int]:
    """Every address of both families where the kernel has both."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tried:
            tried.bind(("::", 0))
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
        return "0.0.0.0", socket.AF_INET
    return "::", socket.AF_INET6
