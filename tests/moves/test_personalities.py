"""Each target's losses are named before the first byte, and the proof finds no other."""

import multiprocessing
import os
from pathlib import Path

import pytest

from portable.migrate.ending import roll_back
from portable.migrate.losses import FACTS, LossKind
from portable.migrate.moving import begin
from portable.migrate.planning import dry_run
from portable.model.errors import PortableError, Refused
from tests.moves.kinds import MOUNTS, as_owner, read_only
from tests.moves.running import names_in

LOST: dict[str, set[LossKind]] = {
    "local": set(),
    "tmpfs": set(),
    "small": {"space"},
    "few_inodes": {"inodes"},
    "ext4": {"attributes", "symlinks"},  # blocks of 1 KiB, so neither a value of 2,000 nor a target of 4,000 bytes fits
    "old_ext4": {"attributes", "symlinks", "times"},
    "btrfs": set(),
    "exfat": {
        "acls", "attributes", "hard-links", "mode", "names", "ownership", "sparse-files", "special-files", "symlinks", "times",
    },
    "chown_ignored": {"ownership", "sparse-files"},
    "chown_refused": {"ownership", "sparse-files"},
    "chmod_ignored": {"acls", "mode", "sparse-files"},
    "no_attributes": {"acls", "attributes", "sparse-files"},
}  # fmt: skip
FOLDING = ("exfat",)
TOO_SMALL = ("small", "few_inodes")


def test_each_target_has_a_list_of_losses() -> None:
    assert set(LOST) == set(MOUNTS)
    assert len(LOST) >= 8


@pytest.mark.parametrize("name", MOUNTS)
def test_losses_are_named_and_the_proof_finds_no_other(name: str, scratch: Path, small_tree: Path, plain_tree: Path) -> None:
    with MOUNTS[name](scratch) as target:
        before = names_in(target)
        twins = {loss.kind for loss in dry_run(small_tree, target).losses if loss.kind == "case-twins"}
        assert twins == ({"case-twins"} if name in FOLDING else set())
        source = plain_tree if name in FOLDING else small_tree
        plan = dry_run(source, target)
        assert {loss.kind for loss in plan.losses} == LOST[name]
        assert names_in(target) == before, "a dry run leaves nothing"
        stopping = {loss.kind for loss in plan.losses if loss.stops}
        assert stopping == {kind for kind in LOST[name] if FACTS[kind].class_ in ("data", "security")}
        if stopping:
            with pytest.raises(Refused) as refused:
                begin(source, target)
            assert {finding.code for finding in refused.value.findings} == {FACTS[kind].code for kind in stopping}
            assert names_in(target) == before, "refused before the first byte"
        if name in TOO_SMALL:
            with pytest.raises(Refused):
                begin(source, target, waive={str(kind): "a test" for kind in FACTS})
            return
        journal = begin(source, target, waive={str(kind): "a test" for kind in stopping})
        assert journal.step == "done"
        assert {loss.kind for loss in journal.losses} == LOST[name]
        roll_back(target)


def test_a_read_only_target_is_refused(scratch: Path, plain_tree: Path) -> None:
    with read_only(scratch) as target, pytest.raises(Refused) as refused:
        dry_run(plain_tree, target)
    assert refused.value.code == "migrate.target-refused"


def test_a_target_where_root_may_not_write_is_refused(scratch: Path) -> None:
    """As on an export with root squash: the folder belongs to uid 1000, and this user is another one."""
    (scratch / "source").mkdir()
    (scratch / "source" / "file").touch()
    (scratch / "target").mkdir(mode=0o700)
    os.chown(scratch / "target", 1000, 1000)

    def planned() -> str:
        try:
            dry_run(scratch / "source", scratch / "target")
        except PortableError as error:
            return error.code
        return "planned"

    def as_user(uid: int) -> str:
        """In a fork: that user may be unable to read the interpreter and its modules, which lie in somebody's home."""
        answers, answer = multiprocessing.get_context("fork").Pipe(duplex=False)

        def child() -> None:
            as_owner(uid, uid)()
            answer.send(planned())

        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(60)
        assert process.exitcode == 0
        return str(answers.recv())

    assert planned() == "planned", "root may; and every module is loaded now"
    for parent in (scratch, *scratch.parents):
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o11)
    assert as_user(65534) == "migrate.target-kind"
    (scratch / "target").chmod(0o755)
    assert as_user(65534) == "migrate.target-refused"
    assert as_user(1000) == "planned"
