"""qBittorrent's web interface, as far as tests need it, and torrents of one file."""

import hashlib
import json
import time
import urllib.parse
import urllib.request
import uuid
from http.cookiejar import CookieJar
from typing import Any

PIECE = 16384


class QBittorrent:
    """A session of the user `admin`."""

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        said = self.call("auth/login", username="admin", password=password)
        if said != "Ok.":
            raise PermissionError(f"qBittorrent said {said!r} to the login")

    def call(self, method: str, files: dict[str, bytes] | None = None, **fields: str) -> str:
        """The answer to a POST."""
        if files is None:
            data, kind = urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded"
        else:
            mark = uuid.uuid4().hex
            head = f'--{mark}\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
            parts = [(head % (name, "") + value).encode() + b"\r\n" for name, value in fields.items()]
            parts += [(head % (name, f'; filename="{name}"')).encode() + value + b"\r\n" for name, value in files.items()]
            data, kind = b"".join(parts) + f"--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"
        request = urllib.request.Request(f"{self.url}/api/v2/{method}", data=data, headers={"Content-Type": kind, "Referer": self.url})
        with self._opener.open(request, timeout=10) as answer:
            return str(answer.read().decode())

    def version(self) -> str:
        """As `v5.1.0`."""
        with self._opener.open(f"{self.url}/api/v2/app/version", timeout=10) as answer:
            return str(answer.read().decode())

    def add(self, torrent: bytes, folder: str) -> None:
        """Add a torrent whose data lies, or will lie, in that folder."""
        assert self.call("torrents/add", files={"torrents": torrent}, savepath=folder) == "Ok."

    def torrent(self, info_hash: str) -> dict[str, Any] | None:
        """What it knows about one torrent; None where it has none such."""
        found = json.loads(self.call("torrents/info", hashes=info_hash))
        return dict(found[0]) if found else None

    def wait_complete(self, info_hash: str, seconds: float = 30) -> dict[str, Any]:
        """The torrent once all of it is there."""
        until = time.monotonic() + seconds
        while True:
            seen = self.torrent(info_hash)
            if seen and seen["progress"] == 1 and seen["state"] in ("stalledUP", "uploading", "queuedUP"):
                return seen
            assert time.monotonic() < until, f"the torrent is not complete after {seconds} s: {seen}"
            time.sleep(0.2)


def bencode(value: Any) -> bytes:
    """BEP 3."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(k) + bencode(v) for k, v in sorted(value.items())) + b"e"


def torrent_of(name: str, data: bytes, announce: tuple[str, ...] = ()) -> tuple[bytes, str]:
    """A private torrent of one file and its info hash; without `announce` nobody is asked for peers."""
    pieces = b"".join(hashlib.sha1(data[i : i + PIECE]).digest() for i in range(0, len(data), PIECE))
    info = {"name": name, "length": len(data), "piece length": PIECE, "private": 1, "pieces": pieces}
    whole: dict[str, Any] = {"info": info}
    if announce:
        whole |= {"announce": announce[0], "announce-list": [[url] for url in announce]}
    return bencode(whole), hashlib.sha1(bencode(info)).hexdigest()
