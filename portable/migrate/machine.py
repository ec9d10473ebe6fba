"""The step machine of a move between two folders. Each step is durable before it counts, so that a killed move goes on, or back."""

import contextlib
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import msgspec

from portable.migrate import hooks as points
from portable.migrate.comparing import differences
from portable.migrate.databases import DatabaseTotals, prove_databases, refuse_writers
from portable.migrate.entries import Difference
from portable.migrate.hooks import MoveHooks
from portable.migrate.journal import MoveJournal, Step, is_at_least, reached
from portable.migrate.losses import FACTS, excluded
from portable.migrate.manifest import Manifest, make_manifest
from portable.migrate.mover import copy
from portable.migrate.places import FOUND, WORK, opened_target
from portable.migrate.placing import move_up, set_root
from portable.migrate.planning import STAGED, expectation_of, skipped_of
from portable.model.codes import Code
from portable.model.errors import PortableError, Refused
from portable.model.progress import Event, Progress
from portable.programs.backup.errors import reason
from portable.programs.backup.files import sync

_ROUNDS = 2
"""Copies while the app runs: the first copies all, the second what changed meanwhile, so that the last one is short."""
_SHRUNK = 0.5
"""A source that lost this share of its entries since the plan is more likely unmounted or wiped than in use."""
_FEW = 4
"""Below so many entries the share says nothing."""
_SHOWN = 20
PLAN, SOURCE, TARGET, AFTER = "plan.manifest", "source.manifest", "target.manifest", "after.manifest"
"""Manifests in the work folder: of the source when the move is planned and when its apps are stopped, of the copy, and the last check."""


class DifferentError(PortableError):
    """The copy differs from its source, or the source changed under the proof."""

    def __init__(self, text: str, found: tuple[Difference, ...], *, code: Code, where: str, remedy: str) -> None:
        named = "; ".join(f"{one.path or '.'}: {one.field} {one.source!r} -> {one.target!r}" for one in found[:3])
        super().__init__(f"{text}: {named}{'; ...' if len(found) > 3 else ''}", code=code, where=where, remedy=remedy)
        self.differences = found
        """The first differences."""


