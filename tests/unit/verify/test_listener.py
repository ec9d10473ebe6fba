"""The contract that apps listen on the current tunnel."""

import pytest

from portable.live import listening
from portable.live.view import CommandResult
from portable.verify.listener import CONTRACT
from tests.unit.verify.fake import LISTENS, FakeStack, one, says, verdicts

ASKED = "gluetun/forwarded_port"
"""A part of the script."""
STALE = "\n".join(line for line in LISTENS.replace("accepted", "refused").splitlines() if "udp" not in line)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "AGAIN_SECONDS", 0)


def test_an_app_that_listens() -> None:
    assert verdicts(CONTRACT, FakeStack()) == {"torrents": "holds"}


def test_a_socket_of_a_tunnel_that_is_gone() -> None:
    held = one(CONTRACT, FakeStack(answer=says(ASKED, CommandResult(code=0, text=STALE), "gateway")))
    assert held.subject == "torrents"
    assert "on a tunnel that is gone" in held.text
    assert "`portable heal -p " in held.remedy


NOTHING = "\n".join(line for line in LISTENS.splitlines() if "listens" not in line)


def test_an_app_that_listens_elsewhere_is_told_with_what_brings_the_ports_together() -> None:
    held = one(CONTRACT, FakeStack(answer=says(ASKED, CommandResult(code=0, text=NOTHING), "gateway")))
    assert (held.code, held.subject) == ("verify.listener", "torrents")
    assert "10.64.0.2" in held.text
    assert "6881" in held.text
    assert "heal" not in held.remedy
    assert "`ports: {torrents: {" in held.remedy


def test_an_app_that_started_before_the_tunnel_was_made_is_helped_by_a_restart() -> None:
    stack = FakeStack(answer=says(ASKED, CommandResult(code=0, text=NOTHING), "gateway"))
    stack.changes["torrents"] = {"since": 1795990000.0}
    stack.dated = ((1795995000.0, "INFO [wireguard] Wireguard setup is complete. Note"),)
    held = one(CONTRACT, stack)
    assert held.subject == "torrents"
    assert "`portable heal -p " in held.remedy


def test_an_app_that_notices_the_new_tunnel_by_itself() -> None:
    answers = iter([STALE, LISTENS])
    stack = FakeStack(answer=lambda _name, command: CommandResult(code=0, text=next(answers)) if ASKED in " ".join(command) else None)
    assert verdicts(CONTRACT, stack) == {"torrents": "holds"}


def test_an_app_that_just_started() -> None:
    stack = FakeStack(answer=says(ASKED, CommandResult(code=0, text=STALE)))
    stack.changes["torrents"] = {"since": 1795997400.0}
    assert verdicts(CONTRACT, stack) == {"torrents": "unknown"}


def test_a_gateway_that_can_not_be_asked() -> None:
    held = one(CONTRACT, FakeStack(answer=says(ASKED, CommandResult(code=None, text="it did not end"))), "unknown")
    assert "it did not end" in held.text


def test_what_does_not_run_is_not_asked() -> None:
    stack = FakeStack()
    stack.changes["torrents"] = {"state": "exited"}
    assert [held.subject for held in CONTRACT.tried(stack)] == ["the stack"]
