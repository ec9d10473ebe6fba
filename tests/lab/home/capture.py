"""Every packet that leaves the host by its uplink, and those of them that should not."""

import time
from dataclasses import dataclass, field
from types import TracebackType

from tests.lab.engine import LabError
from tests.lab.home.box import DOOR, PROVIDER, Box

TUNNEL = f"(dst host {PROVIDER} and (icmp or (udp and (dst port 51820 or dst port 1194))))"
"""The tunnel's own, and the host's word to its other end that nobody listens any more."""
ANSWERS = f"(dst host {DOOR} and (icmp or (tcp and tcp[tcpflags] & (tcp-syn|tcp-ack) != tcp-syn)))"
"""To the machine that drives the host: what belongs to a connection that it began."""
NEIGHBOURS = "(ip6 and (icmp6 or ip6 multicast))"
"""Link-local chatter of the host itself."""


@dataclass
class Capture:
    """A sniffer on the uplink. A packet is a leak if it is neither the tunnel's, nor an answer to who drives the host."""

    host: Box
    """Where it sniffs."""
    which: str = "ip or ip6"
    way: str = "out"
    expected: str = ""
    """What else may leave: what apps that are not behind the gateway are known to say."""
    file: str = "/run/uplink.pcap"
    inspected: int = field(default=0, init=False)
    in_tunnel: int = field(default=0, init=False)
    leaked: list[str] = field(default_factory=list, init=False)

    def __enter__(self) -> "Capture":
        self.host.sh(
            f"rm -f {self.file} {self.file}.log; setsid tcpdump -i eth0 -Q {self.way} -n -s 256 -B 16384 -U -w {self.file} '{self.which}' "
            f"</dev/null >/dev/null 2>{self.file}.log & echo $! >{self.file}.pid"
        )
        self.host.until(lambda: self.host.ends_well(f"grep -q 'listening on' {self.file}.log"), "the sniffer does not listen")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        time.sleep(0.3)
        self.host.sh(f"kill -INT $(cat {self.file}.pid)", code=None)
        self.host.until(lambda: self.host.ends_well(f"grep -q 'dropped by kernel' {self.file}.log"), "the sniffer does not end")
        if not self.host.ends_well(f"grep -q '^0 packets dropped by kernel' {self.file}.log"):
            raise LabError(f"the sniffer lost packets: {self.host.sh(f'cat {self.file}.log')}")
        self.inspected = self._count("ip or ip6")
        self.in_tunnel = self._count(TUNNEL)
        fine = " or ".join(part for part in (TUNNEL, ANSWERS, NEIGHBOURS, self.expected) if part)
        said = self.host.sh(f"tcpdump -n -r {self.file} '(ip or ip6) and not ({fine})' 2>/dev/null")
        self.leaked = said.splitlines()

    def _count(self, which: str) -> int:
        return int(self.host.sh(f"tcpdump -n -r {self.file} '{which}' 2>/dev/null | wc -l"))

    def __str__(self) -> str:
        return f"{self.inspected} packets inspected, {self.in_tunnel} of the tunnel, {len(self.leaked)} leaked"
