"""Port forwarding as ProtonVPN does it: a port is asked of the tunnel's other end by NAT-PMP (RFC 6886), again and again."""

import contextlib
import os
import socket
import struct
import threading
from pathlib import Path

from .command import run_for_ports
from .firewall import Firewall
from .log import Failure, Logger
from .routing import vpn_gateway
from .settings import Settings

PORT = 5351
LIFETIME = 60
UDP, TCP = 1, 2
_REFRESH_MINUTES = 0.75
_RETRY_SECONDS = 5
_TRIES = 9
_log = Logger("port forwarding")


def mapping(protocol: int, internal: int, external: int, lifetime: int = LIFETIME) -> bytes:
    """A request for a port (RFC 6886, 3.3)."""
    return struct.pack(">BBHHHI", 0, protocol, 0, internal, external, lifetime)


def mapped(answer: bytes, protocol: int) -> tuple[int, int, int]:
    """Internal port, external port and lifetime of an answer; raises Failure where it says no."""
    if len(answer) != 16 or answer[0] != 0 or answer[1] != 128 + protocol:
        raise Failure("checking response: response is not for this request")
    _, _, result, _, internal, external, lifetime = struct.unpack(">BBHIHHI", answer)
    if result != 0:
        raise Failure(f"checking response: result code {result}")
    return internal, external, lifetime


def external_address(answer: bytes) -> str:
    """The address in the answer to two bytes of zero (RFC 6886, 3.2)."""
    if len(answer) != 12 or answer[1] != 128 or answer[2:4] != b"\0\0":
        raise Failure("checking response: response is not for this request")
    return socket.inet_ntoa(answer[8:12])


def asked(gateway: str, request: bytes) -> bytes:
    """What the gateway answers; each try waits twice as long as the one before."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect((gateway, PORT))
        seconds = 0.25
        for _ in range(_TRIES):
            udp.settimeout(seconds)
            try:
                udp.send(request)
                return udp.recv(16)
            except TimeoutError:
                seconds *= 2
            except OSError as error:
                raise Failure(f"executing remote procedure call: reading from udp connection: {error}") from None
    raise Failure("executing remote procedure call: connection timeout")


class Forwarding:
    """One port while the tunnel is up: opened in the firewall, written to a file, told to a person's command."""

    def __init__(self, settings: Settings, firewall: Firewall) -> None:
        self._settings, self._firewall = settings, firewall
        self.ports: list[int] = []
        self._lock = threading.Lock()

    def work(self, over: threading.Event) -> None:
        """Until that is over: ask for a port, keep it, and begin anew where that fails."""
        first = True
        while self._settings.forwarding and not over.is_set():
            try:
                gateway = self._start()
            except Failure as error:
                retry = "" if first else f" - retrying in {_RETRY_SECONDS}s"
                (Logger("vpn") if first else _log).error(f"starting port forwarding service: {error}{retry}")
                if first:
                    return
                over.wait(_RETRY_SECONDS)
                continue
            first = False
            try:
                self._keep(gateway, over)
            except Failure as error:
                self.stop(quietly=True)
                _log.error(str(error))

    def _start(self) -> str:
        settings = self._settings
        _log.info("starting")
        chosen = settings.forwarding_provider or settings.provider
        if chosen != "protonvpn":
            raise Failure(f"port forwarding for the first time: this stand-in has no port forwarding of {chosen}")
        gateway = vpn_gateway(settings.device)
        try:
            _log.info(f"gateway external IPv4 address is {external_address(asked(gateway, bytes(2)))}")
            ports = [mapped(asked(gateway, mapping(protocol, 0, 1)), protocol)[1] for protocol in (UDP, TCP)]
        except Failure as error:
            raise Failure(f"port forwarding for the first time: {error}") from None
        if ports[0] != ports[1]:
            _log.warn(f"UDP external port {ports[0]} differs from TCP external port {ports[1]}")
        port = ports[1]
        _log.info(f"port forwarded is {port}")
        self._firewall.allow_port(port, settings.device)
        self._write([port])
        self.ports = [port]
        if settings.forwarding_up:
            try:
                run_for_ports(settings.forwarding_up, self.ports, settings.device, _log)
            except Failure as error:
                _log.error(f"running up command: {error}")
        return gateway

    def _keep(self, gateway: str, over: threading.Event) -> None:
        port = self.ports[0]
        while not over.wait(_REFRESH_MINUTES * self._settings.minute):
            for protocol in (UDP, TCP):
                try:
                    external = mapped(asked(gateway, mapping(protocol, 0, port)), protocol)[1]
                except Failure as error:
                    raise Failure(f"adding port mapping: {error}") from None
                if external != port:
                    raise Failure(f"external port changed: {port} changed to {external}")

    def stop(self, *, quietly: bool = False) -> None:
        """Close the port, and tell the command for that."""
        with self._lock:
            if not self.ports:
                return
            if not quietly:
                _log.info("stopping")
            if self._settings.forwarding_down:
                try:
                    run_for_ports(self._settings.forwarding_down, self.ports, self._settings.device, _log)
                except Failure as error:
                    _log.error(f"running down command: {error}")
            for port in self.ports:
                self._firewall.remove_port(port)
            self.ports = []
            self._write([])

    def _write(self, ports: list[int]) -> None:
        path = Path(self._settings.forwarding_file)
        _log.info(f"{'writing' if ports else 'clearing'} port file {path}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.write_text("\n".join(str(port) for port in ports))
            os.chown(path, self._settings.puid, self._settings.pgid)
        except OSError as error:
            raise Failure(f"writing port file: {error}") from None
