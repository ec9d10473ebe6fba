"""Losses from a manifest and a personality: each is named, counted, and expected by the proof in exactly its fields."""

from pathlib import Path
from typing import Any

import pytest

from portable.migrate import losses as losses_module
from portable.migrate.demands import Demands, demands_of, folded, name_kind, target_kind
from portable.migrate.entries import ManifestEntry
from portable.migrate.losses import FACTS, Expectation, excluded, losses, twins
from portable.migrate.mover import options, pattern
from portable.migrate.personality import Personality
from tests.unit.migrate.test_comparing import manifest

ALL: dict[str, Any] = {
    "kind": "ext4", "owner": "kept", "mode": "kept", "folds_case": False, "folds_forms": False, "hard_links": True, "symlinks": True,
    "fifos": True, "sockets": True, "devices": True, "sparse": True, "acls": True, "grain": 1, "link_times": True, "earliest": -(10**18),
    "latest": 10**19, "largest": 0, "free_bytes": 1 << 40, "free_inodes": 0, "block": 4096,
}  # fmt: skip
ENTRIES = (
    ManifestEntry(path="", type="folder", mode=0o755),
    ManifestEntry(path="Film", type="file", mode=0o644, size=5000, sha256="a", sparse=True, allocated=4096),
    ManifestEntry(path="acl", type="file", mode=0o640, acl="user::rw-", sha256="b"),
    ManifestEntry(path="bad:name", type="folder", mode=0o755),
    ManifestEntry(path="bad:name/below", type="file", mode=0o600, owner=1000, group=1000, sha256="c"),
    ManifestEntry(path="device", type="character device", mode=0o600, device="1:3"),
    ManifestEntry(path="fifo", type="fifo", mode=0o600),
    ManifestEntry(path="film", type="file", mode=0o644, size=9, sha256="a", links="Film"),
    ManifestEntry(path="link", type="symlink", target="x" * 300),
    ManifestEntry(path="note", type="file", mode=0o644, sha256="d", xattrs={"trusted.b": "sha256:00:900"}, mtime=1_500_000_001),
    ManifestEntry(path="socket", type="socket", mode=0o600),
    ManifestEntry(path="unread", type="file", mode=0o600, problem="Input/output error"),
    ManifestEntry(path="where", type="mount"),
)  # fmt: skip
ALWAYS = {"mounts", "unreadable"}


def lost(folder: Path, waive: dict[str, str] | None = None, *, entries: tuple[ManifestEntry, ...] = ENTRIES, **changes: Any) -> Any:
    source = manifest(folder, "source", *entries)
    traits = Personality(**{**ALL, **changes})
    return {loss.kind: loss for loss in losses(source, demands_of(entries), traits, longest=20, waive=waive or {})}


CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "ownership": ({"owner": "refused", "lost_owners": ((1000, 1000),)}, {"bad:name/below"}),
    "mode": ({"mode": "ignored", "lost_modes": (("file", 0o644),)}, {"Film", "film", "note"}),
    "times": ({"grain": 10**9}, {"note"}),
    "hard-links": ({"hard_links": False}, {"film"}),
    "symlinks": ({"symlinks": False}, {"link"}),
    "special-files": ({"fifos": False, "sockets": False, "devices": False}, {"device", "fifo", "socket"}),
    "sparse-files": ({"sparse": False}, {"Film"}),
    "attributes": ({"lost_attributes": ("trusted",)}, {"note"}),
    "acls": ({"acls": False}, {"acl"}),
    "names": ({"lost_names": ((":",),)}, {"bad:name", "bad:name/below"}),
    "case-twins": ({"folds_case": True}, {"film"}),
    "large-files": ({"largest": 4999}, {"Film"}),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_loss_is_named_with_its_entries(kind: str, tmp_path: Path) -> None:
    changes, paths = CASES[kind]
    found = lost(tmp_path, **changes)
    assert set(found) == ALWAYS | {kind} | ({"acls"} if kind == "mode" else set()), "an ACL is set only together with the mode"
    assert set(found[kind].examples) == paths
    assert found[kind].count == len(paths)
    finding = found[kind].finding("/target")
    assert (finding.code, finding.class_) == (FACTS[found[kind].kind].code, FACTS[found[kind].kind].class_)
    assert finding.verdict == ("refused" if finding.class_ in ("data", "security") else "noted")


