#!/usr/bin/python3
"""A stand-in for Gluetun: the environment of v3.41.3 for a custom provider, a firewall that denies by default, and a real tunnel.

What of its environment it does not know as Gluetun does is refused. The firewall stands before anything else and is never taken back: it
fails closed. `healthcheck` asks the one that runs. Facts: domain.md 1.3 to 1.7, internal/firewall/enable.go and vpn.go of v3.41.3.
"""

import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DEVICE, MARK = "tun0", 51820
KNOWN = {
    "VPN_SERVICE_PROVIDER", "VPN_TYPE", "WIREGUARD_PRIVATE_KEY_SECRETFILE", "WIREGUARD_ADDRESSES_SECRETFILE", "WIREGUARD_PUBLIC_KEY",
    "WIREGUARD_ENDPOINT_IP", "WIREGUARD_ENDPOINT_PORT", "OPENVPN_CUSTOM_CONFIG", "FIREWALL_INPUT_PORTS", "FIREWALL_OUTBOUND_SUBNETS",
    "HEALTH_SERVER_ADDRESS", "HEALTH_RESTART_VPN", "HEALTH_TARGET_ADDRESSES", "HTTP_CONTROL_SERVER_ADDRESS", "DNS_UPSTREAM_PLAIN_ADDRESSES",
    "HTTP_CONTROL_SERVER_AUTH_CONFIG_FILEPATH", "HTTPPROXY", "SHADOWSOCKS", "VPN_PORT_FORWARDING", "VERSION_INFORMATION", "UPDATER_PERIOD",
    "DNS_UPSTREAM_RESOLVER_TYPE", "TZ",
}  # fmt: skip
"""The names that it takes."""
GIVEN_BY_ENGINE = {"PATH", "HOSTNAME", "HOME", "PWD", "SHLVL", "_", "LC_CTYPE"}
ENV = os.environ


class Refused(Exception):  # noqa: N818  # an outcome
    """What Gluetun would not start with."""


