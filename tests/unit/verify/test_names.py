"""The name servers of apps behind a tunnel."""

import pytest

from portable.live.view import CommandResult
from portable.verify.names import CONTRACT
from tests.unit.verify.fake import FakeStack, one, says, verdicts


@pytest.mark.parametrize("server", ["127.0.0.11", "192.168.1.1", "10.96.0.10", "fd00::53", "nonsense"])
def test_another_server_of_the_place_is_told(server: str) -> None:
    resolv = says("/etc/resolv.conf", CommandResult(code=0, text=f"nameserver {server}\nsearch lan"), "torrents")
    found = one(CONTRACT, FakeStack(answer=resolv))
    assert (found.subject, server in found.text) == ("torrents", True)
    behind_gateway = says("/etc/resolv.conf", CommandResult(code=0, text=f"nameserver 127.0.0.1\nnameserver {server}"), "torrents")
    assert one(CONTRACT, FakeStack(answer=behind_gateway)).subject == "torrents"


def test_a_public_server_is_reached_by_the_tunnel_only() -> None:
    """Gluetun uses a public one until its own server is ready."""
    public = FakeStack(answer=says("/etc/resolv.conf", CommandResult(code=0, text="nameserver 1.1.1.1"), "torrents"))
    texts = {held.subject: held.text for held in CONTRACT.tried(public) if held.verdict == "holds"}
    assert "1.1.1.1" in texts["torrents"]


def test_what_cannot_be_read_is_not_said_to_hold() -> None:
    for said in (
        CommandResult(code=0, text="search lan"),
        CommandResult(code=127, text="cat: not found"),
        CommandResult(code=None, text="it hangs", hangs=True),
    ):
        assert verdicts(CONTRACT, FakeStack(answer=says("/etc/resolv.conf", said)))["torrents"] == "unknown"


def test_apps_without_a_tunnel_are_not_asked() -> None:
    found = verdicts(CONTRACT, FakeStack())
    assert set(found.values()) == {"holds"}
    assert "player" not in found