def test_a_target_that_keeps_all_loses_nothing(tmp_path: Path) -> None:
    assert set(lost(tmp_path)) == ALWAYS


def test_a_symlink_whose_target_is_too_long(tmp_path: Path) -> None:
    assert set(lost(tmp_path, lost_targets=(target_kind(b"x" * 300),))) == ALWAYS | {"symlinks"}


def test_a_waiver_accepts_only_its_kind(tmp_path: Path) -> None:
    found = lost(tmp_path, {"names": "renamed by hand", "case-twins": "no"}, lost_names=((":",),), folds_case=True)
    assert {kind: loss.stops for kind, loss in found.items()} == {"names": False, "case-twins": True, "mounts": True, "unreadable": True}
    assert found["names"].finding("/t").verdict == "waived"
    assert not found["case-twins"].finding("/t").is_waivable


@pytest.mark.parametrize(("free", "hard_links", "sparse", "stops"), [(60_000, True, True, False), (500, True, True, True)])
def test_space(free: int, hard_links: bool, sparse: bool, stops: bool, tmp_path: Path) -> None:
    assert ("space" in lost(tmp_path, free_bytes=free, hard_links=hard_links, sparse=sparse)) == stops


def test_space_counts_links_and_holes_as_the_target_keeps_them() -> None:
    whole = ManifestEntry(path="a", type="file", size=10**9, allocated=10**9)
    linked = ManifestEntry(path="b", type="file", size=10**9, allocated=10**9, links="a")
    hole = ManifestEntry(path="c", type="file", size=10**9, allocated=0, sparse=True)
    demands = demands_of((whole, linked, hole))
    assert (demands.bytes, demands.unlinked_bytes, demands.filled_bytes) == (10**9, 2 * 10**9, 10**9)

    def is_enough(free: float, **changes: Any) -> bool:
        return not list(losses_module._room(demands, Personality(**{**ALL, "free_bytes": int(free), **changes})))

    assert is_enough(1.1e9)
    assert not is_enough(0.9e9)
    assert not is_enough(1.9e9, hard_links=False)
    assert not is_enough(1.9e9, sparse=False)
    assert is_enough(3.2e9, hard_links=False, sparse=False)


def test_inodes(tmp_path: Path) -> None:
    assert "inodes" in lost(tmp_path, free_inodes=20)
    assert "inodes" not in lost(tmp_path, free_inodes=40)


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    long = ManifestEntry(path="/".join(["p" * 250] * 16), type="file")
    assert len(long.path) == 4015
    source = manifest(tmp_path, "source", long)
    for longest, is_lost in ((79, False), (80, True)):
        found = losses(source, demands_of((long,)), Personality(**ALL), longest=longest, waive={})
        assert [loss.kind for loss in found] == (["long-paths"] if is_lost else [])


def test_what_lies_below_a_lost_name_is_expected_to_be_missing() -> None:
    expectation = Expectation(Personality(**{**ALL, "lost_names": ((":",),)}), longest=20)
    fields = {entry.path: dict(expectation.lost(entry)) for entry in ENTRIES if expectation.lost(entry)}
    assert fields == {"bad:name": {"missing": "names"}, "bad:name/below": {"missing": "names"}}
    assert list(excluded(ENTRIES, expectation)) == [b"bad:name", b"where"]


def test_the_names_of_a_file_whose_first_name_is_lost() -> None:
    expectation = Expectation(Personality(**{**ALL, "lost_names": ((":",),)}), longest=20)
    assert expectation.lost(ManifestEntry(path="good", type="file", links="bad:name/x")) == {"links": "names"}


