"""Where a leak would end, and two independent counters that see one: the firewall of this machine and a sniffer on all its interfaces.

An address of a documentation range is given to this machine itself, so that nothing sent to it can leave; that is checked before anything
is sent, and where it doesn't hold nothing is.
"""

import contextlib
import ctypes
import ipaddress
import json
import random
import socket
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab.engine import LABEL, LabError
from tests.lab.own import LEAK, LEAK6

ADDRESS, ADDRESS6 = LEAK, LEAK6
"""Of this run: what another one leaks on purpose is none of its leaks."""
_WATCHED = (ipaddress.ip_address(ADDRESS), ipaddress.ip_address(ADDRESS6))
_SOL_PACKET, _PACKET_STATISTICS, _SO_ATTACH_FILTER, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 263, 6, 26, 33, 35
_IPV4, _IPV6, _ARP = 0x0800, 0x86DD, 0x0806


def run(*command: str, given: str | None = None) -> str:
    """What a program prints; LabError with what it said where it fails."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def assert_local() -> None:
    """Raise LabError unless both addresses are this machine's own: only then may anything be sent to them."""
    for way in (["ip", "route", "get", ADDRESS], ["ip", "-6", "route", "get", ADDRESS6]):
        if not run(*way).startswith("local "):
            raise LabError(f"{way[-1]} is not this machine's own address: nothing is sent to it")


@dataclass
class LeakNet:
    """The place where a leak ends, and the firewall's count of what came."""

    mark: str
    """The label of every foreign name that is asked for; no name of anybody."""

    def packets(self) -> int:
        """Packets that the firewall saw for the two addresses, and questions for a marked name that this machine was about to send."""
        total = 0
        for program, table in (("iptables", "PREROUTING"), ("ip6tables", "PREROUTING"), ("iptables", "OUTPUT"), ("ip6tables", "OUTPUT")):
            for line in run(program, "-w", "5", "-t", "raw", "-L", table, "-v", "-n", "-x").splitlines():
                if self.mark in line:
                    total += int(line.split()[0])
        return total


@contextmanager
def leak_net() -> Iterator[LeakNet]:
    """Give this machine the two addresses and count what arrives; all of it is taken away again."""
    # The kernel of the lab has no `dummy` interfaces; a bridge without ports does the same. /32, since others of the range may be in use.
    mark = f"pl{random.randrange(16**8):08x}"
    device, rules = f"{mark}-l", _rules(mark)
    run("ip", "link", "add", device, "type", "bridge")
    done: list[list[str]] = []
    try:
        run("ip", "addr", "add", f"{ADDRESS}/32", "dev", device)
        run("ip", "-6", "addr", "add", f"{ADDRESS6}/128", "dev", device, "nodad")
        run("ip", "link", "set", device, "up")
        for patience in (0.1, 0.2, 0.5, 1):  # the kernel makes the route of an IPv6 address when it gets to it
            with contextlib.suppress(LabError):
                assert_local()
                break
            time.sleep(patience)
        assert_local()
        for rule in rules:
            run(rule[0], "-w", "5", "-t", "raw", "-I", *rule[1:])
            done.append(rule)
        yield LeakNet(mark)
    finally:
        for rule in done:
            run(rule[0], "-w", "5", "-t", "raw", "-D", *rule[1:])
        run("ip", "link", "del", device)


def _rules(mark: str) -> list[list[str]]:
    comment = ["-m", "comment", "--comment", mark]
    rules = [["iptables", "PREROUTING", "-d", ADDRESS, *comment], ["ip6tables", "PREROUTING", "-d", ADDRESS6, *comment]]
    # A question for a marked name that would leave this machine is counted, and dropped.
    asked = ["OUTPUT", "-p", "udp", "--dport", "53", "-m", "string", "--string", mark, "--algo", "bm", *comment, "-j", "DROP"]
    return [*rules, ["iptables", *asked], ["ip6tables", *asked]]


@dataclass
class Seen:
    """What a sniffer saw."""

    inspected: int = 0
    from_inside: int = 0
    """Packets of the watched container's address, so that zero leaks is not zero traffic."""
    leaked: Counter[str] = field(default_factory=Counter)
    """By what and where: `udp to ADDRESS on veth1`."""
    dropped: int = 0


class Sniffer:
    """Every packet of every interface of this machine, also those that the firewall drops later."""

    def __init__(self, mark: str, inside: str | None = None) -> None:
        """`mark` is looked for in what goes to port 53; `inside` is the address of the watched container."""
        self._mark, self._inside = mark.encode(), ipaddress.ip_address(inside).packed if inside else None
        self.seen = Seen()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
        _ignore_the_closed_network(self._socket)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 * 1024 * 1024)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.settimeout(0.2)
        self._until: float | None = None
        """When it was told to end, by the clock of packets."""
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self) -> Seen:
        self._thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self._until = time.time()
        self._thread.join()
        _, self.seen.dropped = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        self._socket.close()

    def _loop(self) -> None:
        """All that came before it was told to end, however much waits: a machine is never quiet for long."""
        while True:
            try:
                data, told, _, (device, kind, *_) = self._socket.recvmsg(65535, 128)
            except TimeoutError:
                if self._until is not None:
                    return
                continue
            if self._until is not None and _moment(told) > self._until:
                return
            self._look(data, device, kind)

    def _look(self, data: bytes, device: str, kind: int) -> None:
        self.seen.inspected += 1
        if kind == _IPV4:
            source, target, protocol, inner = data[12:16], data[16:20], data[9], data[(data[0] & 15) * 4 :]
        elif kind == _IPV6:
            source, target, protocol, inner = data[8:24], data[24:40], data[6], data[40:]
        elif kind == _ARP:
            source, target, protocol, inner = data[14:18], data[24:28], -1, b""
        else:
            return
        self.seen.from_inside += source == self._inside
        address = ipaddress.ip_address(target)
        name = {-1: "arp", 1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}.get(protocol, f"protocol {protocol}")
        if address in _WATCHED:
            self.seen.leaked[f"{name} to {address} on {device}"] += 1
        if protocol in (6, 17) and inner[2:4] == b"\0\x35" and self._mark in inner.lower():
            self.seen.leaked[f"a marked name asked of {address} on {device}"] += 1


