"""Names: which are local, what `/etc/resolv.conf` says and becomes, and as much of a message (RFC 1035) as a forwarder reads."""

import ipaddress
import os
import struct
from collections.abc import Iterator
from pathlib import Path

PUBLIC_SUFFIXES = Path("/usr/share/publicsuffix/public_suffix_list.dat")
_LOCAL_SUFFIXES = (".local", ".lan", ".private", ".internal", ".corp", ".home", ".intranet")
A, AAAA = 1, 28
SUCCESS, SERVER_FAILURE, NAME_ERROR, REFUSED = 0, 2, 3, 5
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10"),
    )
)
Suffixes = dict[str, bool]
"""The rules of the public suffix list; True for those of ICANN's part."""


# --- which are local --------------------------------------------------------------------------------------------------


def suffixes(text: str) -> Suffixes:
    """The rules of the public suffix list (https://publicsuffix.org/list/)."""
    found: Suffixes = {}
    icann = False
    for line in text.splitlines():
        if "===BEGIN ICANN DOMAINS===" in line:
            icann = True
        elif "===END ICANN DOMAINS===" in line:
            icann = False
        elif line and not line.startswith("//"):
            rule = line.split()[0]
            bare = rule.removeprefix("!").removeprefix("*.")
            ascii_only = ".".join(label.encode("idna").decode() if not label.isascii() else label for label in bare.split("."))
            found[rule[: len(rule) - len(bare)] + ascii_only] = icann
    return found


def public_suffix(name: str, rules: Suffixes) -> tuple[str, bool]:
    """The public suffix of a name, and whether ICANN manages it; its last label where no rule of the list is met."""
    labels = name.split(".")
    for at in range(len(labels)):
        rest = ".".join(labels[at:])
        if f"!{rest}" in rules:
            return ".".join(labels[at + 1 :]), rules[f"!{rest}"]
        if rest in rules:
            return rest, rules[rest]
        if at + 1 < len(labels) and (wild := f"*.{'.'.join(labels[at + 1 :])}") in rules:
            return rest, rules[wild]
    return labels[-1], False


def is_local(name: str, rules: Suffixes) -> bool:
    """Whether a name is asked of the local resolvers, which are not behind the tunnel (qdm12/dns, internal/local)."""
    name = name.lower().rstrip(".")
    if not name:
        return False
    if "." not in name or name.endswith(_LOCAL_SUFFIXES):
        return True
    suffix, icann = public_suffix(name, rules)
    return not icann and "." not in suffix


# --- /etc/resolv.conf -------------------------------------------------------------------------------------------------


def local_resolvers(text: str) -> list[str]:
    """Its name servers with private or loopback addresses; lines that begin with `#` are skipped."""
    found = []
    for line in text.split("\n"):
        words = line.split()
        if not line.startswith("#") and words[:1] == ["nameserver"]:
            for word in words[1:]:
                address = ipaddress.ip_address(word)
                if address.is_loopback or _is_private(address):
                    found.append(word)
    return found


def _is_private(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """As RFC 1918 and RFC 4193 have it, not as Python does."""
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    return any(address in ipaddress.ip_network(network) for network in private)


def with_server(text: str, address: str) -> str:
    """The file with that one name server before all its other lines, comments and search lists among them."""
    lines = [f"nameserver {address}", *(line for line in text.split("\n") if not line.startswith("nameserver "))]
    return "\n".join(lines).rstrip("\n") + ("\n" if lines[-1] == "" else "")


# --- messages ---------------------------------------------------------------------------------------------------------


def question(name: str, kind: int = A) -> bytes:
    """A question for a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return os.urandom(2) + struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def asked(message: bytes) -> tuple[str, int]:
    """The name and the kind of its one question; raises ValueError where there is not exactly one."""
    if len(message) < 12 or message[4:6] != b"\0\1":
        raise ValueError("not one question")
    labels, at = _labels(message, 12)
    if len(message) < at + 4:
        raise ValueError("cut short")
    return ".".join(labels), int.from_bytes(message[at : at + 2], "big")


def rcode(message: bytes) -> int:
    """Its response code."""
    return message[3] & 0x0F if len(message) > 3 else SERVER_FAILURE


def is_truncated(message: bytes) -> bool:
    """Whether it has to be asked for again by TCP."""
    return len(message) > 2 and bool(message[2] & 0x02)


def refusal(message: bytes, code: int) -> bytes:
    """An answer without any record to a question."""
    _, at = _labels(message, 12)
    flags = 0x8080 | (message[2] & 0x79) << 8 | code
    return message[:2] + struct.pack(">HHHHH", flags, 1, 0, 0, 0) + message[12 : at + 4]


def records(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Kind, time to live and data of each record of an answer."""
    at = 12
    for _ in range(int.from_bytes(message[4:6], "big")):
        at = _labels(message, at)[1] + 4
    for _ in range(int.from_bytes(message[6:8], "big")):
        at = _labels(message, at)[1]
        kind, _, lives, size = struct.unpack(">HHIH", message[at : at + 10])
        yield kind, lives, message[at + 10 : at + 10 + size]
        at += 10 + size


def addresses(message: bytes) -> list[str]:
    """The addresses in an answer."""
    return [str(ipaddress.ip_address(data)) for kind, _, data in records(message) if kind in (A, AAAA)]


def points_inside(message: bytes) -> bool:
    """Whether a public name would lead to a private address, which is not let through."""
    return any(ipaddress.ip_address(address) in network for address in addresses(message) for network in _PRIVATE)


def _labels(message: bytes, at: int) -> tuple[list[str], int]:
    """The labels of a name, and where it ends; those that a pointer leads to are left out."""
    labels: list[str] = []
    while at < len(message):
        size = message[at]
        if size == 0:
            return labels, at + 1
        if size >= 0xC0:
            return labels, at + 2
        labels.append(message[at + 1 : at + 1 + size].decode(errors="replace"))
        at += 1 + size
    raise ValueError("a name without an end")
