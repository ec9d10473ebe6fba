"""Messages and pings over HTTP, to a stand-in for ntfy on loopback. No text that anybody sees holds a part of a URL."""

import io
import logging
import socket
import time
from collections.abc import Iterator

import pytest

from portable.model.errors import PortableError
from portable.upkeep import channel
from tests.lab.ntfy import TOKEN, TOPIC, NtfyStandIn, ntfy


@pytest.fixture
def server() -> Iterator[NtfyStandIn]:
    with ntfy() as stand_in:
        yield stand_in


@pytest.fixture
def quiet(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing on the terminal, in a handler of the root logger, or in a warning may hold a part of the URL, at any level.

    It has a handler of its own: `caplog` forgets at teardown what the test wrote, and listens to loggers that tell the root nothing.
    """
    root, written = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(written)
    monkeypatch.setattr(root, "handlers", [*root.handlers, handler])
    before = root.level
    root.setLevel(logging.DEBUG)
    yield
    root.setLevel(before)
    out, err = capfd.readouterr()
    everything = written.getvalue() + out + err
    assert [part for part in (TOKEN, TOPIC, "127.0.0.1") if part in everything] == []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.usefixtures("quiet")
def test_a_message_arrives_with_title_and_body(server: NtfyStandIn) -> None:
    channel.send(server.url, "media-nas: backup: sonarr: fault", "the disk is full\nWhat to do: `rm x` & <b>", is_fault=True)
    (message,) = server.published
    assert message["title"] == "media-nas: backup: sonarr: fault"
    assert message["message"] == "the disk is full\nWhat to do: `rm x` & <b>"
    assert channel.service_of(server.url) == "ntfy"


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("status", [401, 403, 413, 429, 500, 503])
def test_a_channel_that_refuses_is_an_error_with_its_status_alone(server: NtfyStandIn, status: int) -> None:
    server.status = status
    with pytest.raises(PortableError) as error:
        channel.send(server.url, "t", "b")
    assert error.value.code == "notify.undelivered"
    assert f"status {status}" in error.value.text
    assert_hidden(error.value)


@pytest.mark.usefixtures("quiet")
def test_a_dead_channel_is_an_error() -> None:
    with pytest.raises(PortableError) as error:
        channel.send(f"ntfy://{TOKEN}@127.0.0.1:{free_port()}/{TOPIC}", "t", "b")
    assert error.value.code == "notify.undelivered"
    assert_hidden(error.value)


@pytest.mark.usefixtures("quiet")
def test_a_channel_that_accepts_and_never_answers_ends_at_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = time.monotonic()
        with pytest.raises(PortableError) as error:
            channel.send(f"ntfy://{TOKEN}@127.0.0.1:{silent.getsockname()[1]}/{TOPIC}?rto=60", "t", "b", seconds=1.0)
        assert time.monotonic() - before < 20
    assert error.value.code == "notify.undelivered"
    assert_hidden(error.value)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    "url", ["", "nonsense", f"https://{TOPIC}", f"nosuch://{TOKEN}@{TOPIC}", f"ntfy://a/{TOPIC} ntfy://b/{TOPIC}", "ntfy://["]
)
def test_a_secret_that_is_not_one_url_of_apprise_is_an_error(url: str) -> None:
    with pytest.raises(PortableError) as error:
        channel.service_of(url)
    assert error.value.code == "notify.url"
    assert_hidden(error.value)


@pytest.mark.usefixtures("quiet")
def test_a_ping_is_a_call_of_its_url(server: NtfyStandIn) -> None:
    channel.ping(server.ping_url("heal"))
    assert server.pings == ["heal"]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "nonsense", "", "http://", "http://[", "http://127.0.0.1:1/"])
def test_a_ping_that_cannot_work_is_an_error(url: str) -> None:
    with pytest.raises(PortableError) as error:
        channel.ping(url)
    assert error.value.code == "notify.ping"
    assert_hidden(error.value)


@pytest.mark.usefixtures("quiet")
def test_a_ping_that_is_refused_is_an_error_with_its_status(server: NtfyStandIn) -> None:
    server.status = 500
    with pytest.raises(PortableError) as error:
        channel.ping(server.ping_url("heal"))
    assert "status 500" in error.value.text


def assert_hidden(error: PortableError) -> None:
    """The error, its cause and its context hold no part of the URL."""
    chain: list[BaseException] = [
        error,
        *(e for e in (error.__cause__, error.__suppress_context__ or error.__context__) if isinstance(e, BaseException)),
    ]
    assert [part for e in chain for part in (TOKEN, TOPIC, "127.0.0.1") if part in f"{e}{e!r}"] == []
