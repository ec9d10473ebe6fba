"""The preflight of a move: it reads the source, probes the target, and names every loss. It leaves the target as it was."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from portable.migrate.databases import damaged_now
from portable.migrate.demands import demands_of
from portable.migrate.losses import Expectation, Loss, longest_front, losses, unknown_waivers, with_damage
from portable.migrate.manifest import Manifest, make_manifest
from portable.migrate.mounts import path_of
from portable.migrate.mover import check_version
from portable.migrate.names import listed
from portable.migrate.personality import Personality, probe, remove_probes
from portable.migrate.places import FOUND, WORK, opened_source, opened_target, refuse_nested, refuse_used_target
from portable.model.base import Struct
from portable.model.errors import Refused, UsageError
from portable.programs.backup.files import opened

STAGED = "tree"
"""The staged tree, in the work folder."""
SKIPPED = frozenset({os.fsencode(WORK), os.fsencode(FOUND)})


class MovePlan(Struct, frozen=True, kw_only=True):
    """What a move would do."""

    source: str
    target: str
    entries: int
    files: int
    inodes: int
    """Entries with each hard link counted once."""
    bytes: int
    """Sum of the sizes of files, each hard link counted once."""
    personality: Personality
    losses: tuple[Loss, ...]

    def check_losses(self) -> None:
        """Raise Refused with all findings if a loss is not accepted."""
        if stopping := [loss for loss in self.losses if loss.stops]:
            findings = tuple(loss.finding(self.target) for loss in stopping)
            text = f"the target loses data or protection: {', '.join(loss.kind for loss in stopping)}"
            remedy = "remove the causes, or accept each kind by name with a reason"
            raise Refused(text, code=findings[0].code, findings=findings, where=self.target, remedy=remedy)


def expectation_of(personality: Personality, source: int, target: Path) -> Expectation:
    """What the target cannot have of this source."""
    staged = Path(os.path.abspath(target)) / WORK / STAGED  # noqa: PTH100 - a target that is about to be created cannot be resolved
    return Expectation(personality, longest=longest_front(os.fsdecode(path_of(source)), staged))


def make_plan(
    source: int,
    target: Path,
    probed: Path,
    manifest: Path,
    waive: Mapping[str, str],
    *,
    is_live: bool = False,
    reads: bool = True,
    databases: bool = False,
) -> tuple[MovePlan, Manifest]:
    """Plan a move of the open folder `source` to `target`, and write the source's manifest. `probed` is an existing folder there.

    With `is_live`, files that change or vanish while they are read are no loss. Without `reads`, files are opened, but not read. With
    `databases`, the SQLite databases are checked, beside the manifest.
    """
    made = make_manifest(source, manifest, skip=skipped_of(source), reads=reads)
    demands = demands_of(made.entries())
    personality = probe(probed, demands)
    longest = longest_front(os.fsdecode(path_of(source)), Path(os.path.abspath(target)) / WORK / STAGED)  # noqa: PTH100 - as above
    found = losses(made, demands, personality, longest=longest, waive=waive, is_live=is_live)
    if databases and (damaged := tuple(damaged_now(source, made.entries(), manifest.parent))):
        found = with_damage(found, [f"{proof.path}: {proof.text}" for proof in damaged], waive)
    plan = MovePlan(
        source=os.fsdecode(path_of(source)),
        target=os.path.abspath(target),  # noqa: PTH100 - as above
        entries=made.end.entries,
        files=made.end.files,
        inodes=demands.inodes,
        bytes=made.end.bytes,
        personality=personality,
        losses=found,
    )
    return plan, made


def skipped_of(source: int) -> frozenset[bytes]:
    """Names directly in a source that do not move: the empty folder that mkfs made."""
    try:
        with opened(FOUND, source) as folder:
            return frozenset() if listed(folder) else frozenset({os.fsencode(FOUND)})
    except OSError:
        return frozenset()


def check_waivers(waive: Mapping[str, str]) -> None:
    """Raise UsageError if a waiver names no kind of loss."""
    if unknown := unknown_waivers(waive):
        text = f"no loss is called {', '.join(unknown)}"
        raise UsageError(text, code="migrate.unknown-waiver", remedy="use the names that the plan prints, such as `ownership`")


def nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_symlink() or folder.exists())


def dry_run(
    source: Path,
    target: Path,
    *,
    waive: Mapping[str, str] | None = None,
    is_live: bool = False,
    makes_parents: bool = False,
    reads: bool = True,
) -> MovePlan:
    """Plan a move and change nothing: a target that does not exist is probed in its parent. Raises what `begin` would raise.

    With `makes_parents`, missing folders above the target will be created: the nearest one that exists is probed. Losses do not raise: the
    plan has them. Without `reads`, neither a file that its disk cannot return nor a damaged database is noticed.
    """
    waive = waive or {}
    check_waivers(waive)
    check_version()
    probed = nearest(target) if makes_parents or target.is_symlink() or target.exists() else target.absolute().parent
    with opened_source(source) as one, opened_target(probed) as two, tempfile.TemporaryDirectory(prefix="portable-move-") as scratch:
        is_new = probed != target.absolute()
        refuse_nested(one, two, str(target.absolute().relative_to(probed)) if is_new else "")
        if not is_new:
            remove_probes(two)
            refuse_used_target(two, target)
        return make_plan(one, target, probed, Path(scratch) / "plan.manifest", waive, is_live=is_live, reads=reads, databases=reads)[0]
