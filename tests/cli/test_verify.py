"""What `portable verify` prints, of findings made by hand; on real stacks it is tried in tests/verify_lab."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from portable.cli.completion import complete_contract
from portable.cli.formats import Format
from portable.cli.reporting import Report
from portable.cli.verify import _checked, _printed, verify
from portable.live.stack import Stack
from portable.live.view import View
from portable.local.records import VerifyRecord, read_record
from portable.model.contracts import ContractResult, Verdict
from portable.model.errors import FAILED, UsageError
from portable.model.plan import Plan
from portable.verify import contracts
from portable.verify.contract import Contract, Found, about, parts
from tests.unit.live.fake_driver import FakeApp, FakeDriver, World
from tests.unit.verify.fake import FakeStack


def held(contract: str, subject: str, text: str, verdict: Verdict = "holds", remedy: str = "") -> ContractResult:
    return ContractResult(contract=contract, subject=subject, verdict=verdict, text=text, remedy=remedy)


FOUND = [
    held("clouds", "plex cloud zurg", "OK (25000 entries)"),
    held("clouds", "plex cloud torbox", "nothing is mounted", "broken", "`portable restart plex`"),
    held("clouds", "sonarr cloud zurg", "OK (25000 entries)"),
    held("clouds", "the stack", "not tried in radarr", "unknown"),
    held("links", "sonarr", "links and moves"),
]


def test_clouds_are_one_table_and_the_rest_is_what_does_not_hold(capsys: pytest.CaptureFixture[str]) -> None:
    _printed([c for c in contracts() if c.name in ("clouds", "links")], FOUND, everything=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines[1:3]] == [["clouds", "2", "1", "1"], ["links", "1", "0", "0"]]
    assert [" ".join(line.split()) for line in lines[4:7]] == [
        "APP TORBOX ZURG",
        "plex broken: nothing is mounted OK (25000 entries)",
        "sonarr - OK (25000 entries)",
    ]
    assert lines[8:] == [
        "clouds: the stack: unknown: not tried in radarr",
        "clouds: plex cloud torbox: broken: nothing is mounted",
        "    `portable restart plex`",
    ]


def test_without_clouds_there_is_no_table_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    _printed(contracts()[:1], [held("runs", "sonarr", "healthy")], everything=True)
    assert capsys.readouterr().out.splitlines()[2:] == ["runs: sonarr: healthy"]


class ViewedDriver(FakeDriver):
    """A driver with a stack that runs as promised."""

    def view(self, plan: Plan) -> View:
        return FakeStack(plan)


def test_what_was_found_is_recorded_also_where_the_run_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    world = World({"gerbera": FakeApp()})
    monkeypatch.setattr("portable.cli.up.driver_of", lambda place: ViewedDriver(world, place.stack, place.source))
    verify(["links", "clouds"], profile="local", output=Format.json)
    recorded = read_record("media-local", VerifyRecord)
    assert recorded.runs.keys() == {"clouds", "links"}

    def check(stack: View) -> Iterator[Found]:
        raise KeyboardInterrupt

    ends = Contract(name="links", promise="x", check=check)
    monkeypatch.setattr("portable.verify.named", lambda every, _names: [c for c in every if c.name == "paths"] + [ends])
    before = recorded.runs["links"]
    with pytest.raises(KeyboardInterrupt):
        verify(["links", "paths"], profile="local")
    recorded = read_record("media-local", VerifyRecord)
    assert recorded.runs.keys() == {"clouds", "links", "paths"}
    assert recorded.runs["links"] == before, "a check that was cut short has found nothing"


def test_the_help_names_every_contract() -> None:
    listed = (verify.__doc__ or "").partition("CONTRACTS: ")[2].partition(". docs/reference/verify.md")[0]
    names = re.findall(r"[a-z-]+", listed.replace("and with --disruptive", ""))
    assert names == [contract.name for contract in contracts(disruptive=True)]


def test_names_are_completed() -> None:
    assert complete_contract("s") == ["shares", "secrecy"]


@pytest.mark.parametrize("beacon", ["", "example.org", "file:///etc/passwd", "http://", "--version", "http://x/\n"])
def test_what_is_no_beacon_is_told(beacon: str) -> None:
    with pytest.raises(UsageError) as error:
        _checked((), beacon, disruptive=False)
    assert (error.value.code, error.value.where) == ("usage.beacon", "--beacon")
    assert repr(beacon) in error.value.text
    _checked((), "http://beacon.example/ip", disruptive=False)


def test_what_disturbs_needs_a_word_more() -> None:
    with pytest.raises(UsageError) as error:
        _checked(["kill-switch"], None, disruptive=False)
    assert error.value.code == "usage.option-missing"
    assert "`portable verify --disruptive kill-switch`" in (error.value.remedy or "")
    _checked(["kill-switch"], None, disruptive=True)
    assert "kill-switch" not in [contract.name for contract in contracts()]
    assert complete_contract("k") == ["kill-switch"]


class AbsentDriver:
    """The driver of a stack whose containers are all missing."""

    stack = Stack(project="absent")

    def __enter__(self) -> "AbsentDriver":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def check(self) -> str:
        return "a fake engine"

    def view(self, plan: Plan) -> FakeStack:
        stack = FakeStack(plan)
        stack.changes = {about(placed): {"state": "missing"} for placed in parts(stack)}
        return stack


@pytest.mark.parametrize("names", [[], ["clouds"]])
@pytest.mark.parametrize("output", [Format.text, Format.json])
def test_a_stack_that_is_down_is_one_line_and_one_fault(
    output: Format, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    seen = Report()

    @contextlib.contextmanager
    def watched(*_: object) -> Iterator[Report]:
        yield seen

    monkeypatch.setattr("portable.cli.up.driver_of", lambda _: AbsentDriver())
    monkeypatch.setattr("portable.cli.reporting.reported", watched)
    assert verify(names, profile="local", output=output) == FAILED
    printed = capsys.readouterr().out
    if output is Format.text:
        assert printed == "the stack is down: run `portable up -p local`\n"
    else:
        (row,) = json.loads(printed)["verify"]
        assert (row["contract"], row["subject"], row["verdict"], row["text"]) == ("runs", "the stack", "unknown", "the stack is down")
    assert [(s.key, s.is_fault, s.text, s.remedy) for s in seen.observations] == [
        ("verify: run", True, "the stack is down", "run `portable up -p local`")
    ]
    assert {name: [r.text for r in run.results] for name, run in read_record("absent", VerifyRecord).runs.items()} == {
        "runs": ["the stack is down"]
    }
    assert not seen.is_complete  # otherwise the fault would end at once, and the ping would be sent
