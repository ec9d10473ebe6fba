"""Which backups stay."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from portable.programs.backup.making import back_up
from portable.programs.backup.proving import check
from portable.programs.backup.restoring import stage, swap
from portable.programs.backup.rotation import kept
from portable.programs.backup.store import chosen, listed, names
from tests.lab.keeper import app
from tests.unit.programs.backup import filled


def named(moment: datetime) -> str:
    """As a backup of that moment is called."""
    return moment.strftime("%Y-%m-%dT%H%M%S.000Z")


@given(
    hours=st.lists(st.integers(0, 24 * 400), unique=True, min_size=1, max_size=60),
    most=st.integers(0, 5),
    daily=st.integers(0, 9),
    weekly=st.integers(0, 6),
    monthly=st.integers(0, 8),
)
@settings(max_examples=200, deadline=None)
def test_rotation_keeps_what_it_says(hours: list[int], most: int, daily: int, weekly: int, monthly: int) -> None:
    """The newest of all stays; each period has its newest; rotating again or more often changes nothing of what is kept."""
    found = sorted(named(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)) for hour in hours)
    keep = {"last": most, "daily": daily, "weekly": weekly, "monthly": monthly}
    stay = kept(found, keep)
    assert set(found[-max(1, most) :]) <= stay
    assert len(stay) <= max(1, most) + daily + weekly + monthly
    for day in sorted({name[:10] for name in found}, reverse=True)[:daily]:
        assert max(name for name in found if name[:10] == day) in stay
    for month in sorted({name[:7] for name in found}, reverse=True)[:monthly]:
        assert max(name for name in found if name[:7] == month) in stay
    assert kept(sorted(stay), keep) == stay
    little_by_little: list[str] = []
    for name in found:
        little_by_little = sorted(kept([*little_by_little, name], keep))
    assert set(little_by_little) == stay


def test_what_can_not_be_read_is_not_rotated_away(tmp_path: Path) -> None:
    """It may be of a newer portable, or its disk may answer again."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    old = back_up(store, player, {"last": 1})["at"]
    manifest = store / "player" / old / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 3'))
    back_up(store, player, {"last": 1})
    back_up(store, player, {"last": 1})
    assert [row["result"] for row in listed(store, "player")] == ["unreadable", "sound"]


def test_a_volume_that_few_backups_have_is_kept_for_its_own_sake(tmp_path: Path) -> None:
    """The nightly ones, without what is copied only while its app is stopped, do not drive the last whole one out."""
    player, store = app(tmp_path, "config", "search", stopped=["search"]), tmp_path / "store"
    (tmp_path / "search" / "segments_1").write_text("index")
    whole = back_up(store, player, {"last": 2}, stopped=True)["at"]
    for _ in range(5):
        back_up(store, player, {"last": 2})
    assert names(store / "player")[0] == whole
    assert len(names(store / "player")) == 3
    assert "search is not in the backup" in stage(store, player)["notes"][0]
    swap(store, player)
    assert (tmp_path / "search" / "segments_1").read_text() == "index"


def test_a_corrupted_database_is_told_and_takes_no_place_of_a_sound_one(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    filled(tmp_path / "config", 1, files=3)
    sound = back_up(store, player, {"daily": 1})
    with (tmp_path / "config" / "delete.db").open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xa5" * 4096)
    for _ in range(3):
        row = back_up(store, player, {"daily": 1})
        assert row["result"] == "failed"
        assert "config: delete.db: corrupted: " in row["notes"][0]
    assert chosen(store, "player") == sound["at"]
    assert [r["result"] for r in listed(store, "player")] == ["sound", "unsound", "unsound", "unsound"]
    assert check(store, player)["at"] == sound["at"]
