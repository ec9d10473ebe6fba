"""The support matrix in the documents is what the walk over the full plan finds now."""

from tests import support


def test_the_matrix_is_up_to_date() -> None:
    assert support.FILE.read_text(encoding="utf-8") == support.text(), "run `make golden` and read the diff"


def test_every_back_end_has_a_word_for_what_it_has() -> None:
    rows = [line.split(" | ") for line in support.text().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert any("not there" in row[1] for row in rows), "Compose does not support claims"
    assert all(cell.strip(" |") for row in rows for cell in row)
