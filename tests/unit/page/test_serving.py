"""The served page: what is answered, to whom, how often facts are collected, and which addresses are refused."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from portable.model.errors import PortableError, UsageError
from portable.page.facts import PageFacts
from portable.page.serving import FRESH_SECONDS, FreshFacts, PageServer, listen_address, server
from tests.unit.page.test_forms import facts


@contextmanager
def served(collect: Callable[[], PageFacts] = facts, *, names: tuple[str, ...] = ()) -> Iterator[PageServer]:
    with server(listen_address("127.0.0.1:0"), collect, names=names) as opened:
        thread = threading.Thread(target=opened.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield opened
        finally:
            opened.shutdown()
            thread.join()


def asked(opened: PageServer, path: str = "/", *, method: str = "GET", host: str | None = None) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", opened.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    if host != "":
        connection.putheader("Host", host or f"127.0.0.1:{opened.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def test_the_page_and_its_facts_are_served_and_nothing_else() -> None:
    with served() as opened:
        status, headers, body = asked(opened)
        assert (status, headers["Content-Type"], body.startswith("<!doctype html>")) == (200, "text/html; charset=utf-8", True)
        assert headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        status, headers, body = asked(opened, "/page.json?x=1")
        assert (status, headers["Content-Type"], json.loads(body)["schema"]) == (200, "application/json; charset=utf-8", "portable/page/1")
        assert asked(opened, method="HEAD")[2] == ""
        for path in ("/etc/passwd", "/../x", "//x", "/page.html"):
            assert asked(opened, path)[0] == 404, path
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert asked(opened, method=method)[0] == 501, method


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8480", 200),
        ("LOCALHOST", 200),
        ("192.168.1.5:8480", 200),
        ("[::1]:8480", 200),
        ("nas.lan", 200),
        ("evil.example:8480", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("[bad", 421),
    ],
)
def test_a_name_of_another_site_gets_nothing(host: str, status: int) -> None:
    """A page of that site could point its name to this address, and read the answer (DNS rebinding)."""
    with served(names=("NAS.lan",)) as opened:
        found = asked(opened, host=host)
    assert found[0] == status
    assert ("media in nas" in found[2]) == (status == 200)


def test_facts_are_collected_once_while_they_are_fresh_and_an_error_is_not_kept() -> None:
    now, count = [0.0], [0]

    def collect() -> PageFacts:
        count[0] += 1
        if count[0] == 3:
            raise PortableError("a mistake", code="value.type")
        return facts()

    fresh = FreshFacts(collect, clock=lambda: now[0])
    fresh()
    now[0] = FRESH_SECONDS - 1
    fresh()
    assert count == [1]
    now[0] = FRESH_SECONDS
    fresh()
    assert count == [2]
    now[0] = 2 * FRESH_SECONDS
    with pytest.raises(PortableError):
        fresh()
    assert fresh() == facts(), "not those of before the error"
    assert count == [4]


def test_what_prevents_a_page_is_the_answer_and_the_server_goes_on() -> None:
    errors: list[Exception] = [PortableError("a mistake", code="value.type"), OSError(13, "denied"), ValueError("hunter2")]

    def collect() -> PageFacts:
        if errors:
            raise errors.pop(0)
        return facts()

    with served(collect) as opened:
        answers = [asked(opened) for _ in range(4)]
    assert [status for status, _, _ in answers] == [500, 500, 500, 200]
    assert "a mistake [value.type]" in answers[0][2]
    assert "hunter2" not in answers[2][2]
    assert "a bug in portable (ValueError)" in answers[2][2]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "8480",
        ":8480",
        "localhost:8480",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "::1:8480",
        "[::1]",
        "1.2.3.4:x",
        "[1.2.3.4]:80",
        "1.2.3.4:²",
    ],
)
def test_what_is_no_address_and_port_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError) as raised:
        listen_address(wrong)
    assert raised.value.code == "usage.listen"


def test_addresses_are_loopback_or_not() -> None:
    assert [listen_address(text).is_loopback for text in ("127.0.0.1:1", "[::1]:1", "0.0.0.0:1", "192.168.1.5:1")] == [
        True,
        True,
        False,
        False,
    ]
    assert listen_address("[::1]:8480").url == "http://[::1]:8480/"


def test_a_taken_port_and_a_foreign_address_are_named() -> None:
    with (
        served() as opened,
        pytest.raises(PortableError, match="cannot listen") as raised,
        server(listen_address(f"127.0.0.1:{opened.server_port}"), facts),
    ):
        pass
    assert raised.value.exit_code == 1
    with pytest.raises(PortableError, match="cannot listen"), server(listen_address("192.0.2.1:0"), facts):
        pass
