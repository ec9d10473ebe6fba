"""`python3 -m gluetun`: run the gateway, in the order of the real one; `healthcheck` asks the one that runs."""

import os
import signal
import sys
import threading
from pathlib import Path

from . import control, health, routing, tunnel
from .dns import Resolver
from .firewall import Firewall
from .forwarding import Forwarding
from .log import Failure, Logger
from .settings import Settings, read, validate
from .vpn import Loop

_GRACE_SECONDS = 5
_SIGNALS: dict[int, str] = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupt"}
_log = Logger()


def main() -> int:
    """Its exit code."""
    if sys.argv[1:] == ["healthcheck"]:
        health.ask(read(os.environ).health_address)
        return 0
    if sys.argv[1:]:
        raise Failure(f"command is unknown: {sys.argv[1]}")
    told = threading.Event()
    for number in _SIGNALS:
        signal.signal(number, lambda number, _: _end(number, told))
    settings = read(os.environ)
    routes, networks = routing.default_routes(), routing.local_networks()
    firewall = Firewall(routes, networks)
    if settings.firewall:
        firewall.enable()
    ipv6 = routing.ipv6_supported()
    validate(settings, ipv6)
    _log.info(f"IPtables version: {firewall.version()}")
    for folder in ("/tmp/gluetun", "/gluetun"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    tunnel.make_process_user(settings.puid)
    routes_of_its_own = routing.Routing()
    routes_of_its_own.set_up()
    try:
        return _run(settings, ipv6, firewall, routes_of_its_own, routes, networks, told)
    finally:
        routes_of_its_own.tear_down()


def _run(
    settings: Settings,
    ipv6: bool,
    firewall: Firewall,
    routes_of_its_own: routing.Routing,
    routes: list[routing.DefaultRoute],
    networks: list[routing.LocalNetwork],
    told: threading.Event,
) -> int:
    """With the namespace prepared; until it is told to end."""
    firewall.set_outbound(settings.outbound)
    routes_of_its_own.set_outbound(settings.outbound)
    routes_of_its_own.add_local(networks)
    for port in settings.input_ports:
        for route in routes:
            firewall.allow_port(port, route.device)
    forwarding = Forwarding(settings, firewall)
    resolver = Resolver(settings)
    resolver.before_the_tunnel()
    server = health.HealthServer(settings.health_address)
    loop = Loop(settings, firewall, tunnel.tunnel_of(settings, ipv6), resolver, server, forwarding)
    control.serve(settings.control_address, control.roles_of(Path(settings.control_auth)), _answers(settings, loop, forwarding))
    work = threading.Thread(target=loop.run, daemon=True)
    work.start()
    told.wait()
    loop.end()
    work.join(_GRACE_SECONDS)
    return 0


def _answers(settings: Settings, loop: Loop, forwarding: Forwarding) -> control.Answers:
    """The routes that something of `portable` may read, in the words of the real one."""
    shown = {
        "type": settings.kind,
        "provider": {
            "name": settings.provider,
            "port_forwarding": {"enabled": settings.forwarding, "provider": settings.forwarding_provider},
        },
    }
    return {
        "GET /v1/version": lambda _: {"version": "v3.41.3", "commit": "stand-in", "created": ""},
        "GET /v1/vpn/status": lambda _: {"status": loop.status},
        "PUT /v1/vpn/status": loop.apply,
        "GET /v1/vpn/settings": lambda _: shown,
        "GET /v1/portforward": lambda _: {"port": next(iter(forwarding.ports), 0), "ports": forwarding.ports},
        "GET /v1/dns/status": lambda _: {"status": "running"},
        "GET /v1/publicip/ip": lambda _: {"public_ip": ""},
    }


def _end(number: int, told: threading.Event) -> None:
    _log.warn(f"Caught OS signal {_SIGNALS[number]}, shutting down")
    told.set()


if __name__ == "__main__":
    try:
        code = main()
    except (Failure, OSError) as error:
        _log.error(str(error))
        code = 1
    if code or not sys.argv[1:]:
        _log.info("Shutdown successful")
    os._exit(code)  # threads that answer somebody still
