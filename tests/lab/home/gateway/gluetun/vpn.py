"""The loop that keeps the tunnel up: made anew where health fails or where it ends, and retried for ever with a growing back-off."""

import json
import queue
import threading
from typing import Any

from .dns import Resolver
from .firewall import Firewall
from .forwarding import Forwarding
from .health import Checker, HealthServer
from .log import Failure, Logger
from .settings import Settings
from .tunnel import OpenVPN, WireGuard

_BACK_OFF_SECONDS = 15
_log = Logger("vpn")


class Loop:
    """The tunnel and what belongs to it while it is up."""

    def __init__(
        self,
        settings: Settings,
        firewall: Firewall,
        tunnel: WireGuard | OpenVPN,
        resolver: Resolver,
        health: HealthServer,
        forwarding: Forwarding,
    ) -> None:
        self._settings, self._firewall, self._tunnel = settings, firewall, tunnel
        self._resolver, self._health, self._forwarding = resolver, health, forwarding
        self._checker = Checker(settings, lambda: resolver.server)
        self._told: queue.Queue[str] = queue.Queue()
        self._ending, self._over = threading.Event(), threading.Event()
        self.status = "stopped"

    def run(self) -> None:
        """Until `end` is called."""
        seconds = _BACK_OFF_SECONDS
        while not self._ending.is_set():
            try:
                self._firewall.set_connection(self._tunnel.connection(), self._settings.device)
                self._tunnel.up()
            except Failure as error:
                self._crashed(str(error), seconds)
                seconds *= 2
                continue
            seconds, self.status, self._over = _BACK_OFF_SECONDS, "running", threading.Event()
            threading.Thread(target=self._on_up, args=(self._over,), daemon=True).start()
            why = self._until_told()
            self._cleanup()
            if why == "stop":
                self.status = "stopped"
                while not self._ending.is_set() and self._next() != "start":
                    pass
                _log.info("starting")
            elif not self._ending.is_set():
                self._crashed(why, seconds)
                seconds *= 2

    def end(self) -> None:
        """Take the tunnel away, for good."""
        self._ending.set()
        self._over.set()

    def apply(self, body: bytes) -> Any:
        """What the control server is asked for: `{"status": "stopped"}` or `running`."""
        status = json.loads(body).get("status")
        if status not in ("stopped", "running"):
            raise ValueError(f"invalid status: {status}: possible values are: stopped, running")
        if status == self.status:
            return {"outcome": f"already {status}"}
        self._told.put("stop" if status == "stopped" else "start")
        return {"outcome": status}

    def _until_told(self) -> str:
        """Why this tunnel is over."""
        while not self._ending.is_set():
            if self._next() == "stop":
                _log.info("stopping")
                return "stop"
            if why := self._tunnel.ended():
                return why
        return ""

    def _next(self) -> str:
        try:
            return self._told.get(timeout=0.2)
        except queue.Empty:
            return ""

    def _crashed(self, why: str, seconds: int) -> None:
        self.status = "crashed"
        _log.error(why)
        _log.info(f"retrying in {seconds}s")
        self._ending.wait(seconds)

    def _cleanup(self) -> None:
        self._over.set()
        for port in self._settings.vpn_input_ports:
            self._firewall.remove_port(port)
        self._forwarding.stop()
        self._tunnel.down()

    def _on_up(self, over: threading.Event) -> None:
        """The checks, the name server, the forwarded port."""
        for port in self._settings.vpn_input_ports:
            self._firewall.allow_port(port, self._settings.device)
        self._health.why = self._checker.at_start()
        if over.is_set():
            return
        if self._health.why and self._settings.health_restart:
            self._restart(self._health.why)
            return
        threading.Thread(target=self._checker.watch, args=(over, self._heard), daemon=True).start()
        try:
            self._resolver.serve()
        except (Failure, OSError) as error:
            Logger("dns").warn(str(error))
        self._forwarding.work(over)

    def _heard(self, why: str) -> bool:
        """What a check said; whether there shall be more of them."""
        failed_before, self._health.why = bool(self._health.why), why
        if why and self._settings.health_restart:
            self._restart(why)
            return False
        if why:
            _log.warn(f"(ignored) healthcheck failed: {why}")
        elif failed_before:
            _log.info("healthcheck passed successfully after previous failure(s)")
        return True

    def _restart(self, why: str) -> None:
        _log.warn(f"restarting VPN because it failed to pass the healthcheck: {why}")
        _log.info("👉 See https://github.com/qdm12/gluetun-wiki/blob/main/faq/healthcheck.md")
        _log.info("DO NOT OPEN AN ISSUE UNLESS YOU HAVE READ AND TRIED EVERY POSSIBLE SOLUTION")
        self._told.put("stop")
        self._told.put("start")
