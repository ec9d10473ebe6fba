"""The contract that a gateway's tunnel carries traffic and its VPN seldom restarts."""

from portable.live.view import CommandResult
from portable.verify.tunnel import CONTRACT
from tests.unit.live.test_tunnel import BROKEN
from tests.unit.verify.fake import TRAFFIC, FakeStack, one, says, verdicts

NOW = 1795997415.0
DEAD = TRAFFIC.replace("1300", "1000")


def test_a_tunnel_that_is_well() -> None:
    stack = FakeStack()
    carries, restarts = CONTRACT.tried(stack)
    assert (carries.verdict, "300 bytes" in carries.text) == ("holds", True)
    assert (restarts.verdict, "not restarted" in restarts.text) == ("holds", True)


def test_an_outage_shows_while_the_gateway_calls_itself_healthy() -> None:
    stack = FakeStack(answer=says("counted before", CommandResult(code=0, text=DEAD), "gateway"))
    held = one(CONTRACT, stack)
    assert (held.code, held.subject, "200 bytes" in held.text) == ("verify.tunnel", "gateway", True)


def test_one_answer_that_comes_late_is_no_outage() -> None:
    answers = iter([DEAD, TRAFFIC])
    stack = FakeStack(
        answer=lambda _name, command: CommandResult(code=0, text=next(answers)) if "counted before" in " ".join(command) else None
    )
    assert verdicts(CONTRACT, stack) == {"gateway": "holds"}


def test_restarts_are_told_with_their_number() -> None:
    stack = FakeStack()
    stack.changes["gateway"] = {"since": NOW - 3600}
    stack.dated = ((NOW - 3599, "INFO start"), (NOW - 3000, BROKEN), (NOW - 240, BROKEN))
    restarts = list(CONTRACT.tried(stack))[1]
    assert restarts.verdict == "holds"
    assert "2 times" in restarts.text
    assert "4 min" in restarts.text


def test_a_vpn_that_restarts_all_the_time() -> None:
    stack = FakeStack()
    stack.changes["gateway"] = {"since": NOW - 3600}
    stack.dated = tuple((NOW - seconds, BROKEN) for seconds in (590, 300, 200, 10))
    held = one(CONTRACT, stack)
    assert "at least 4 times" in held.text
    assert "4 of them within the last 10 minutes" in held.text
    stack.dated = stack.dated[1:]
    assert "broken" not in {held.verdict for held in CONTRACT.tried(stack)}


def test_a_gateway_that_can_not_be_asked() -> None:
    stack = FakeStack(answer=says("counted before", CommandResult(code=127, text="no sh")))
    assert "no sh" in one(CONTRACT, stack, "unknown").text