def _ignore_the_closed_network(sniffer: socket.socket) -> None:
    """Let the kernel leave out IPv4 packets from and to 198.18.0.0/15: the lab of another worker, which moves gigabytes of images there.

    A classic BPF program (socket(7), SO_ATTACH_FILTER); offsets count from the network header.
    """
    network, mask = 0xC6120000, 0xFFFE0000
    program = (
        (0x28, 0, 0, 0xFFFFF000),  # A = protocol of the packet
        (0x15, 0, 6, _IPV4),  # anything but IPv4 is kept
        *((0x20, 0, 0, 12), (0x54, 0, 0, mask), (0x15, 4, 0, network)),  # A = source, without its last bits: left out?
        *((0x20, 0, 0, 16), (0x54, 0, 0, mask), (0x15, 1, 0, network)),  # the same of the destination
        (0x06, 0, 0, 0xFFFFFFFF),  # keep it whole
        (0x06, 0, 0, 0),  # leave it out
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    sniffer.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(code)))


def _moment(told: list[tuple[int, int, bytes]]) -> float:
    """When the kernel got a packet, as Unix time (socket(7), SO_TIMESTAMPNS)."""
    seconds, nanoseconds = next(
        struct.unpack("qq", data) for level, kind, data in told if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS)
    )
    return float(seconds + nanoseconds / 1e9)


@dataclass(frozen=True)
class Sent:
    """What the traffic program tried, by kind: how many went out of it and how many its own kernel refused."""

    tried: dict[str, int]
    refused: dict[str, int]
    answered: dict[str, int]


def send_traffic(namespace: str, image: str, owner: str, mark: str, rounds: int, *, resolver: bool) -> Sent:
    """Run the traffic program in a network (`container:<id>` or a network's name), as root with raw sockets.

    `resolver` also asks the engine's own resolver for foreign names; never outside a sealed namespace, where the question would leave.
    """
    assert_local()
    said = run(
        *("docker", "run", "--rm", "-i", "--label", f"{LABEL}={owner}", "--network", namespace, "--entrypoint", "python3", image, "-"),
        *(ADDRESS, ADDRESS6, mark, str(rounds), "resolver" if resolver else ""),
        given=TRAFFIC,
    )
    return Sent(**json.loads(said.splitlines()[-1]))


TRAFFIC = r"""
import json, socket, struct, sys
from collections import Counter
four, six, mark, rounds, resolver = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
tried, refused, answered = Counter(), Counter(), Counter()
def attempt(kind, how):
    tried[kind] += 1
    try:
        how()
        answered[kind] += 1
    except OSError:
        refused[kind] += 1
def tcp(family, address, port):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(0.02)
        s.connect((address, port))
def udp(family, address, port, data):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.sendto(data, (address, port))
def ask(number):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)
        s.sendto(question(number), ("127.0.0.11", 53))
        if s.recv(512)[6:8] == b"\0\0":
            raise OSError("no such name")
def raw(family, protocol, address, data):
    with socket.socket(family, socket.SOCK_RAW, protocol) as s:
        s.sendto(data, (address, 0))
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
def question(number):
    name = b"".join(bytes((len(p),)) + p for p in (f"{mark}-{number}".encode(), b"test"))
    return struct.pack("!6H", number & 0xFFFF, 0x100, 1, 0, 0, 0) + name + b"\0\0\1\0\1"
def echo(number):
    body = struct.pack("!BBHHH", 8, 0, 0, 1, number & 0xFFFF) + b"leak" * 4
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]
for n in range(rounds):
    for port in (443, 6881, 53, 80):
        attempt("tcp", lambda: tcp(socket.AF_INET, four, port))
    for port, data in ((6881, b"d1:ad2:id20:"), (443, b"quic"), (51820, b"wg")):
        attempt("udp", lambda: udp(socket.AF_INET, four, port, data))
    attempt("dns", lambda: udp(socket.AF_INET, four, 53, question(n)))
    attempt("icmp", lambda: raw(socket.AF_INET, socket.IPPROTO_ICMP, four, echo(n)))
    attempt("gre", lambda: raw(socket.AF_INET, 47, four, b"\0\0\x08\0leak"))
    attempt("ipv6", lambda: tcp(socket.AF_INET6, six, 443))
    attempt("ipv6", lambda: udp(socket.AF_INET6, six, 6881, b"x"))
    if resolver and n < 5:
        attempt("foreign name", lambda: socket.getaddrinfo(f"{mark}-{n}.test", 80))
        attempt("foreign name", lambda: ask(n))
print(json.dumps({"tried": tried, "refused": refused, "answered": answered}))
"""
