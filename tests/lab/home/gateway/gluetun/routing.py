"""Routes and rules: callers are answered where they called, local networks stay local, outbound subnets go by the router."""

import contextlib
import ipaddress
import json
from dataclasses import dataclass
from typing import Any

from .command import IP, run
from .log import Failure, Logger
from .settings import Network

_INBOUND, _OUTBOUND, _MAIN = ("100", "200"), ("99", "199"), ("98", "254")
"""Priority of the rule and number of the table."""
_log = Logger("routing")


@dataclass(frozen=True)
class DefaultRoute:
    """A way to everywhere, with this namespace's address on its device."""

    device: str
    router: str
    own: str

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_address(self.own).version


@dataclass(frozen=True)
class LocalNetwork:
    """A network that a device is in."""

    network: Network
    device: str
    own: str


def _asked(version: int, *words: str) -> list[dict[str, Any]]:
    said = run(IP, "-j", f"-{version}", *words).strip()
    return json.loads(said) if said else []


def assigned(device: str, version: int) -> str:
    """The first address of a device."""
    for link in _asked(version, "address", "show", "dev", device):
        for address in link.get("addr_info", []):
            if "local" in address:
                return str(address["local"])
    raise Failure(f"IP address not found for interface: interface {device}")


def default_routes() -> list[DefaultRoute]:
    """Those of the main table, in both families."""
    found = []
    for version in (4, 6):
        for route in _asked(version, "route", "show", "table", "main"):
            if route["dst"] == "default" and "gateway" in route:
                one = DefaultRoute(route["dev"], route["gateway"], assigned(route["dev"], version))
                _log.info(
                    f"default route found: interface {one.device}, gateway {one.router}, assigned IP {one.own} and family v{one.version}"
                )
                found.append(one)
    if not found:
        raise Failure("default route not found")
    return found


def local_networks() -> list[LocalNetwork]:
    """Those that the main table reaches by a device of kind Ethernet, without a router."""
    ethernet = [link["ifname"] for link in json.loads(run(IP, "-j", "link", "show")) if link.get("link_type") == "ether"]
    for name in ethernet:
        _log.info(f"local ethernet link found: {name}")
    found = []
    for version in (4, 6):
        for route in _asked(version, "route", "show", "table", "main"):
            if route["dst"] != "default" and "gateway" not in route and route.get("dev") in ethernet:
                network = ipaddress.ip_network(route["dst"], strict=False)
                _log.info(f"local ipnet found: {network}")
                found.append(LocalNetwork(network, route["dev"], assigned(route["dev"], version)))
    if not found:
        raise Failure("local subnet not found")
    return found


def ipv6_supported() -> bool:
    """Whether any route is IPv6's, but that of the loopback address."""
    return any(route["dst"] not in ("default", "::1") for route in _asked(6, "route", "show", "table", "all"))


class Routing:
    """The rules that the gateway makes, and takes away when it is told to end."""

    def __init__(self) -> None:
        self._outbound: list[Network] = []

    def set_up(self) -> None:
        """Answers to who called the default device's address leave by it."""
        for route in default_routes():
            self._rule(route.version, f"from {route.own}", *_INBOUND)
            _log.info(f"adding route for {'0.0.0.0/0' if route.version == 4 else '::/0'}")
            run(IP, f"-{route.version}", "route", "replace", "default", "via", route.router, "dev", route.device, "table", _INBOUND[1])

    def set_outbound(self, subnets: tuple[Network, ...]) -> None:
        """Subnets that are reached by the router instead of the tunnel."""
        for subnet in subnets:
            for route in default_routes():
                if route.version == subnet.version:
                    _log.info(f"adding route for {subnet}")
                    way = ("via", route.router, "dev", route.device, "table", _OUTBOUND[1])
                    run(IP, f"-{subnet.version}", "route", "replace", str(subnet), *way)
                    self._rule(subnet.version, f"to {subnet}", *_OUTBOUND)
                    self._outbound.append(subnet)

    def add_local(self, networks: list[LocalNetwork]) -> None:
        """Local networks by the main table; these rules are never taken away."""
        for local in networks:
            self._rule(local.network.version, f"to {local.network}", *_MAIN)

    def tear_down(self) -> None:
        """Take away the rules and routes for what comes in and for outbound subnets."""
        _log.info("routing cleanup...")
        for route in default_routes():
            _log.info(f"deleting route for {'0.0.0.0/0' if route.version == 4 else '::/0'}")
            run(IP, f"-{route.version}", "route", "del", "default", "via", route.router, "dev", route.device, "table", _INBOUND[1])
            self._unrule(route.version, f"from {route.own}", *_INBOUND)
        for subnet in self._outbound:
            _log.info(f"deleting route for {subnet}")
            with contextlib.suppress(Failure):
                run(IP, f"-{subnet.version}", "route", "del", str(subnet), "table", _OUTBOUND[1])
                self._unrule(subnet.version, f"to {subnet}", *_OUTBOUND)

    def _rule(self, version: int, what: str, priority: str, table: str) -> None:
        """Add it where it is not there yet."""
        if not self._has(version, what, priority):
            run(IP, f"-{version}", "rule", "add", "priority", priority, *what.split(), "lookup", table)

    def _unrule(self, version: int, what: str, priority: str, table: str) -> None:
        run(IP, f"-{version}", "rule", "del", "priority", priority, *what.split(), "lookup", table)

    @staticmethod
    def _has(version: int, what: str, priority: str) -> bool:
        lines = run(IP, f"-{version}", "rule", "show").splitlines()
        return any(line.startswith(f"{priority}:") and f"{what.removesuffix('/32')} " in f"{line} " for line in lines)


def vpn_gateway(device: str) -> str:
    """The other end of the tunnel: the router of its default route, or the address of the device with 1 at its end."""
    for route in _asked(4, "route", "show", "table", "all", "dev", device):
        if "gateway" in route and route["dst"] in ("default", "0.0.0.0/1"):
            return str(route["gateway"])
    return assigned(device, 4).rpartition(".")[0] + ".1"