def log(text: str) -> None:
    """A line of the log."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def run(*command: str, given: str | None = None) -> str:
    """What a program prints; raises Refused with what it said where it fails, and where it does not end."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=5)
    except subprocess.TimeoutExpired:
        raise Refused(f"{' '.join(command)} does not end") from None
    if done.returncode != 0:
        raise Refused(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def listed(name: str) -> list[str]:
    """The values of a variable, separated by commas."""
    return [value for value in ENV.get(name, "").replace(" ", "").split(",") if value]


def secret(name: str) -> str:
    """A value that stands in a file."""
    return Path(ENV.get(f"{name}_SECRETFILE", f"/run/secrets/{name.lower()}")).read_text().strip()


def interface() -> tuple[str, str, str, str]:
    """The default device, this namespace's address and network on it, and the router."""
    words = run("ip", "-4", "route", "show", "default").split()
    device, router = words[words.index("dev") + 1], words[words.index("via") + 1]
    own = ipaddress.ip_interface(run("ip", "-4", "-o", "address", "show", "dev", device).split()[3])
    return device, str(own.ip), str(own.network), router


def firewall(endpoint: tuple[str, str, int] | None) -> None:
    """Everything is denied but loopback, answers, local networks, the ports of the group, the tunnel and its outer end; all or nothing."""
    device, own, local, _ = interface()
    rules = [
        "-A INPUT -i lo -j ACCEPT",
        "-A OUTPUT -o lo -j ACCEPT",
        "-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    ]
    if endpoint:
        address, protocol, port = endpoint
        rules.append(f"-A OUTPUT -d {address}/32 -o {device} -p {protocol} -m {protocol} --dport {port} -j ACCEPT")
    rules.append(f"-A OUTPUT -o {DEVICE} -j ACCEPT")
    rules.append(f"-A OUTPUT -s {own}/32 -d {local} -o {device} -j ACCEPT")
    rules.append(f"-A INPUT -d {local} -i {device} -j ACCEPT")
    rules += [f"-A OUTPUT -s {own}/32 -d {ipaddress.ip_network(n)} -o {device} -j ACCEPT" for n in listed("FIREWALL_OUTBOUND_SUBNETS")]
    for number in listed("FIREWALL_INPUT_PORTS"):
        rules += [f"-A INPUT -i {device} -p {p} -m {p} --dport {number} -j ACCEPT" for p in ("tcp", "udp")]
    policies = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n"
    run("iptables-restore", "-w", "5", given=policies + "\n".join(rules) + "\nCOMMIT\n")
    if Path("/proc/net/if_inet6").exists():
        both = ["-A INPUT -i lo -j ACCEPT", "-A OUTPUT -o lo -j ACCEPT"]
        run("ip6tables-restore", "-w", "5", given=policies + "\n".join(both) + "\nCOMMIT\n")


def routes() -> None:
    """What is local goes by its own device, answers to whoever called that device's address too, all else by the tunnel's table."""
    device, own, local, router = interface()
    wanted = [("98", f"to {local}", "lookup main"), ("100", f"from {own}", "lookup 200")]
    run("ip", "route", "replace", "default", "via", router, "dev", device, "table", "200")
    for network in listed("FIREWALL_OUTBOUND_SUBNETS"):
        run("ip", "route", "replace", network, "via", router, "dev", device, "table", "199")
        wanted.append(("99", f"to {network}", "lookup 199"))
    for priority, what, where in wanted:
        if f"{priority}:" not in run("ip", "rule") or what not in run("ip", "rule"):
            run("ip", "rule", "add", "priority", priority, *what.split(), *where.split())


class WireGuard:
    """The tunnel by WireGuard in user space, since that is what a kernel without the module leaves."""

    def __init__(self) -> None:
        self.endpoint = (ENV["WIREGUARD_ENDPOINT_IP"], "udp", int(ENV.get("WIREGUARD_ENDPOINT_PORT", "51820")))
        ipaddress.ip_address(self.endpoint[0])

    def up(self) -> None:
        """Bring the device up, with the table that leads into it."""
        key = Path("/tmp/private-key")
        key.touch(0o600)
        key.write_text(secret("WIREGUARD_PRIVATE_KEY"))
        run("wireguard-go", DEVICE)
        where = f"{self.endpoint[0]}:{self.endpoint[2]}"
        peer = ["peer", ENV["WIREGUARD_PUBLIC_KEY"], "endpoint", where, "allowed-ips", "0.0.0.0/0", "persistent-keepalive", "5"]
        # wireguard-go may hang for good where it is told all at once.
        for told in (["private-key", str(key)], ["fwmark", str(MARK)], peer):
            run("wg", "set", DEVICE, *told)
        key.unlink()
        for address in secret("WIREGUARD_ADDRESSES").split(","):
            run("ip", "address", "add", address.strip(), "dev", DEVICE)
        run("ip", "link", "set", DEVICE, "mtu", "1320", "up")
        run("ip", "route", "replace", "default", "dev", DEVICE, "table", str(MARK))
        # Gluetun fails with "file exists" where the rule was left behind (domain.md 1.6); the catalog's command takes it away before.
        run("ip", "rule", "add", "priority", "101", "not", "fwmark", str(MARK), "table", str(MARK))

    def down(self) -> None:
        """Take it away; the firewall stays."""
        subprocess.run(["ip", "rule", "del", "table", str(MARK)], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", DEVICE], capture_output=True, check=False)
        Path(f"/run/wireguard/{DEVICE}.sock").unlink(missing_ok=True)
        while DEVICE in [path.name for path in Path("/sys/class/net").iterdir()]:
            time.sleep(0.05)


class OpenVPN:
    """The tunnel by OpenVPN, from the file that OPENVPN_CUSTOM_CONFIG names."""

    def __init__(self) -> None:
        self.text = Path(ENV["OPENVPN_CUSTOM_CONFIG"]).read_text()
        lines = [line.split() for line in self.text.splitlines()]
        remote = next((words for words in lines if words[:1] == ["remote"]), None)
        if remote is None:
            raise Refused("the custom configuration names no remote")
        protocol = next((words[1] for words in lines if words[:1] == ["proto"]), "udp")
        port = int(remote[2]) if len(remote) > 2 else 1194
        self.endpoint = (str(ipaddress.ip_address(remote[1])), protocol[:3], port)
        self.process: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        """Start it, and wait for its device."""
        Path("/etc/openvpn/target.ovpn").write_text(f"{self.text}\ndev {DEVICE}\ndev-type tun\n")
        self.process = subprocess.Popen(["openvpn", "--config", "/etc/openvpn/target.ovpn"])
        end = time.monotonic() + 15
        while f"dev {DEVICE}" not in run("ip", "route"):
            if self.process.poll() is not None or time.monotonic() > end:
                raise Refused("openvpn did not bring its device up")
            time.sleep(0.1)

    def down(self) -> None:
        """End it; the firewall stays."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


class Gateway:
    """The tunnel, and whether the outside is reached through it."""

    def __init__(self) -> None:
        unknown = set(ENV) - KNOWN - GIVEN_BY_ENGINE
        if unknown:
            raise Refused(f"this stand-in knows nothing of {', '.join(sorted(unknown))}")
        if ENV.get("VPN_SERVICE_PROVIDER") != "custom":
            raise Refused("this stand-in has no provider but custom")
        kinds: dict[str, type[WireGuard | OpenVPN]] = {"wireguard": WireGuard, "openvpn": OpenVPN}
        self.tunnel = kinds[ENV.get("VPN_TYPE", "openvpn")]()
        self.why = "it was not asked yet"

    def work(self) -> None:
        """Keep the tunnel up: where nothing of the outside answers any more it is made anew, inside this container."""
        failures = 0
        while True:
            self.why = "the tunnel is being made"
            try:
                self.tunnel.up()
                log("the tunnel is up")
            except (Refused, OSError) as error:
                self.why = str(error)
                log(f"no tunnel: {error}")
                failures = 99
            while failures < 3:
                self.why = self.asked()
                failures = failures + 1 if self.why else 0
                time.sleep(1)
            if ENV.get("HEALTH_RESTART_VPN", "on") == "on":
                log(f"restarting the VPN: {self.why}")
                self.tunnel.down()
                time.sleep(0.5)
                failures = 0

    def asked(self) -> str:
        """Why the outside can't be reached; empty where it can."""
        said = "no target of HEALTH_TARGET_ADDRESSES"
        for target in listed("HEALTH_TARGET_ADDRESSES"):
            host, _, port = target.rpartition(":")
            try:
                socket.create_connection((host, int(port)), timeout=2).close()
                return ""
            except OSError as error:
                said = f"{target}: {error}"
        return said


def served(address: str, answer: "type[BaseHTTPRequestHandler]") -> None:
    """Answer there, in a thread."""
    host, _, port = address.rpartition(":")
    threading.Thread(target=ThreadingHTTPServer((host, int(port)), answer).serve_forever, daemon=True).start()


def resolver() -> None:
    """Names without a dot are the engine's, all others are asked through the tunnel; who shares the namespace shares /etc/resolv.conf."""
    upstream = listed("DNS_UPSTREAM_PLAIN_ADDRESSES") or ["10.64.0.1:53"]
    path = Path("/etc/resolv.conf")
    lines = path.read_text().splitlines()
    engines = [words[1] for words in map(str.split, lines) if words[:1] == ["nameserver"] and words[1] != "127.0.0.1"] or ["127.0.0.11"]
    servers = [f"--server=//{server}" for server in engines]
    servers += [f"--server={host}#{port}" for host, _, port in (u.rpartition(":") for u in upstream)]
    options = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root"]
    subprocess.Popen(["dnsmasq", *options, "--pid-file=", *servers])
    kept = [line for line in lines if not line.startswith("nameserver")]
    path.write_text("\n".join(["nameserver 127.0.0.1", *kept]) + "\n")


def main() -> int:
    """Run the gateway, or ask the one that runs."""
    if sys.argv[1:] == ["healthcheck"]:
        with urllib.request.urlopen(f"http://{ENV.get('HEALTH_SERVER_ADDRESS', '127.0.0.1:9999')}/", timeout=5) as answer:
            return 0 if answer.status == 200 else 1
    firewall(None)
    gateway = Gateway()
    firewall(gateway.tunnel.endpoint)
    routes()

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """200 where the outside is reached, 500 and why where it is not."""
            body = gateway.why.encode()
            self.send_response(500 if body else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Asked every few seconds: nothing to tell."""

    class Control(Health):
        def do_GET(self) -> None:
            """What wants a key, which nobody has here."""
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

    served(ENV.get("HEALTH_SERVER_ADDRESS", "127.0.0.1:9999"), Health)
    served(ENV.get("HTTP_CONTROL_SERVER_ADDRESS", "127.0.0.1:8000"), Control)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    resolver()
    gateway.work()
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Refused, KeyError, OSError, ValueError) as error:
        log(f"ERROR {json.dumps(str(error))}")
        sys.exit(1)
