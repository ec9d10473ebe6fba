"""The tunnel: WireGuard in user space, since that is what a kernel without the module leaves, or OpenVPN. Both are real."""

import contextlib
import ipaddress
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from .command import IP, run
from .firewall import Connection
from .log import Failure, Logger
from .settings import MARK, Settings

_PRIORITY = "101"
_SECONDS = 15
_PROCESS_USER = "nonrootuser"


def tunnel_of(settings: Settings, ipv6: bool) -> "WireGuard | OpenVPN":
    """The one that the settings ask for."""
    return WireGuard(settings, ipv6) if settings.kind == "wireguard" else OpenVPN(settings)


class WireGuard:
    """By wireguard-go, which has its memory's limit from GOMEMLIMIT, as the real program has."""

    def __init__(self, settings: Settings, ipv6: bool) -> None:
        self._settings, self._families = settings, ("-6", "-4") if ipv6 else ("-4",)
        self._rules: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._log = Logger("wireguard")

    def connection(self) -> Connection:
        """The outer end; the stand-in knows no servers of its own."""
        if not self._settings.endpoint_ip or not self._settings.public_key:
            raise Failure(f"finding a VPN server: this stand-in has no servers of {self._settings.provider}")
        return self._settings.endpoint_ip, "udp", self._settings.endpoint_port or MARK

    def up(self) -> None:
        """Bring the device up, with the table that leads into it, and last the rule for that table."""
        self._log.info("Using userspace implementation since Kernel support does not exist")
        try:
            self._device_up()
            for family in self._families:
                self._rule(family)
        except Failure:
            self.down()
            raise
        self._log.info("Wireguard setup is complete. Note Wireguard is a silent protocol and it may or may not work.")

    def _device_up(self) -> None:
        settings, device = self._settings, self._settings.device
        if Path(f"/sys/class/net/{device}").exists():
            raise Failure("cannot create TUN device: device or resource busy")
        socket = Path(f"/run/wireguard/{device}.sock")
        socket.unlink(missing_ok=True)  # of a container that was killed
        self._process = subprocess.Popen(["wireguard-go", "--foreground", device], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + _SECONDS
        while not socket.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                raise Failure("cannot create TUN device")
            time.sleep(0.02)
        for address in settings.addresses:
            if ipaddress.ip_interface(address).version == 4 or "-6" in self._families:
                run(IP, "address", "replace", address, "dev", device)
        host, _, port = self.connection()
        where = f"{host}:{port}"
        self._log.info(f"Connecting to {where}")
        with _file("private-key", settings.private_key) as key, _file("preshared-key", settings.preshared_key) as preshared:
            peer = ["peer", settings.public_key, "endpoint", where, "allowed-ips", "0.0.0.0/0,::/0"]
            peer += ["persistent-keepalive", settings.keepalive, *(["preshared-key", preshared] if settings.preshared_key else [])]
            # wireguard-go may hang for good where it is told all at once.
            for told in (["private-key", key], ["fwmark", str(MARK)], peer):
                run("wg", "set", device, *told)
        run(IP, "link", "set", device, "mtu", str(settings.mtu), "up")
        for family in self._families:
            run(IP, family, "route", "add", "default", "dev", device, "table", str(MARK))

    def _rule(self, family: str) -> None:
        version = {"-4": "IPv4", "-6": "IPv6"}[family]
        try:
            run(IP, family, "rule", "add", "priority", _PRIORITY, "not", "fwmark", str(MARK), "table", str(MARK))
        except Failure as error:
            if "File exists" not in str(error):
                raise
            self._log.info("if you are using Kubernetes, this may fix the error below: see adding-ipv6-rule--file-exists in its wiki")
            raise Failure(f"adding {version} rule: adding ip rule {_PRIORITY}: from all to all table {MARK}: file exists") from None
        self._rules.append(family)

    def down(self) -> None:
        """Take away what `up` made; the firewall stays."""
        for family in self._rules:
            with contextlib.suppress(Failure):
                run(IP, family, "rule", "del", "priority", _PRIORITY)
        self._rules = []
        with contextlib.suppress(Failure):
            run(IP, "link", "del", self._settings.device)
        if self._process:
            self._process.terminate()
            self._process.wait()
        Path(f"/run/wireguard/{self._settings.device}.sock").unlink(missing_ok=True)
        while Path(f"/sys/class/net/{self._settings.device}").exists():
            time.sleep(0.05)

    def ended(self) -> str:
        """Why it ended by itself; empty while it does not."""
        code = self._process.poll() if self._process else None
        if code == -signal.SIGKILL:
            # The real one is a single process: what has no memory left is killed as a whole, and cleans nothing up.
            os._exit(128 + signal.SIGKILL)
        return "" if code is None else "device waited for"


class OpenVPN:
    """By the program of that name, from the file that OPENVPN_CUSTOM_CONFIG names."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._log = Logger("openvpn")

    def connection(self) -> Connection:
        """The first `remote` of the file, which has to be an address."""
        lines = [line.split() for line in self._text().splitlines()]
        remote = next((words for words in lines if words[:1] == ["remote"]), None)
        if remote is None:
            raise Failure("finding a valid server connection: extracting connection: remote line not found")
        try:
            address = str(ipaddress.ip_address(remote[1]))
        except ValueError:
            raise Failure(
                f"finding a valid server connection: extracting connection: remote host is not an IP address: {remote[1]}"
            ) from None
        protocol = next((words[1] for words in lines if words[:1] == ["proto"]), remote[3] if len(remote) > 3 else "udp")
        return address, protocol[:3], int(remote[2]) if len(remote) > 2 else 1194

    def _text(self) -> str:
        try:
            return Path(self._settings.openvpn_config).read_text()
        except OSError as error:
            raise Failure(f"extracting connection: reading configuration file: {error}") from None

    def up(self) -> None:
        """Write its file, start it, and wait until its device is there."""
        address, protocol, port = self.connection()
        dropped = ("verb ", "auth-user-pass ", "user ", "proto ", "remote ", "dev ")
        kept = [line for line in self._text().splitlines() if line and not line.startswith(dropped)]
        own = [f"proto {'tcp-client' if protocol == 'tcp' else 'udp'}", f"remote {address} {port}", f"dev {self._settings.device}"]
        own += ["dev-type tun", "auth-nocache", "verb 1", f"user {_PROCESS_USER}", "persist-tun", "persist-key"]
        target = Path("/etc/openvpn/target.ovpn")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join((*kept, *own, "")))
        command = ["openvpn", "--suppress-timestamps", "--config", str(target)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        ready = threading.Event()
        threading.Thread(target=self._stream, args=(self._process, ready), daemon=True).start()
        end = time.monotonic() + _SECONDS
        while not ready.wait(0.1):
            if self._process.poll() is not None or time.monotonic() > end:
                self.down()
                raise Failure("openvpn did not bring its device up")

    def _stream(self, process: "subprocess.Popen[str]", ready: threading.Event) -> None:
        assert process.stdout
        for line in process.stdout:
            self._log.info(line.rstrip())
            if "Initialization Sequence Completed" in line:
                ready.set()

    def down(self) -> None:
        """End it; the firewall stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def ended(self) -> str:
        """Why it ended by itself; empty while it does not."""
        code = self._process.poll() if self._process else None
        return "" if code is None else f"exit status {code}"


def make_process_user(uid: int) -> None:
    """The user that OpenVPN runs as, where nobody has that number."""
    passwd = Path("/etc/passwd")
    if not any(line.split(":")[2:3] == [str(uid)] or line.startswith(f"{_PROCESS_USER}:") for line in passwd.read_text().splitlines()):
        with passwd.open("a") as file:
            file.write(f"{_PROCESS_USER}:x:{uid}:{uid}::/dev/null:/sbin/nologin\n")  # glibc finds nobody without a group


@contextlib.contextmanager
def _file(name: str, text: str) -> Iterator[str]:
    """A file for nobody else, while it is needed."""
    path = Path("/tmp") / name
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    try:
        yield str(path)
    finally:
        path.unlink()
