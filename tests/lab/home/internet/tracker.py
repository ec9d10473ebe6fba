#!/usr/bin/python3
"""tracker: tells who announces a torrent the addresses of the others (BEP 3, BEP 23); who announced stands in its log."""

import socket
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PORT = 6969
peers: dict[bytes, set[tuple[str, int]]] = defaultdict(set)


class Tracker(BaseHTTPRequestHandler):
    """Remembers for as long as it runs."""

    def do_GET(self) -> None:
        """An announcement: `info_hash` and `port` of one peer."""
        asked = parse_qs(urlsplit(self.path).query, encoding="latin-1")
        torrent = asked.get("info_hash", [""])[0].encode("latin-1")
        caller = (self.client_address[0], int(asked.get("port", ["0"])[0]))
        print("announce", torrent.hex(), *caller, *asked.get("event", []), flush=True)
        others = b"".join(socket.inet_aton(host) + port.to_bytes(2, "big") for host, port in peers[torrent] - {caller})
        peers[torrent].add(caller)
        body = b"d8:intervali10e12:min intervali5e5:peers%d:%se" % (len(others), others)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Said already."""


ThreadingHTTPServer(("", PORT), Tracker).serve_forever()
