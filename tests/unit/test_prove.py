"""The harness of the proofs: what did not run shows nothing, and a line says what falls short."""

import ast
from pathlib import Path

import pytest

from tests.prove import first, results, silence
from tests.prove.__main__ import SUITES, share
from tests.prove.claim import Claim
from tests.prove.running import Outcome, read

CLAIM = Claim(name="it works", bar="all", tests=("tests/x.py",), figure="{count} things")
REPORT = b"""<testsuites><testsuite>
<testcase classname="tests.x" name="test_a"><properties><property name="count" value="3"/></properties></testcase>
<testcase classname="tests.x" name="test_b"><failure message="no"/></testcase>
<testcase classname="tests.x" name="test_c"><skipped message="no"/></testcase>
<testcase classname="tests.x" name="test_d"/>
<testcase classname="tests.x" name="test_d"><error message="teardown"/></testcase>
</testsuite></testsuites>"""


def test_a_report_is_read() -> None:
    outcome = read(REPORT)
    assert outcome.passed == ("tests.x::test_a",)
    assert outcome.failed == ("tests.x::test_b", "tests.x::test_d")
    assert outcome.skipped == ("tests.x::test_c",)
    assert outcome.properties == {"count": "3"}


@pytest.mark.parametrize("suite", SUITES)
def test_a_claim_names_tests_that_are_there(suite: str) -> None:
    """Else it falls short only when the proof is run, which is rarely done."""
    root = Path(__file__).parents[2]
    named = {test for claim in SUITES[suite] for test in claim.tests if test.startswith("tests/")}
    assert named
    missing = []
    for node in sorted(named):
        file, _, name = node.partition("::")
        there = (root / file).exists()
        names = (
            {n.name for n in ast.walk(ast.parse((root / file).read_text())) if isinstance(n, ast.FunctionDef)} if there and name else set()
        )
        if not there or (name and name.partition("[")[0] not in names):
            missing.append(node)
    assert missing == []


@pytest.mark.parametrize(
    ("outcome", "figure", "holds"),
    [
        (Outcome(), "no test ran", False),
        (Outcome(trouble="no report"), "no report", False),
        (Outcome(skipped=("a",)), "0 of 1 tests", False),
        (Outcome(failed=("a",), properties={"count": "3"}), "3 things; 0 of 1 tests; failed: a", False),
        (Outcome(passed=("a",)), "no test measured 'count'; 1 of 1 tests", False),
        (Outcome(passed=("a",), properties={"count": "3"}), "3 things; 1 of 1 tests", True),
        (Outcome(passed=("a",), failed=("x.y::b",), properties={"count": "3"}), "3 things; 1 of 2 tests; failed: y::b", False),
        (Outcome(passed=("a",), skipped=("b",), properties={"count": "3"}), "3 things; 1 of 2 tests, 1 skipped", False),
    ],
)
def test_a_claim_is_judged_by_what_ran(outcome: Outcome, figure: str, holds: bool) -> None:
    assert CLAIM.judge(outcome) == (figure, holds)


def test_an_item_without_a_test_is_told() -> None:
    claim = Claim(name="list", bar="all", tests=(), kinds={"a": "test_a", "b": "test_b", "c": "test_c"})
    assert claim.judge(Outcome(passed=("test_a", "test_c[1]"), failed=("test_c[2]",))) == (
        "1 of 3 kinds; not shown: b, c; 2 of 3 tests; failed: test_c[2]",
        False,
    )


def test_shards_share_all_claims_and_none_twice() -> None:
    shared = [claim.name for k in (1, 2, 3) for claim in share(first.CLAIMS, f"{k}/3")]
    assert sorted(shared) == sorted({claim.name for claim in first.CLAIMS})
    for wrong in ("0/2", "3/2", "x", "1"):
        with pytest.raises(ValueError, match=r"is no shard|invalid literal"):
            share(first.CLAIMS, wrong)


def test_the_last_line_sums_up_the_shards_of_a_commit(tmp_path: Path) -> None:
    other = Claim(name="other", bar="all", tests=())
    folder = tmp_path / "abc"
    results.keep(folder, CLAIM, "3 things", True, 120)
    assert results.summary(folder, (CLAIM, other)) == "abc: 1 of 2 claims hold, 0 fall short, 1 not run yet; 2 minutes over all shards"
    results.keep(folder, other, "none", False, 60)
    assert results.summary(folder, (CLAIM, other)) == "abc: 1 of 2 claims hold, 1 fall short; 3 minutes over all shards"


def test_each_point_of_silent_inputs_has_a_claim() -> None:
    shown = {point for claim in silence.CLAIMS for point in claim.points}
    assert shown == set(silence.POINTS)
    assert all(claim.points for claim in silence.CLAIMS)
