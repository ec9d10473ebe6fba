"""The contract that a gateway's tunnel carries traffic and is seldom made anew."""

from portable.live.view import Said
from portable.verify.tunnel import CONTRACT
from tests.unit.live.test_tunnel import BROKEN
from tests.unit.verify.fake import TRAFFIC, FakeStack, one, says, verdicts

NOW = 1795997415.0
DEAD = TRAFFIC.replace("1300", "1000")


def test_a_tunnel_that_is_well() -> None:
    stack = FakeStack()
    assert [held.text for held in CONTRACT.tried(stack)] == [
        "traffic comes through the tunnel (300 bytes during a DNS query)",
        "VPN not restarted since the gateway was started",
    ]


def test_an_outage_shows_while_the_gateway_calls_itself_healthy() -> None:
    stack = FakeStack(answer=says("counted before", Said(code=0, text=DEAD), "gateway"))
    held = one(CONTRACT, stack)
    assert held.text == "nothing comes back through the tunnel: 200 bytes were sent, and none received"


def test_one_answer_that_comes_late_is_no_outage() -> None:
    answers = iter([DEAD, TRAFFIC])
    stack = FakeStack(answer=lambda _name, command: Said(code=0, text=next(answers)) if "counted before" in " ".join(command) else None)
    assert verdicts(CONTRACT, stack) == {"gateway": "holds"}


def test_restarts_are_told_with_their_number() -> None:
    stack = FakeStack()
    stack.changes["gateway"] = {"since": NOW - 3600}
    stack.dated = ((NOW - 3599, "INFO start"), (NOW - 3000, BROKEN), (NOW - 240, BROKEN))
    assert [held.text for held in CONTRACT.tried(stack)][1] == "VPN restarted 2 times, last 4 min ago"


def test_a_vpn_that_restarts_all_the_time() -> None:
    stack = FakeStack()
    stack.changes["gateway"] = {"since": NOW - 3600}
    stack.dated = tuple((NOW - seconds, BROKEN) for seconds in (590, 300, 200, 10))
    held = one(CONTRACT, stack)
    assert held.text == "VPN restarted at least 4 times, last 10 s ago; 4 of them within the last 10 minutes"
    stack.dated = stack.dated[1:]
    assert "broken" not in {held.verdict for held in CONTRACT.tried(stack)}


def test_a_gateway_that_can_not_be_asked() -> None:
    stack = FakeStack(answer=says("counted before", Said(code=127, text="no sh")))
    assert "no sh" in one(CONTRACT, stack, "unknown").text
