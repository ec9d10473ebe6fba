"""Moves apps with their state from one place to another: one step machine for each folder, under one journal."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from portable.live.driver import StackDriver
from portable.live.fences import Fence
from portable.live.last_images import last_images, note_images, note_restored
from portable.live.state_owners import state_folders
from portable.local.lock import locked
from portable.migrate import hooks as points
from portable.migrate import moving
from portable.migrate.choosing import MovedVolume
from portable.migrate.journal import MoveJournal, Step
from portable.migrate.places import WORK
from portable.migrate.secret_moves import SecretMove
from portable.migrate.sides import MoveSide, refuse_pair
from portable.migrate.stack_journal import (
    LOCK,
    StackMoveJournal,
    StackStep,
    file_of,
    has_stack_step,
    keep,
    read_stack_journal,
    refuse_unfinished,
    stack_reached,
    unfinished_move,
)
from portable.migrate.stack_plan import StackMovePlan, plan_stack_move, refuse_open, refuse_running
from portable.migrate.weighing import folder_waivers, foreign_findings
from portable.model.errors import PortableError, Refused
from portable.model.progress import Event, Progress, silent
from portable.secrets.generate import generate_missing
from portable.secrets.owner import owner_of

Verify = Callable[[tuple[str, ...]], tuple[str, ...]]
"""Checks the contracts of these apps at the target, and returns a sentence for each broken one."""


class StackMover:
    """One command that moves apps between two places."""

    def __init__(
        self,
        source: MoveSide,
        target: MoveSide,
        here: StackDriver,
        there: StackDriver,
        *,
        verify: Verify = lambda _apps: (),
        deadline: float | None = None,
        progress: Progress = silent,
    ) -> None:
        self._source, self._target, self._here, self._there = source, target, here, there
        self._verify, self._deadline, self._progress = verify, deadline, progress

    def begin(self, names: Sequence[str] = (), *, waive: Mapping[str, str] = {}, with_library: bool = False) -> StackMoveJournal:
        """Plan a move and do it. Raises every obstacle before the first byte; after it, the move can be resumed or rolled back."""
        refuse_pair(self._source, self._target)
        with locked(LOCK, "migrate", progress=self._progress, wait=0):
            refuse_unfinished(self._source.project, self._target.project)
            self._withdraw()
            plan, problems = plan_stack_move(
                self._source, self._target, self._here, self._there, names, waive=waive, with_library=with_library, progress=self._progress
            )
            refuse_open(plan, problems, f"{self._source.profile} to {self._target.profile}")
            if plan.sizes:
                self._progress(Event(what="note", subject="", text=plan.estimate()))
            journal = stack_reached(_first(self._source, self._target, plan, waive), "fencing")
            points.reach("stack fencing")
            return self._run(journal)

    def _withdraw(self) -> None:
        """Remove what a command left that was killed before its move began: a journal, and perhaps a fence."""
        journal = read_stack_journal(self._source.project, self._target.project)
        if journal is not None:
            self._there.remove_fence(fence_of(journal, "target"))
            file_of(journal.source, journal.target).unlink()

    def resume(self) -> StackMoveJournal:
        """Complete a move that was killed or failed. Raises UsageError if there is none, Refused if its end was chosen."""
        refuse_pair(self._source, self._target)
        with locked(LOCK, "migrate", progress=self._progress, wait=0):
            journal = unfinished_move(self._source.project, self._target.project)
            if journal.step in ("rolling-back", "confirming"):
                word = "--rollback" if journal.step == "rolling-back" else "--confirm"
                remedy = f"repeat {journal.command(word)}"
                raise Refused("the end of this move was chosen", code="migrate.past-confirm", where=self._target.project, remedy=remedy)
            return self._run(journal)

    def _run(self, journal: StackMoveJournal) -> StackMoveJournal:
        if not has_stack_step(journal, "starting"):
            self._there.add_fence(fence_of(journal, "target"))
            points.reach("target fenced")
            # Whoever started apps there before the fence did so unhindered: they would write while the state is copied.
            after = f"; then run {journal.command('--resume')}, or {journal.command('--rollback')}"
            refuse_running(self._there, journal.apps, self._target, after=after)
        steps: tuple[tuple[StackStep, Callable[[StackMoveJournal], StackMoveJournal]], ...] = (
            ("planned", self._fenced),
            ("precopied", self._precopy),
            ("stopping", self._note_running),
            ("stopped", self._stop),
            ("placed", self._place),
            ("starting", self._gate),
            ("started", self._start),
            ("done", self._check),
        )
        for step, action in steps:
            if not has_stack_step(journal, step):
                journal = self._do(journal, step, action)
        return journal

    def _do(self, journal: StackMoveJournal, step: StackStep, action: Callable[[StackMoveJournal], StackMoveJournal]) -> StackMoveJournal:
        try:
            journal = action(journal)
        except PortableError:
            text = f"the move stopped before the step `{step}`: run {journal.command('--resume')}, or {journal.command('--rollback')}"
            self._progress(Event(what="note", subject="", text=text))
            raise
        points.reach(f"before stack {step}")
        journal = stack_reached(journal, step)
        points.reach(f"stack {step}")
        return journal

    def _fenced(self, journal: StackMoveJournal) -> StackMoveJournal:
        """Record that the target is fenced: from here on the move has begun."""
        return journal

    def _precopy(self, journal: StackMoveJournal) -> StackMoveJournal:
        """Copy each volume while its apps run, so that the copy after the stop is short."""
        journal = self._make_parents(journal)
        for volume in journal.moved:
            self._progress(Event(what="doing", subject=volume.id, text=f"copying {volume.source} while its apps run"))
            self._folder(journal, volume, until="precopied")
        return journal

    def _make_parents(self, journal: StackMoveJournal) -> StackMoveJournal:
        """Create the folders above the targets, and record them first: a rollback removes those that are empty."""
        missing = {str(one) for volume in journal.moved for one in Path(volume.target).parents if not one.exists()}
        journal = keep(journal, made=tuple(sorted({*journal.made, *missing})))
        for path in journal.made:
            Path(path).mkdir(mode=0o755, exist_ok=True)
        return journal

    def _folder(self, journal: StackMoveJournal, volume: MovedVolume, *, until: Step) -> MoveJournal:
        """Run the step machine of one folder up to a step, from wherever it is."""
        source, target = Path(volume.source), Path(volume.target)
        if (target / WORK).is_dir():
            try:
                return moving.resume(target, progress=self._details, until=until)
            except PortableError as error:
                if error.code != "migrate.not-begun":
                    raise
        is_live = not has_stack_step(journal, "stopped")
        return moving.begin(source, target, waive=folder_waivers(journal.waive), progress=self._details, until=until, is_live=is_live)

    def _details(self, event: Event) -> None:
        self._progress(event if event.what == "note" else msgspec.structs.replace(event, what="line"))

    def _note_running(self, journal: StackMoveJournal) -> StackMoveJournal:
        """Record which apps run, and their images, before any of them is stopped."""
        note_images(self._source.project, self._here.service_images())
        ran = tuple(app for app in journal.stopped if self._here.state_of(app) in ("running", "restarting"))
        return keep(journal, ran=ran)

    def _stop(self, journal: StackMoveJournal) -> StackMoveJournal:
        """Fence the apps at the source, then stop them in order. From here on nobody can start them there."""
        self._progress(Event(what="doing", subject="", text=f"stopping {', '.join(journal.stopped)} at {journal.from_}"))
        began = time.time()
        with locked(self._source.project, "migrate", progress=self._progress) as lock:
            self._here.add_fence(fence_of(journal, "source"))
            points.reach("source fenced")
            self._here.down(apps=journal.stopped, progress=self._progress, held=lock)
        if left := [app for app in journal.stopped if self._here.state_of(app) != "missing"]:
            text = f"{', '.join(left)} did not stop"
            raise PortableError(
                text, code="migrate.failed", where=journal.source, remedy=f"stop it, then run {journal.command('--resume')}"
            )
        return keep(journal, down={app: journal.down.get(app, began) for app in journal.apps if app in journal.ran})

    def _place(self, journal: StackMoveJournal) -> StackMoveJournal:
        """Copy what changed, compare both sides by a second reader, and put each volume in its place."""
        for volume in journal.moved:
            self._progress(Event(what="doing", subject=volume.id, text="copying the rest, and comparing both sides"))
            moved = self._folder(journal, volume, until="placed")
            journal = keep(journal, databases={**journal.databases, volume.id: moved.databases})
            points.reach(f"placed {volume.id}")
        return journal

    def _gate(self, journal: StackMoveJournal) -> StackMoveJournal:
        """Refuse the start if an app could not write its files at the target. Raises Refused. Record the gateways that the start brings."""
        folders = [one for one in state_folders(self._target.plan) if one.app in journal.apps]
        if found := tuple(foreign_findings(folders)):
            text = f"the apps cannot start on the target: {'; '.join(finding.text for finding in found)}"
            remedy = f"follow the remedies, then run {journal.command('--resume')}, or {journal.command('--rollback')}"
            raise Refused(text, code="migrate.start-gate", findings=found, where=journal.target, remedy=remedy)
        behind = self._target.plan.behind_gateways
        gateways = {behind[app] for app in journal.apps if app in behind} - set(journal.apps)
        return keep(journal, brought=tuple(sorted(one for one in gateways if self._there.state_of(one) == "missing")))

    def _start(self, journal: StackMoveJournal) -> StackMoveJournal:
        """Let the apps start at the target, and wait until they are healthy."""
        for volume in journal.moved:
            self._folder(journal, volume, until="starting")
        SecretMove(self._source, self._target).copy()
        points.reach("secrets copied")
        self._open_target(journal)
        points.reach("target opened")
        self._note_images(journal)
        # The move's own check of versions counts: a step that was waived there is not refused here.
        accepted = tuple(kind.removeprefix("version.") for kind in journal.waive if kind.startswith("version."))
        stack = msgspec.structs.replace(self._there.stack, accepted_versions=(*self._there.stack.accepted_versions, *accepted))
        target, driver = self._target, self._there.rebound(stack, self._there.source) if accepted else self._there
        generate_missing(target.stack.secrets, target.generated, target.source, project=target.project, progress=self._progress)
        well: dict[str, float] = {}
        driver.up(apps=journal.apps, deadline=self._deadline, progress=self._timed(well))
        if target.stack.secrets:
            driver.record_secrets_owner(owner_of(target.source))
        now = time.time()
        return keep(journal, well={app: well.get(app, now) for app in journal.apps})

    def _note_images(self, journal: StackMoveJournal) -> None:
        """Note at the target which images wrote the state that it has now. What ran there before says nothing of it."""
        ran = last_images(self._source.project)
        for app in journal.apps:
            images = {service: last.image for service, last in ran.items() if last.app == app}
            note_restored(self._target.project, app, images)

    def _timed(self, well: dict[str, float]) -> Progress:
        """Record when a service is in its desired state; services have their app's name."""

        def passed(event: Event) -> None:
            if event.what == "done":
                well.update(dict.fromkeys(event.subject.split(", "), time.time()))
            self._progress(event)

        return passed

    def _open_target(self, journal: StackMoveJournal) -> None:
        """Remove the fence of this move at the target, and those of earlier moves away from it, for these apps."""
        for fence in self._there.fences():
            left = tuple(app for app in fence.apps if app not in journal.apps)
            if left != fence.apps:
                if left:
                    self._there.add_fence(msgspec.structs.replace(fence, apps=left, move=f"{fence.move}-{len(left)}"))
                self._there.remove_fence(fence)

    def _check(self, journal: StackMoveJournal) -> StackMoveJournal:
        """Check the contracts at the target. A broken one does not undo the move: the person decides."""
        for volume in journal.moved:
            self._folder(journal, volume, until="done")
        return keep(journal, broken=self._verify(journal.apps))


def fence_of(journal: StackMoveJournal, side: str) -> Fence:
    """The fence of a move at one of its sides."""
    return Fence(move=journal.id, side="source" if side == "source" else "target", from_=journal.from_, to=journal.to, apps=journal.apps)


def _first(source: MoveSide, target: MoveSide, plan: StackMovePlan, waive: Mapping[str, str]) -> StackMoveJournal:
    choice = plan.choice
    file_of(source.project, target.project)  # its folder must be writable before anything else is
    return StackMoveJournal(
        id=f"{int(time.time())}{os.getpid()}",
        step="fencing",
        from_=source.profile,
        to=target.profile,
        source=source.project,
        target=target.project,
        apps=choice.apps,
        stopped=choice.stopped,
        absent=choice.absent,
        staying=choice.staying,
        volumes=choice.volumes,
        sizes=plan.sizes,
        findings=plan.findings,
        waive=dict(waive),
        secrets=plan.secrets,
    )
