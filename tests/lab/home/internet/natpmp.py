#!/usr/bin/python3
"""natpmp: forwards one port of this machine to the customer who asks for it (NAT-PMP, RFC 6886), as ProtonVPN does.

natpmp LISTEN ADDRESS: answers on LISTEN, the tunnel's end; ADDRESS is what others see. The number stands in /run/forwarded-port, and may
be changed while this runs: the customer gets the new one when it asks again.
"""

import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

PORT = 5351
NUMBER = Path("/run/forwarded-port")
listen, address = sys.argv[1:3]
began = time.monotonic()
forwarded: dict[str, tuple[int, str, float]] = {}
"""By protocol: the port, the customer, and when it ends."""


def rule(what: str, protocol: str, port: int, customer: str) -> None:
    """Add or delete the way of that port into the tunnel."""
    way = ["-i", "eth0", "-d", address, "-p", protocol, "--dport", str(port), "-j", "DNAT", "--to-destination", f"{customer}:{port}"]
    subprocess.run(["iptables", "-w", "5", "-t", "nat", what, "PREROUTING", *way], check=True)


def forward(protocol: str, port: int, customer: str, seconds: int) -> None:
    """Let the port lead to that customer, for so long."""
    before = forwarded.pop(protocol, None)
    if before and (before[:2] != (port, customer) or not seconds):
        rule("-D", protocol, *before[:2])
        print(f"closed {protocol} {before[0]} of {before[1]}", flush=True)
        before = None
    if seconds:
        if not before:
            rule("-A", protocol, port, customer)
            print(f"opened {protocol} {port} to {customer}", flush=True)
        forwarded[protocol] = (port, customer, time.monotonic() + seconds)


udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((listen, PORT))
udp.settimeout(1)
while True:
    for protocol, (port, customer, until) in list(forwarded.items()):
        if until < time.monotonic():
            forward(protocol, port, customer, 0)
    try:
        request, caller = udp.recvfrom(64)
    except TimeoutError:
        continue
    epoch = int(time.monotonic() - began)
    if request == bytes(2):
        udp.sendto(struct.pack(">BBHI", 0, 128, 0, epoch) + socket.inet_aton(address), caller)
    elif len(request) == 12 and request[1] in (1, 2):
        _, code, _, internal, _, seconds = struct.unpack(">BBHHHI", request)
        number = int(NUMBER.read_text())
        forward("udp" if code == 1 else "tcp", number, caller[0], seconds)
        udp.sendto(struct.pack(">BBHIHHI", 0, 128 + code, 0, epoch, internal, number, seconds), caller)
