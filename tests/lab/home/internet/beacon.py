#!/usr/bin/python3
"""beacon: tells a caller the address that it came from, by HTTP and by UDP on port 80; what it answered stands in its log.

Who asks for /endless gets bytes until they have enough.
"""

import contextlib
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Beacon(BaseHTTPRequestHandler):
    """One line: the caller's address."""

    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        """Answer any path."""
        if self.path == "/endless":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(1 << 18))
            return
        body = f"{self.client_address[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The caller and what it asked."""
        print("http", self.client_address[0], self.path, flush=True)


def answer_datagrams() -> None:
    """The same by UDP."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("", 80))
    while True:
        _, caller = udp.recvfrom(2048)
        print("udp", caller[0], flush=True)
        udp.sendto(f"{caller[0]}\n".encode(), caller)


threading.Thread(target=answer_datagrams, daemon=True).start()
ThreadingHTTPServer.request_queue_size = 256
ThreadingHTTPServer(("", 80), Beacon).serve_forever()
sys.exit(1)
