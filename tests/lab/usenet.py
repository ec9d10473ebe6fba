"""A stand-in for a Usenet provider: serves one file (yEnc, several parts) by NNTP. SABnzbd, who fetches it, is real.

As a program, `usenet.py PORT NAME SIZE`, it needs nothing but Python and runs in a container; the bytes follow from name and size.
"""

import binascii
import hashlib
import socketserver
import sys

PART = 250_000


def content(name: str, size: int) -> bytes:
    """The same bytes for the same name and size."""
    return b"".join(hashlib.sha256(f"{name} {i}".encode()).digest() for i in range(size // 32 + 1))[:size]


def yenc(chunk: bytes) -> bytes:
    """Lines of yEnc, no line beginning with a dot."""
    out, line = bytearray(), bytearray()
    for byte in chunk:
        value = (byte + 42) & 255
        if value in (0, 10, 13, 61) or (value == 46 and not line):
            line += bytes((61, (value + 64) & 255))
        else:
            line.append(value)
        if len(line) >= 128:
            out += line + b"\r\n"
            line = bytearray()
    return bytes(out + (line + b"\r\n" if line else b""))


def articles(name: str, data: bytes) -> dict[str, bytes]:
    """Every part of the file by its message id."""
    chunks = [data[i : i + PART] for i in range(0, len(data), PART)]
    whole, found = binascii.crc32(data), {}
    for number, chunk in enumerate(chunks, 1):
        begin = (number - 1) * PART + 1
        head = f"=ybegin part={number} total={len(chunks)} line=128 size={len(data)} name={name}\r\n"
        head += f"=ypart begin={begin} end={begin + len(chunk) - 1}\r\n"
        tail = f"=yend size={len(chunk)} part={number} pcrc32={binascii.crc32(chunk):08x} crc32={whole:08x}\r\n"
        found[f"part{number}.{whole:08x}@portable.test"] = head.encode() + yenc(chunk) + tail.encode()
    return found


def nzb(name: str, parts: dict[str, bytes], posted: int) -> bytes:
    """What a person gives to SABnzbd; `posted` in seconds since 1970."""
    segments = "".join(f'<segment bytes="{len(body)}" number="{n}">{key}</segment>' for n, (key, body) in enumerate(parts.items(), 1))
    subject = f"&quot;{name}&quot; yEnc (1/{len(parts)})"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<nzb xmlns="http://www.newzbin.com/DTD/2003/nzb">'
        f'<file poster="p@portable.test" date="{posted}" subject="{subject}">'
        f"<groups><group>alt.binaries.test</group></groups><segments>{segments}</segments></file></nzb>\n"
    ).encode()


class Handler(socketserver.StreamRequestHandler):
    """What SABnzbd asks of a server."""

    parts: dict[str, bytes] = {}  # noqa: RUF012  # the server's, filled in before it serves

    def handle(self) -> None:
        self.wfile.write(b"200 ready\r\n")
        for line in self.rfile:
            verb, _, rest = line.decode("latin-1").strip().partition(" ")
            verb, key = verb.upper(), rest.strip("<> ")
            if verb == "QUIT":
                self.wfile.write(b"205 bye\r\n")
                return
            self.wfile.write(self.answer(verb, key))
            self.wfile.flush()

    def answer(self, verb: str, key: str) -> bytes:
        simple = {"AUTHINFO": b"281 ok\r\n", "MODE": b"200 ok\r\n", "CAPABILITIES": b"101 list\r\nVERSION 2\r\nREADER\r\n.\r\n"}
        if verb in simple:
            return simple[verb]
        codes = {"BODY": 222, "ARTICLE": 220, "STAT": 223}
        if verb not in codes:
            return b"500 what?\r\n"
        if key not in self.parts:
            return b"430 no such article\r\n"
        head = f"Subject: x\r\nMessage-ID: <{key}>\r\n\r\n".encode() if verb == "ARTICLE" else b""
        return f"{codes[verb]} 0 <{key}>\r\n".encode() + (b"" if verb == "STAT" else head + self.parts[key] + b".\r\n")


if __name__ == "__main__":
    Handler.parts = articles(sys.argv[2], content(sys.argv[2], int(sys.argv[3])))
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
