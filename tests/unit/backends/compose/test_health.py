"""Probes as a health check; the shell tests are run."""

import http.server
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from portable.backends.common import PlacedContainer
from portable.backends.compose.health import health
from portable.model import plan as p
from tests.factories import app, container


def placed(**changes: Any) -> PlacedContainer:
    demo = app("demo", containers=(container(**changes),))
    return PlacedContainer("apps.demo.containers.main", demo.containers[0], app=demo)


def test_no_probe_leaves_the_images_own_check() -> None:
    assert health(placed()).keys == {}


def test_ready_is_asked_and_startup_gives_time() -> None:
    probes = p.Probes(
        startup=p.Check(how=p.Exec(command=("started",)), period=5, failures=60),
        ready=p.Check(how=p.Exec(command=("ready",)), period=15, timeout=7, failures=4),
        live=p.Check(how=p.Exec(command=("live",))),
    )
    part = health(placed(probes=probes))
    assert part.keys["healthcheck"] == {
        "test": ["CMD", "ready"],
        "interval": "5s",
        "timeout": "7s",
        "retries": 12,
        "start_period": "300s",
    }
    assert {finding.path.removeprefix("apps.demo.containers.main.probes.") for finding in part.findings} == {
        "startup.how",
        "startup.timeout",
        "live",
    }


def test_startup_alone_is_asked_for_good() -> None:
    part = health(placed(probes=p.Probes(startup=p.Check(how=p.Exec(command=("up",)), period=2, failures=30))))
    assert part.keys["healthcheck"]["test"] == ["CMD", "up"]
    assert part.keys["healthcheck"]["start_period"] == "60s"
    assert part.findings == ()


def test_live_alone_is_asked_and_restarts_nothing() -> None:
    part = health(placed(probes=p.Probes(live=p.Check(how=p.Exec(command=("live",))))))
    assert part.keys["healthcheck"]["test"] == ["CMD", "live"]
    assert [finding.path for finding in part.findings] == ["apps.demo.containers.main.probes.live"]


def test_an_image_without_client_is_asked_for_its_port_only() -> None:
    part = health(placed(probes=p.Probes(ready=p.Check(how=p.Http(port="web", path="/ping")))))
    assert ":1F40 0A" in part.keys["healthcheck"]["test"][1]
    assert [(finding.class_, finding.path) for finding in part.findings] == [("function", "apps.demo.containers.main.probes.ready.how")]


def test_a_client_that_nobody_needs_is_told() -> None:
    assert [finding.field for finding in health(placed(fetch="curl")).findings] == ["containers.fetch"]


def test_an_unknown_port_is_refused() -> None:
    part = health(placed(probes=p.Probes(ready=p.Check(how=p.Tcp(port="nowhere")))))
    assert [(finding.verdict, finding.code) for finding in part.findings] == [("refused", "network.port-unknown")]
    assert "'nowhere'" in part.findings[0].text


@contextmanager
def answering(status: int, elsewhere: int | None = None) -> Iterator[int]:
    """Answer with a status, and with another one where that leads."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if elsewhere is None or self.path != "/base/ping" else elsewhere)
            self.send_header("Location", "/base/ping")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def run(check: p.Http | p.Tcp, number: int, fetch: str) -> int:
    """What the check says, run by this machine's shell."""
    demo = app(
        "demo",
        ports=(p.Port(name="web", number=number),),
        containers=(container(fetch=fetch, probes=p.Probes(ready=p.Check(how=check))),),
    )
    test = health(PlacedContainer("x", demo.containers[0], app=demo)).keys["healthcheck"]["test"]
    assert test[0] == "CMD-SHELL"
    return subprocess.run(["sh", "-c", test[1]], check=False, capture_output=True, timeout=20).returncode


@pytest.mark.parametrize("fetch", ["curl", "wget"])
@pytest.mark.parametrize(
    ("status", "ok", "healthy"),
    [(200, (200,), True), (401, (200, 401), True), (302, (200,), False), (302, (302,), True), (500, (200,), False)],
)
def test_answers(fetch: str, status: int, ok: tuple[int, ...], healthy: bool) -> None:
    with answering(status) as number:
        assert (run(p.Http(port="web", path="/ping?a=1&b='", ok=ok), number, fetch) == 0) == healthy


@pytest.mark.parametrize("fetch", ["curl", "wget"])
@pytest.mark.parametrize(
    ("elsewhere", "ok", "healthy"), [(200, (200,), True), (500, (200,), False), (404, (200, 307), True), (401, (200, 401), True)]
)
def test_an_app_below_a_url_base(fetch: str, elsewhere: int, ok: tuple[int, ...], healthy: bool) -> None:
    """Programs of the Servarr family redirect `/ping` to their base, whose answer counts, unless the redirect itself is enough."""
    with answering(307, elsewhere) as number:
        assert (run(p.Http(port="web", path="/ping", ok=ok), number, fetch) == 0) == healthy


@pytest.mark.parametrize("fetch", ["curl", "wget", "none"])
def test_nobody_there_is_unhealthy(fetch: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert run(p.Http(port="web", path="/"), taken.getsockname()[1], fetch) != 0


def test_a_listening_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert run(p.Tcp(port="web"), listening.getsockname()[1], "none") == 0
