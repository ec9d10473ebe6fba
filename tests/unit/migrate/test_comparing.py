"""Every difference is named by path, field and class, and only those."""

from pathlib import Path
from typing import Any

import pytest

from portable.migrate.comparing import differences
from portable.migrate.entries import COMPARED, ENCODER, FIELDS, ManifestEnd, ManifestEntry
from portable.migrate.manifest import Manifest

BASE = ManifestEntry(path="f", type="file", mode=0o644, owner=1, group=2, mtime=1_000, size=3, sha256="aa", sparse=True)
OTHER: dict[str, Any] = {
    "type": "fifo", "size": 4, "sha256": "bb", "mode": 0o600, "owner": 9, "group": 9, "mtime": 1_001, "links": "e", "target": "x",
    "xattrs": {"user.a": "00"}, "acl": "user::r--", "default_acl": "user::r--", "device": "1:3", "sparse": False,
}  # fmt: skip


def manifest(folder: Path, name: str, *entries: ManifestEntry, changed: tuple[str, ...] = ()) -> Manifest:
    import hashlib

    lines = b"".join(ENCODER.encode(entry) + b"\n" for entry in entries)
    end = ManifestEnd(
        entries=len(entries), files=0, bytes=0, problems=0, mounts=0, outside_links=0, changed=changed, began=0,
        sha256=hashlib.sha256(lines).hexdigest(),
    )  # fmt: skip
    (folder / name).write_bytes(lines + b'{"end":' + ENCODER.encode(end) + b"}\n")
    return Manifest(folder / name)


def entry(**changes: Any) -> ManifestEntry:
    fields = {name: getattr(BASE, name) for name in ManifestEntry.__struct_fields__}
    return ManifestEntry(**{**fields, **changes})


def found(folder: Path, one: ManifestEntry | None, two: ManifestEntry | None, **options: Any) -> list[tuple[str, str]]:
    source = manifest(folder, "one", *([one] if one else []))
    target = manifest(folder, "two", *([two] if two else []))
    return [(d.path, d.field) for d in differences(source, target, **options)]


def test_equal_entries_have_no_difference(tmp_path: Path) -> None:
    assert found(tmp_path, BASE, BASE) == []


@pytest.mark.parametrize("field", COMPARED)
def test_each_field_is_compared(tmp_path: Path, field: str) -> None:
    assert found(tmp_path, BASE, entry(**{field: OTHER[field]})) == [("f", field)]


def test_each_field_has_another_value_in_this_test() -> None:
    assert set(OTHER) == set(COMPARED)


def test_stamps_and_allocated_bytes_are_not_compared(tmp_path: Path) -> None:
    assert found(tmp_path, BASE, entry(stamp=(1, 2, 3, 4), allocated=4096)) == []


def test_a_hole_that_the_mover_added_is_no_difference(tmp_path: Path) -> None:
    assert found(tmp_path, entry(sparse=False), BASE) == []


@pytest.mark.parametrize(("time", "expected"), [(1_099, []), (1_100, [("f", "mtime")]), (901, []), (900, [("f", "mtime")])])
def test_times_differ_by_the_grain_of_the_target(tmp_path: Path, time: int, expected: list[tuple[str, str]]) -> None:
    assert found(tmp_path, BASE, entry(mtime=time), grain=100) == expected


def test_missing_and_extra_entries(tmp_path: Path) -> None:
    assert found(tmp_path, BASE, None) == [("f", "missing")]
    assert found(tmp_path, None, BASE) == [("f", "extra")]
    assert found(tmp_path, entry(path="a.b"), entry(path="a/b")) == [("a/b", "extra"), ("a.b", "missing")]


def test_a_mount_is_not_expected_in_the_target(tmp_path: Path) -> None:
    mount = ManifestEntry(path="m", type="mount")
    assert found(tmp_path, mount, None) == []
    assert found(tmp_path, mount, entry(path="m", type="folder")) == [("m", "type")]


@pytest.mark.parametrize("side", ["one", "two", "both"])
def test_a_problem_is_a_difference_even_if_the_rest_is_equal(tmp_path: Path, side: str) -> None:
    bad = entry(problem="it changed")
    assert found(tmp_path, bad if side != "two" else BASE, bad if side != "one" else BASE) == [("f", "problem")]


def test_a_changed_folder_is_a_difference(tmp_path: Path) -> None:
    one, two = manifest(tmp_path, "one", BASE, changed=("a",)), manifest(tmp_path, "two", BASE, changed=("b",))
    assert [(d.path, d.field) for d in differences(one, two)] == [("a", "problem"), ("b", "problem")]


def test_only_the_expected_fields_are_accepted(tmp_path: Path) -> None:
    two = entry(owner=9, mode=0)
    assert found(tmp_path, BASE, two, expected=lambda _entry: {"owner": "ownership"}) == [("f", "mode")]
    assert found(tmp_path, BASE, None, expected=lambda _entry: {"missing": "names"}) == []
    assert found(tmp_path, BASE, None, expected=lambda _entry: {"owner": "ownership"}) == [("f", "missing")]


def test_each_difference_carries_the_class_of_its_field(tmp_path: Path) -> None:
    one, two = manifest(tmp_path, "one", BASE), manifest(tmp_path, "two", entry(mode=0o600, mtime=5))
    assert [(d.field, d.class_, d.source, d.target) for d in differences(one, two)] == [
        ("mode", FIELDS["mode"], "0644", "0600"),
        ("mtime", "function", "1000", "5"),
    ]
