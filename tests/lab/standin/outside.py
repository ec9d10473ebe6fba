"""Traffic to the outside, ten times a second and for ever: what a torrent client would do, counted. Imports only what is loaded at once."""

import contextlib
import errno
import json
import os
import selectors
import socket
import struct
import threading
import time
from pathlib import Path

COUNTS = Path("/tmp/outside.json")
_EVERY_SECONDS = 0.1
_PATIENCE_SECONDS = 1.0
"""How long an answer may take; the next tries don't wait for it."""
_HELLO = b"portable stand-in"
Counts = dict[str, dict[str, float]]
"""By target: how often it was tried and how often that was answered, and when it was first tried and last answered (Unix; 0: never)."""


def begin(targets: list[str], ended: threading.Event | None = None) -> Counts:
    """Call `tcp://address:port`, `udp://address:port` and `dns://name` from now on, until `ended`; returns what goes on counting.

    A name is asked of the first resolver of /etc/resolv.conf, each time anew, and of libc beside that, counted as `libc://name`.
    """
    names = [target.partition("://")[2] for target in targets if target.startswith("dns://")]
    counts: Counts = {
        target: dict.fromkeys(("tried", "answered", "tried_at", "answered_at"), 0.0)
        for target in (*targets, *(f"libc://{name}" for name in names))
    }
    ended = ended or threading.Event()
    if targets:
        threading.Thread(target=_call, args=(targets, counts, ended), daemon=True).start()
    for name in names:
        threading.Thread(target=_look_up, args=(name, counts[f"libc://{name}"], ended), daemon=True).start()
    return counts


def query(name: str) -> bytes:
    """A question for the name's address (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack(">HHHHHH", os.getpid() & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def resolved(answer: bytes) -> bool:
    """Whether an answer has no error and at least one record."""
    return len(answer) >= 12 and answer[3] & 0x0F == 0 and answer[6:8] != b"\0\0"


def _call(targets: list[str], counts: Counts, ended: threading.Event) -> None:
    waiting: dict[socket.socket, tuple[str, float]] = {}
    selector = selectors.DefaultSelector()
    due = time.monotonic()
    told = 0.0
    while not ended.is_set():
        for target in targets:
            _count(counts[target], "tried")
            with contextlib.suppress(OSError):
                opened, event = _sent(target)
                waiting[opened] = (target, time.monotonic() + _PATIENCE_SECONDS)
                selector.register(opened, event)
        due += _EVERY_SECONDS
        while (left := due - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                opened = key.fileobj  # type: ignore[assignment]  # sockets alone are registered
                target = waiting.pop(opened)[0]
                if _answered(target, opened):
                    _count(counts[target], "answered")
                selector.unregister(opened)
                opened.close()
        for opened in [opened for opened, (_, until) in waiting.items() if until < time.monotonic()]:
            del waiting[opened]
            selector.unregister(opened)
            opened.close()
        if time.monotonic() - told > 1:
            told = time.monotonic()
            _write(counts)


def _sent(target: str) -> tuple[socket.socket, int]:
    """A socket that has called, and the event that is its answer."""
    kind, _, rest = target.partition("://")
    host, _, port = (_resolver(), "", "53") if kind == "dns" else rest.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, (socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) | socket.SOCK_NONBLOCK)
    try:
        if (error := opened.connect_ex((host, int(port)))) not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))
        if kind != "tcp":
            opened.send(query(rest) if kind == "dns" else _HELLO)
    except OSError:
        opened.close()
        raise
    return opened, selectors.EVENT_WRITE if kind == "tcp" else selectors.EVENT_READ


def _answered(target: str, opened: socket.socket) -> bool:
    try:
        if target.startswith("tcp://"):
            return opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        answer = opened.recv(4096)
    except OSError:
        return False
    return resolved(answer) if target.startswith("dns://") else True


def _resolver() -> str:
    for line in Path("/etc/resolv.conf").read_text().splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            return words[1]
    raise OSError(errno.ENOENT, "no resolver")


def _look_up(name: str, count: dict[str, float], ended: threading.Event) -> None:
    while not ended.is_set():
        _count(count, "tried")
        with contextlib.suppress(OSError):
            socket.getaddrinfo(name, None)
            _count(count, "answered")
        time.sleep(_EVERY_SECONDS)


def _count(count: dict[str, float], what: str) -> None:
    count[what] += 1
    if what == "answered" or not count["tried_at"]:
        count[f"{what}_at"] = time.time()


def _write(counts: Counts) -> None:
    """Whole or not at all; an image that is read-only has no room for it."""
    with contextlib.suppress(OSError):
        new = COUNTS.with_suffix(".new")
        new.write_text(json.dumps(counts))
        new.replace(COUNTS)
