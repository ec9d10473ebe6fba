"""Fences of moves: what they refuse, and that they survive the way through the engine."""

import pytest

from portable.live.fences import Fence, fences_of, refuse_fenced
from portable.model.errors import Refused

SOURCE = Fence(move="17", side="source", from_="old", to="new", apps=("one", "two"))
TARGET = Fence(move="17", side="target", from_="old", to="new", apps=("one",))


def test_fences_survive_as_labels() -> None:
    notes = {fence.name: fence.text() for fence in (SOURCE, TARGET)}
    assert set(fences_of(notes)) == {SOURCE, TARGET}
    assert len(notes) == 2


def test_other_apps_start() -> None:
    refuse_fenced((SOURCE, TARGET), {"three"}, "media-old")
    refuse_fenced((), {"one"}, "media-old")


@pytest.mark.parametrize(
    ("fence", "words"),
    [(SOURCE, ("--rollback", "--confirm --release", "--from new --to old")), (TARGET, ("--resume", "--rollback"))],
)
def test_a_fenced_app_does_not_start(fence: Fence, words: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match="one") as error:
        refuse_fenced((fence,), {"one", "three"}, "media-old")
    assert error.value.code == "migrate.fenced"
    assert error.value.exit_code == 4
    assert error.value.remedy is not None
    assert all(word in error.value.remedy for word in words)