def test_setuid_needs_the_owner() -> None:
    expectation = Expectation(Personality(**{**ALL, "owner": "refused", "lost_owners": ((7, 7),)}), longest=20)
    plain, setuid = (ManifestEntry(path="f", type="file", mode=mode, owner=7, group=7) for mode in (0o755, 0o4755))
    assert set(expectation.lost(plain)) == {"owner", "group"}
    assert set(expectation.lost(setuid)) == {"owner", "group", "mode"}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (b"plain-name_1.mkv", ()),
        (b"a:b", (":",)),
        (b"Nul.txt", ("capitals", "reserved name")),
        (b"null", ()),
        (b"end.", ("dot at the end",)),
        (b"end ", ("blank at the end",)),
        (b"\xff", ("not UTF-8",)),
        (b"a\nb", ("control character",)),
        (b"._x", ("._ at the start",)),
        ("caf\u00e9".encode(), ("composed", "not ASCII")),
        ("cafe\u0301".encode(), ("decomposed", "not ASCII")),
        ("\U0001f3ac".encode(), ("beyond 16 bits", "not ASCII")),
        (b"n" * 143, ()),
        (b"n" * 255, ("length 240",)),
    ],
)
def test_what_is_unusual_in_a_name(name: bytes, kinds: tuple[str, ...]) -> None:
    assert name_kind(name) == kinds


def test_twins_by_case_and_by_form() -> None:
    names = ("Stra%C3%9Fe", "STRASSE", "caf%C3%A9", "cafe%CC%81", "x", "%FF", "%FE")
    entries = [ManifestEntry(path=name, type="file") for name in names]
    assert list(twins(entries, case=True, forms=False)) == ["STRASSE"]
    assert list(twins(entries, case=False, forms=True)) == ["cafe%CC%81"]
    assert folded("%FF", case=True, forms=True) == b"\xff"


def test_demands_keep_little_of_many_entries() -> None:
    demands = Demands()
    for number in range(20_000):
        demands.add(ManifestEntry(path=f"{number}:", type="file", owner=number, mode=number % 4096))
    assert (len(demands.owners), len(demands.modes), len(demands.names), demands.entries) == (4096, 4096, 1, 20_000)


@pytest.mark.parametrize(
    ("changes", "absent", "present"),
    [
        ({"symlinks": False}, "--links", "--hard-links"),
        ({"hard_links": False}, "--hard-links", "--links"),
        ({"owner": "ignored", "lost_owners": ((1, 1),)}, "--owner", "--perms"),
        ({"mode": "ignored"}, "--perms", "--owner"),
        ({"acls": False}, "--acls", "--xattrs"),
        ({"sparse": False}, "--sparse", "--times"),
        ({"fifos": False, "sockets": False}, "--specials", "--devices"),
        ({"devices": False}, "--devices", "--specials"),
        ({}, "--omit-link-times", "--specials"),
        ({"link_times": False}, "--checksum", "--omit-link-times"),
        ({"lost_attributes": ("user",)}, "--inplace", "--filter=-x user.*"),
    ],
)
def test_the_mover_is_asked_for_what_the_target_keeps(changes: dict[str, Any], absent: str, present: str) -> None:
    chosen = options(Personality(**{**ALL, **changes}))
    assert absent not in chosen
    assert present in chosen
    assert {"--no-inplace", "--no-partial", "--numeric-ids", "--modify-window=-1"} <= set(chosen)


@pytest.mark.parametrize(("path", "text"), [(b"a\\b", b"/a\\b"), (b"a*\\", b"/a\\*\\\\"), (b"[x]?", b"/\\[x\\]\\?"), (b"#;!", b"/#;!")])
def test_a_pattern_matches_one_path(path: bytes, text: bytes) -> None:
    assert pattern(path) == text
