"""What `--dry-run` prints of a move: sizes, room, time, and the difference of the two ledgers, as text and as JSON."""

import json
from typing import Any

import pytest

from portable.cli.move_plan import print_plan
from portable.cli.options import Format
from portable.migrate import pace
from portable.migrate.pace import duration
from portable.migrate.stack_plan import plan_stack_move
from portable.model.findings import Finding
from tests.moves.two_places import TwoPlaces


def finding(field: str, **changes: Any) -> Finding:
    made: dict[str, Any] = {"path": field, "class_": "function", "text": f"{field} is lost", "remedy": "do it", "code": "", "app": "one"}
    return Finding(field=field, **(made | changes))


@pytest.fixture
def differing(places: TwoPlaces) -> TwoPlaces:
    places.ledgers = {
        "old": (finding("memory"),),
        "new": (finding("fence", class_="security", app=None, verdict="waived", reason="a test"), finding("title", class_="cosmetic")),
    }
    return places


def printed(places: TwoPlaces, output: Format, capsys: pytest.CaptureFixture[str]) -> str:
    one, other = places.side("old"), places.side("new")
    plan, problems = plan_stack_move(one, other, places.here(), places.there(), reads=False)
    assert problems == ()
    print_plan(plan, one, other, output)
    return capsys.readouterr().out


def test_json_has_each_number_and_each_finding(differing: TwoPlaces, capsys: pytest.CaptureFixture[str]) -> None:
    shown = json.loads(printed(differing, Format.json, capsys))
    moved = {volume["volume"]: volume for volume in shown["volumes"] if volume["how"] == "move"}
    assert set(moved) == {"one-config", "two-config"}
    for volume in moved.values():
        assert volume["files"] == 2
        assert volume["inodes"] == 3
        assert volume["bytes"] < volume["free"]
        assert volume["free_inodes"] is None or volume["free_inodes"] > volume["inodes"]
        assert volume["copy_seconds"] >= 0
        assert volume["down_seconds"] >= 0
    assert set(shown["estimate"]["downtime_seconds"]) == {"one", "two"}
    assert [(one["change"], one["field"], one["class"], one["app"], one["reason"]) for one in shown["ledger"]] == [
        ("lost", "fence", "security", None, "a test"),
        ("lost", "title", "cosmetic", "one", None),
        ("gained", "memory", "function", "one", None),
    ]


def test_text_names_losses_and_counts_cosmetic_ones(differing: TwoPlaces, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(differing, Format.text, capsys)
    assert "what you lose at new:\n  security: fence is lost (waived: a test)\n" in text
    assert "what you lose at new: 1 cosmetic finding, see `--format json`" in text
    assert "what you no longer lose at new:\n  function: one: memory is lost\n" in text
    assert "title is lost" not in text
    assert "FREE INODES" in text
    assert "time: about " in text


def test_an_unknown_time_is_said_to_be_unknown(
    places: TwoPlaces, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pace, "_written", lambda _target: 0.0)
    assert "time: unknown" in printed(places, Format.text, capsys)
    estimate = json.loads(printed(places, Format.json, capsys))["estimate"]
    assert estimate == {"copy_seconds": None, "downtime_seconds": {"one": None, "two": None}}


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (3599, "60 min"), (9000, "2.5 h")])
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text
