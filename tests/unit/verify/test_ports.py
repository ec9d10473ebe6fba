"""The contract `ports` calls published ports as browsers do: by each name of the host."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from portable.live.view import PublishedAddress
from portable.model import plan as p
from portable.model.exposures import Exposure, Lan, Loopback
from portable.verify.ports import CONTRACT
from tests.factories import app, plan
from tests.unit.verify.fake import FakeStack


class Checking(BaseHTTPRequestHandler):
    """A page with a host check, like qBittorrent's."""

    known: frozenset[str] = frozenset()
    refusal = 401
    asked: tuple[str, ...] = ()

    def do_GET(self) -> None:
        """Let in who comes by a known name."""
        host = self.headers["Host"]
        type(self).asked += (host,)
        self.send_response(200 if host.rpartition(":")[0] in self.known else self.refusal)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def page() -> Iterator[tuple[type[Checking], int]]:
    """The page, and the port on which it answers."""
    kind = type("Page", (Checking,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield kind, server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def stack(number: int, how: Loopback | Lan, address: str = "") -> FakeStack:
    web = (p.Port(name="web", number=8080, serves="http"),)
    made = FakeStack(plan(app(ports=web), exposures=(Exposure(app="demo", port="web", how=how),)), here=True, host="127.0.0.1")
    made.changes["demo"] = {"published": (PublishedAddress(address=address, number=number, protocol="tcp", inside=8080),)}
    made.names = ("nas.lan", "fd00::2")
    return made


def test_names_are_called_side_by_side(page: tuple[type[Checking], int]) -> None:
    """A page that hangs for some names must not take five seconds for each."""
    kind, number = page
    together = threading.Barrier(2)

    def wait(self: Checking) -> None:
        if not self.headers["Host"].startswith("demo"):
            together.wait(timeout=4)  # alone, the first name would wait for the second one in vain
        self.send_response(200)
        self.end_headers()

    kind.do_GET = wait  # type: ignore[method-assign]
    (held,) = CONTRACT.tried(stack(number, Lan(number=number)))
    assert (held.verdict, held.text) == ("holds", f"port {number} answers")


@pytest.mark.parametrize("refusal", [400, 401, 403, 421])
def test_a_name_that_the_app_refuses_is_broken(page: tuple[type[Checking], int], refusal: int) -> None:
    kind, number = page
    kind.known, kind.refusal = frozenset({"demo", "[fd00::2]"}), refusal
    (held,) = CONTRACT.tried(stack(number, Lan(number=number)))
    assert (held.verdict, held.subject) == ("broken", "demo")
    assert "nas.lan" in held.text
    assert "fd00::2" not in held.text
    assert "portable wire" in held.remedy
    kind.known |= {"nas.lan"}
    (held,) = CONTRACT.tried(stack(number, Lan(number=number)))
    assert (held.verdict, held.subject) == ("holds", "demo")


def test_an_app_that_asks_everybody_for_a_login_refuses_no_name(page: tuple[type[Checking], int]) -> None:
    _, number = page
    (held,) = CONTRACT.tried(stack(number, Lan(number=number)))
    assert held.verdict == "holds"


def test_on_loopback_nobody_comes_by_a_name_of_the_host(page: tuple[type[Checking], int]) -> None:
    kind, number = page
    (held,) = CONTRACT.tried(stack(number, Loopback(number=number), "127.0.0.1"))
    assert (held.verdict, kind.asked) == ("holds", (f"demo:{number}",))
