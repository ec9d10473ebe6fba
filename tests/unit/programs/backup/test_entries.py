"""Entries of a listing, and the first of many notes."""

import json
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from portable.programs.backup.entries import TreeEntry, Truncated, entry_of, parsed, plain, stamp_of

numbers = st.integers(0, 2**62)
entries = st.builds(
    TreeEntry,
    path=st.binary(min_size=1).map(os.fsdecode),  # names need not be text
    kind=st.sampled_from(("file", "database", "folder", "link")),
    mode=st.integers(0, 0o7777),
    uid=numbers,
    gid=numbers,
    mtime=numbers,
    size=numbers,
    sha256=st.text(),
    target=st.text(),
    stamp=st.lists(numbers, max_size=4).map(tuple),
    sound=st.text(),
)


@given(entries)
def test_an_entry_survives_its_listing(entry: TreeEntry) -> None:
    assert parsed(json.loads(json.dumps(plain(entry)))) == entry


def test_an_entry_holds_the_facts_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    path.chmod(0o640)
    os.utime(path, ns=(1, 1_600_000_000_123_456_789))
    entry = entry_of(Path("file"), "file", path.stat(), size=4)
    assert (entry.path, entry.kind, entry.mode, entry.mtime, entry.size) == ("file", "file", 0o640, 1_600_000_000_123_456_789, 4)
    before = stamp_of(path.stat())
    path.chmod(0o600)
    assert stamp_of(path.stat()) != before


def test_a_note_is_kept_once_and_the_rest_is_counted() -> None:
    notes = Truncated()
    assert (bool(notes), notes.lines()) == (False, [])
    for n in range(60):
        notes.add(f"note {n}")
        notes.add("note 0")
    assert len(notes.lines()) == 51
    assert notes.lines()[0] == "note 0"
    assert notes.lines()[-1].startswith("... and ")
    assert bool(notes)