class StepMachine:
    """One run of the step machine; the two folders are held open, so that neither can be replaced or unmounted."""

    def __init__(self, source: int, target: int, lock: int, work: Path, journal: MoveJournal, hooks: MoveHooks, progress: Progress) -> None:
        self._source, self._target, self._lock, self._work = source, target, lock, work
        self._journal, self._hooks, self._progress = journal, hooks, progress
        self._expectation = expectation_of(journal.personality, source, Path(journal.target))
        self._skipped = skipped_of(source)

    def run(self, until: Step = "done") -> MoveJournal:
        """Do all steps up to `until` that are not durable yet. Raises PortableError; the move can be resumed or rolled back then."""
        steps: tuple[tuple[Step, Callable[[], None]], ...] = (
            ("precopied", self._precopy),
            ("stopping", self._nothing),
            ("stopped", self._hooks.stop_source),
            ("checkpointed", lambda: self._hooks.checkpoint(Path(self._journal.source))),
            ("copied", self._final_copy),
            ("proven", self._prove),
            ("placing", self._nothing),
            ("placed", self._place),
            ("starting", self._gate),
            ("done", lambda: self._hooks.start_target(Path(self._journal.target))),
        )
        for step, action in steps:
            if not is_at_least(self._journal, step):
                self._do(step, action)
            if step == until:
                break
        return self._journal

    def _do(self, step: Step, action: Callable[[], None]) -> None:
        self._progress(Event(what="doing", subject=self._journal.target, text=f"next step: {step}"))
        try:
            action()
        except OSError as error:
            remedy = "remove the cause, then run the same command with --resume, or with --rollback"
            raise PortableError(f"the move stopped: {reason(error)}", code="migrate.failed", where=str(self._work), remedy=remedy) from None
        points.reach(f"before {step}")
        self._journal = reached(self._journal, step, self._work)
        points.reach(step)

    def _nothing(self) -> None:
        """A step that only records that the next one begins."""

    def _precopy(self) -> None:
        for _ in range(_ROUNDS):
            self._copy()
            points.reach("round")

    def _copy(self, *, checksum: bool = False) -> None:
        """Copy once into the staged tree. Entries that rsync cannot copy are notes: the proof decides."""
        staged = self._work / STAGED
        staged.mkdir(mode=0o700, exist_ok=True)
        paths = [*excluded(Manifest(self._work / PLAN).entries(), self._expectation), *self._skipped]
        with opened_target(staged) as tree:
            traits = self._journal.personality
            done = copy(self._source, tree, traits, excluded=paths, work=self._work, lock=self._lock, checksum=checksum)
        for message in done.messages:
            self._progress(Event(what="note", subject=self._journal.target, text=message))

    def _final_copy(self) -> None:
        """Copy what changed since the rounds, and wait until all is on the disk: one syncfs(2) instead of an fsync for each file."""
        self._copy()
        sync(self._work)

    def _prove(self) -> None:
        """Compare source and copy by manifests. Where only rsync's quick check was wrong, a second copy by checksum mends it."""
        source = self._read_source()
        refuse_writers(self._source, source.entries(), self._journal.source)
        if self._differences(source, self._read_copy()):
            self._copy(checksum=True)
            sync(self._work)
            source = self._read_source()
            if wrong := self._differences(source, self._read_copy()):
                remedy = "stop what writes there, then run the same command with --resume, or with --rollback"
                raise DifferentError(
                    "the copy differs from its source", wrong, code="migrate.differs", where=self._journal.target, remedy=remedy
                )
        self._prove_databases(source)
        again = make_manifest(self._source, self._work / AFTER, skip=self._skipped, known=source.known())
        if changed := tuple(islice(differences(source, again), _SHOWN)):
            remedy = "stop what writes the source, then run the same command with --resume, or with --rollback"
            text = "somebody changes the source, although its apps are stopped"
            raise DifferentError(text, changed, code="migrate.source-changed", where=self._journal.source, remedy=remedy)

    def _prove_databases(self, source: Manifest) -> None:
        """Check the SQLite databases in the copy, whose bytes are those of the source. Raises Refused for a damaged one."""
        totals = DatabaseTotals()
        for proof in prove_databases(self._work / STAGED, source.entries(), self._work):
            totals = totals.plus(proof)
            self._progress(Event(what="doing", subject=self._journal.target, text=f"{totals.count} databases checked"))
            points.reach("database checked")
        facts, waived = FACTS["damaged-databases"], self._journal.waive.get("damaged-databases", "")
        if totals.damaged and not waived:
            text = f"{totals.damaged} of {totals.count} databases are damaged at the source: {totals.named('damaged')}"
            raise Refused(text, code=facts.code, where=self._journal.source, remedy=facts.remedy)
        for verdict in ("damaged", "unknown"):
            if named := totals.named(verdict):
                self._progress(Event(what="note", subject=self._journal.target, text=f"databases that are {verdict}: {named}"))
        self._journal = msgspec.structs.replace(self._journal, databases=totals)

    def _read_source(self) -> Manifest:
        """Make the manifest of the stopped source. Raises Refused if it lost most of its entries since the plan."""
        source = make_manifest(self._source, self._work / SOURCE, skip=self._skipped, beat=self._beat)
        points.reach("read source")
        if source.end.entries < self._journal.entries * _SHRUNK and self._journal.entries >= _FEW:
            text = f"the source has {source.end.entries} of {self._journal.entries} entries that it had when the move was planned"
            remedy = "check its disk; if this is right, roll the move back and begin again"
            raise Refused(text, code="migrate.source-shrunk", where=self._journal.source, remedy=remedy)
        return source

    def _read_copy(self) -> Manifest:
        target = make_manifest(self._work / STAGED, self._work / TARGET, beat=self._beat)
        points.reach("read copy")
        return target

    def _beat(self, count: int) -> None:
        self._progress(Event(what="doing", subject=self._journal.target, text=f"{count} entries read"))

    def _differences(self, source: Manifest, target: Manifest) -> tuple[Difference, ...]:
        found = differences(source, target, grain=self._journal.personality.grain, expected=self._expectation.lost)
        return tuple(islice(found, _SHOWN))

    def _place(self) -> None:
        """Move the staged tree up into the target, and compare once more."""
        source, staged = Manifest(self._work / SOURCE), self._work / STAGED
        root = next(source.entries())
        if staged.exists():
            with opened_target(staged) as tree:
                move_up(tree, self._target, Path(self._journal.target))
                points.reach("moved up")
                set_root(tree, self._target, root.mtime)
        sync(self._work)
        has_found = any(entry.path == FOUND for entry in source.entries())
        skip = frozenset({os.fsencode(WORK), *(() if has_found else (os.fsencode(FOUND),))})
        known = Manifest(self._work / TARGET).known()
        target = make_manifest(self._target, self._work / AFTER, skip=skip, known=known)
        if wrong := self._differences(source, target):
            remedy = "find what writes the target, then undo the move with --rollback"
            raise DifferentError(
                "the target changed after its proof", wrong, code="migrate.differs", where=self._journal.target, remedy=remedy
            )
        with contextlib.suppress(FileNotFoundError):
            staged.rmdir()

    def _gate(self) -> None:
        """Ask whether the apps may start on the target. Raises Refused with the findings that forbid it."""
        if refused := tuple(finding for finding in self._hooks.gate(Path(self._journal.target)) if finding.verdict == "refused"):
            text = f"the apps cannot start on the target: {'; '.join(finding.text for finding in refused)}"
            remedy = "follow the remedies, then run the same command with --resume, or with --rollback"
            raise Refused(text, code="migrate.start-gate", findings=refused, where=self._journal.target, remedy=remedy)
