"""The firewall, rule by rule in the order of the real one. Where a rule fails it is taken back: everything is open then.

Only the table filter is touched. Facts: internal/firewall of v3.41.3, enable.go for the order.
"""

import contextlib
import random
import re
import string
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from .log import Failure, Logger
from .routing import DefaultRoute, LocalNetwork
from .settings import Network

POST_RULES = Path("/iptables/post-rules.txt")
_NEIGHBOURS = "ff02::1:ff00:0/104"
_log = Logger("firewall")
Connection = tuple[str, str, int]
"""Address, protocol and port of the tunnel's outer end."""


def post_rules(text: str) -> list[tuple[int, str]]:
    """The version of IP and the rule of each line that names one of the programs; all other lines are skipped."""
    matches = (re.match(r"(ip6?tables)(?:-nft|-legacy)? (.*)", line) for line in text.split("\n"))
    return [(6 if match[1] == "ip6tables" else 4, match[2]) for match in matches if match]


def flipped(rule: str) -> str:
    """A rule that appends as one that deletes, and the other way round."""
    for old, new in (("-A", "-D"), ("--append", "-D"), ("-D", "-A"), ("--delete", "-A")):
        if rule.startswith(old):
            return rule.replace(old, new, 1)
    return rule


class Firewall:
    """What may pass."""

    def __init__(self, routes: list[DefaultRoute], networks: list[LocalNetwork]) -> None:
        self._routes, self._networks = routes, networks
        self._lock = threading.RLock()
        self._programs = {4: _supported("iptables"), 6: _supported("ip6tables", needed=False)}
        self._connection: Connection | None = None
        self._device = ""
        self._ports: dict[int, set[str]] = {}
        self.enabled = False

    def version(self) -> str:
        """Of the program."""
        return subprocess.run([self._programs[4], "--version"], capture_output=True, text=True, check=True).stdout.split()[1]

    def enable(self) -> None:
        """Deny, then allow one after the other; raises Failure, with everything open again, where one fails."""
        _log.info("enabling...")
        try:
            self._policies(4, "DROP")
            try:
                self._policies(6, "DROP")
                self._basic_rules()
                self._user_rules()
            except Failure:
                self._disable()
                raise
        except Failure as error:
            raise Failure(f"enabling firewall: {error}") from None
        self.enabled = True
        _log.info("enabled successfully")

    def set_outbound(self, subnets: tuple[Network, ...]) -> None:
        """Let this namespace call those networks by the default device."""
        if self.enabled:
            _log.info("setting allowed subnets...")
            for subnet in subnets:
                for route in self._routes:
                    if route.version == subnet.version:
                        self._out(route.device, route.own, subnet)

    def set_connection(self, connection: Connection, device: str) -> None:
        """Let the tunnel's own packets out by the default device, and everything out by the tunnel."""
        with self._lock:
            if not self.enabled:
                return
            _log.info("allowing VPN connection...")
            if self._connection == connection:
                return
            if self._connection:
                self._to_vpn(self._connection, "--delete")
                self._both(f"--delete OUTPUT -o {self._device} -j ACCEPT")
            self._to_vpn(connection, "--append")
            self._connection = connection
            self._both(f"--append OUTPUT -o {device} -j ACCEPT")
            self._device = device

    def allow_port(self, port: int, device: str) -> None:
        """Let others call a port by that device."""
        with self._lock:
            if not self.enabled or device in self._ports.setdefault(port, set()):
                return
            _log.info(f"setting allowed input port {port} through interface {device}...")
            self._port(port, device, "--append")
            self._ports[port].add(device)

    def remove_port(self, port: int) -> None:
        """No longer, by any device."""
        with self._lock:
            if not self.enabled:
                return
            _log.info(f"removing allowed port {port}...")
            for device in self._ports.pop(port, set()):
                self._port(port, device, "--delete")

    def _basic_rules(self) -> None:
        self._both("--append INPUT -i lo -j ACCEPT")
        self._both("--append OUTPUT -o lo -j ACCEPT")
        self._both("--append OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")
        self._both("--append INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")
        seen = set()
        for local in self._networks:
            self._out(local.device, local.own, local.network)
            if local.device not in seen:
                seen.add(local.device)
                self._run(6, f"--append OUTPUT -o {local.device} -d {_NEIGHBOURS} -j ACCEPT")
        for local in self._networks:
            self._run(local.network.version, f"--append INPUT -i {local.device} -d {local.network} -j ACCEPT")

    def _user_rules(self) -> None:
        """Those of a person's file, which are taken back one by one where one of them fails."""
        if not POST_RULES.exists():
            return
        done: list[str] = []
        try:
            for version, rule in post_rules(POST_RULES.read_text()):
                self._run(version, rule)
                done.append(rule)
        except Failure as error:
            for rule in done:
                with contextlib.suppress(Failure):
                    self._run(4, flipped(rule))
            raise Failure(f"running user defined post firewall rules: {error}") from None

    def _disable(self) -> None:
        """Everything is open."""
        try:
            self._both("--flush")
            self._both("--delete-chain")
            self._policies(4, "ACCEPT")
            self._policies(6, "ACCEPT")
        except Failure as error:
            _log.error(f"failed reversing firewall changes: {error}")

    def _policies(self, version: int, policy: str) -> None:
        for chain in ("INPUT", "OUTPUT", "FORWARD"):
            self._run(version, f"--policy {chain} {policy}")

    def _out(self, device: str, own: str, network: Network) -> None:
        self._run(network.version, f"--append OUTPUT -o {device} -s {own} -d {network} -j ACCEPT")

    def _to_vpn(self, connection: Connection, what: str) -> None:
        address, protocol, port = connection
        for device in dict.fromkeys(route.device for route in self._routes):
            self._run(4, f"{what} OUTPUT -d {address} -o {device} -p {protocol} -m {protocol} --dport {port} -j ACCEPT")

    def _port(self, port: int, device: str, what: str) -> None:
        for protocol in ("tcp", "udp"):
            self._both(f"{what} INPUT -i {device} -p {protocol} -m {protocol} --dport {port} -j ACCEPT")

    def _both(self, instruction: str) -> None:
        self._run(4, instruction)
        self._run(6, instruction)

    def _run(self, version: int, instruction: str) -> None:
        """One call of the program; none where the kernel has no firewall of that version of IP."""
        if not (program := self._programs[version]):
            return
        with self._lock:
            done = subprocess.run([program, *instruction.split()], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise Failure(f'command failed: "{program} {instruction}": {said}: exit status {done.returncode}')


def _supported(name: str, *, needed: bool = True) -> str:
    """The first variant of the program that can change rules: it appends one, deletes it and sets the policy that is there."""
    messages = []
    for program in (name, f"{name}-nft", f"{name}-legacy"):
        if not (message := next(_unsupported(program), "")):
            return program
        messages.append(f"{program}: {message}")
    if all("Permission denied (you must be root)" in message for message in messages):
        raise Failure(f"NET_ADMIN capability is missing: {'; '.join(messages)}")
    if needed:
        raise Failure(f"no iptables supported found: errors encountered are: {'; '.join(messages)}")
    return ""


def _unsupported(program: str) -> Iterator[str]:
    device = "".join(random.choices(string.ascii_lowercase, k=15))
    test = ("OUTPUT", "-o", device, "-j", "DROP")
    for words in (("-A", *test), ("-D", *test), ("-nL", "INPUT")):
        try:
            done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
        except OSError as error:
            yield str(error)
            return
        if done.returncode != 0:
            yield f"{done.stderr.strip()} (exit status {done.returncode})"
    if match := re.search(r"Chain INPUT \(policy (\w+)", done.stdout):
        done = subprocess.run([program, "--policy", "INPUT", match[1]], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield f"{done.stderr.strip()} (exit status {done.returncode})"
