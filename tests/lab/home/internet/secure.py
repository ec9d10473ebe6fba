#!/usr/bin/python3
"""secure: the sites and public resolvers of the lab by TLS. HTTPS on port 443, and DNS over TLS (RFC 7858) on 853.

A question is passed on to the plain name server of this machine, and who asked it stands in the log, in that server's words.
"""

import contextlib
import socket
import socketserver
import ssl
import threading

_PLAIN = ("127.0.0.1", 53)
_KINDS = {1: "A", 28: "AAAA"}
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/lab/site.pem", "/etc/lab/site-key.pem")


def taken(stream: socket.socket, size: int) -> bytes:
    """So many bytes; raises EOFError where the caller has no more."""
    data = b""
    while len(data) < size:
        if not (part := stream.recv(size - len(data))):
            raise EOFError
        data += part
    return data


def asked(question: bytes) -> tuple[str, str]:
    """Its name and its kind."""
    labels, at = [], 12
    while size := question[at]:
        labels.append(question[at + 1 : at + 1 + size].decode(errors="replace"))
        at += 1 + size
    kind = int.from_bytes(question[at + 1 : at + 3], "big")
    return ".".join(labels), _KINDS.get(kind, str(kind))


class Secure(socketserver.BaseRequestHandler):
    """Whoever calls is served until they go."""

    def handle(self) -> None:
        self.request.settimeout(120)
        with contextlib.suppress(OSError, EOFError), context.wrap_socket(self.request, server_side=True) as stream:
            if stream.getsockname()[1] == 443:
                stream.recv(4096)
                stream.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
                return
            while True:
                question = taken(stream, int.from_bytes(taken(stream, 2), "big"))
                name, kind = asked(question)
                print(f"query[{kind}] {name} from {self.client_address[0]} by TLS", flush=True)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                    udp.settimeout(2)
                    udp.sendto(question, _PLAIN)
                    answer = udp.recv(65535)
                stream.sendall(len(answer).to_bytes(2, "big") + answer)


class Server(socketserver.ThreadingTCPServer):
    """A thread for each caller."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 256


servers = [Server(("", port), Secure) for port in (443, 853)]
threading.Thread(target=servers[0].serve_forever, daemon=True).start()
servers[1].serve_forever()
