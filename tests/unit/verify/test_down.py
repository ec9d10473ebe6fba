"""A stack without any container is one result, not one of each contract."""

import pytest

from portable.live.view import ExtraContainer
from portable.verify import down
from portable.verify.contract import about, parts
from tests.unit.verify.fake import FakeStack


@pytest.fixture
def absent() -> FakeStack:
    """A stack whose containers are all missing."""
    stack = FakeStack()
    stack.changes = {about(placed): {"state": "missing", "health": ""} for placed in parts(stack)}
    return stack


def test_a_stack_without_containers_is_one_unknown_result_with_its_remedy(absent: FakeStack) -> None:
    result = down(absent)
    assert result is not None
    assert (result.contract, result.subject, result.verdict, result.text) == ("runs", "the stack", "unknown", "the stack is down")
    assert result.remedy == f"run `portable up -p {absent.plan.profile}`"


@pytest.mark.parametrize("state", ["running", "exited", "restarting", "created", "paused", "scheduled"])
def test_one_container_in_any_state_is_not_down(absent: FakeStack, state: str) -> None:
    absent.changes[next(iter(absent.changes))] = {"state": state}
    assert down(absent) is None


def test_a_container_outside_the_plan_is_not_hidden(absent: FakeStack) -> None:
    absent.left = (ExtraContainer(name="old-1", state="running"),)
    assert down(absent) is None
