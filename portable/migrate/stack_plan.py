"""The preflight of a move of apps: what moves, what it takes, what is lost, and every obstacle at once. It writes nothing."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from portable.live.driver import StackReader
from portable.live.fences import refuse_fenced
from portable.migrate.choosing import MoveChoice, MovedVolume, choose
from portable.migrate.ledgers import LedgerChange, ledger_changes
from portable.migrate.pace import Pace, Paces, duration, total
from portable.migrate.places import refuse_unmounted
from portable.migrate.planning import MovePlan, dry_run, nearest
from portable.migrate.secret_moves import SecretMove
from portable.migrate.sides import MoveSide, refuse_pair
from portable.migrate.weighing import folder_waivers, weighed
from portable.model.base import Struct
from portable.model.errors import PortableError, Refused, SeveralErrors, caught
from portable.model.findings import Finding
from portable.model.progress import Event, Progress, silent

_RESERVE = 1.02


class MoveSize(Struct, frozen=True, kw_only=True):
    """What one volume takes."""

    id: str
    entries: int
    files: int
    bytes: int
    free: int
    """Free bytes on the target's file system."""
    inodes: int = 0
    """Files, folders and other objects, with each hard link counted once."""
    free_inodes: int | None = None
    """Free inodes on the target's file system; None if it has no fixed number of them."""
    copy_seconds: float | None = None
    """Estimated time of the copy while apps run; None if nothing was measured."""
    down_seconds: float | None = None
    """Estimated time of what follows the stop of the apps."""


class StackMovePlan(Struct, frozen=True, kw_only=True):
    """What a move of apps would do."""

    choice: MoveChoice
    sizes: tuple[MoveSize, ...]
    findings: tuple[Finding, ...]
    """What is lost or weakened, each with its verdict."""
    secrets: tuple[str, ...]
    """Names of the secrets that are copied to the target's store."""
    ledger: tuple[LedgerChange, ...] = ()
    """What the apps lose and gain at the new place."""
    notes: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[Finding, ...]:
        """The findings that stop the move."""
        return tuple(finding for finding in self.findings if finding.verdict == "refused")

    @property
    def copy_seconds(self) -> float | None:
        """Estimated time of the copies while apps run."""
        return total(size.copy_seconds for size in self.sizes)

    @property
    def downtimes(self) -> dict[str, float | None]:
        """Estimated time of each app between its stop and its start. All apps stop together, and start when all volumes are proven."""
        return dict.fromkeys(self.choice.apps, total(size.down_seconds for size in self.sizes))

    def estimate(self) -> str:
        """The estimated time as a sentence. All apps of a move are down for the same time, but for their own start."""
        copy, down = self.copy_seconds, next(iter(self.downtimes.values()), None)
        if copy is None or down is None:
            return "time: unknown, since the speed of the target cannot be measured"
        return f"time: about {duration(copy)} while the apps run; then they are down for about {duration(down)}, and their start"


def plan_stack_move(
    source: MoveSide,
    target: MoveSide,
    here: StackReader,
    there: StackReader,
    names: Sequence[str] = (),
    *,
    waive: Mapping[str, str] = {},
    with_library: bool = False,
    reads: bool = True,
    progress: Progress = silent,
) -> tuple[StackMovePlan, tuple[PortableError, ...]]:
    """Plan a move, and list every obstacle. Raises Refused for a pair of places that cannot be moved between, UsageError for wrong apps.

    Without `reads`, files are opened, but not read: a file that its disk cannot return is not noticed.
    """
    refuse_pair(source, target)
    choice = choose(source.plan, target.plan, names, with_library=with_library)
    here.check()
    sizes, losses, problems = _measured(choice, waive, progress, reads=reads)
    secrets = SecretMove(source, target)
    findings = (*weighed(source, target, choice, here.images_in_use(), waive), *losses)
    resolved, missing = secrets.foreseen()
    problems += caught(
        lambda: refuse_fenced(here.fences(), choice.apps, source.project),
        lambda: refuse_fenced((one for one in there.fences() if one.side == "target"), choice.apps, target.project),
        lambda: refuse_running(there, choice.apps, target),
        lambda: _refuse_full(choice, sizes),
        *(partial(refuse_unmounted, Path(volume.source)) for volume in choice.those("empty")),
        secrets.check,
    )
    # The move compares versions itself, with those of the source: what ran at the target before says nothing of the state that comes.
    accepting = there.rebound(msgspec.structs.replace(there.stack, accepted_versions=choice.apps), there.source)
    other = caught(lambda: accepting.rehearse(apps=choice.apps, resolved=resolved))
    stopping = {(source.project, app) for app in choice.stopped}
    problems += tuple(error for error in (*missing, *other) if error.code != "migrate.fenced" and not _ends_with_source(error, stopping))
    notes = tuple(_notes(choice, source, target))
    ledger = ledger_changes(source, target, choice)
    return StackMovePlan(choice=choice, sizes=sizes, findings=findings, secrets=secrets.names(), ledger=ledger, notes=notes), problems


def refuse_open(plan: StackMovePlan, problems: tuple[PortableError, ...], where: str) -> None:
    """Raise every obstacle of a plan together."""
    if refused := plan.refused:
        text = f"the move has {len(refused)} open finding{'s' if len(refused) > 1 else ''}"
        remedy = "follow the remedies, or accept a finding with `--waive KIND=REASON`"
        problems = (Refused(text, code=refused[0].code, findings=refused, where=where, remedy=remedy), *problems)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise SeveralErrors(problems)


def _measured(
    choice: MoveChoice, waive: Mapping[str, str], progress: Progress, *, reads: bool
) -> tuple[tuple[MoveSize, ...], tuple[Finding, ...], tuple[PortableError, ...]]:
    """Walk each folder that moves, probe its target, and measure both."""
    paces = Paces()
    sizes: list[MoveSize] = []
    losses: list[Finding] = []
    problems: tuple[PortableError, ...] = ()
    for volume in choice.those("move"):
        progress(Event(what="doing", subject=volume.id, text=f"reading {volume.source}"))

        def measure(volume: MovedVolume = volume) -> None:
            began = time.monotonic()
            source, target = Path(volume.source), Path(volume.target)
            plan = dry_run(source, target, waive=folder_waivers(waive), is_live=True, makes_parents=True, reads=reads)
            pace = paces.of(nearest(target), walked=time.monotonic() - began, plan=plan, reads=reads)
            sizes.append(_size(volume.id, plan, pace))
            losses.extend(loss.finding(volume.target) for loss in plan.losses)

        problems += caught(measure)
    return tuple(sizes), tuple(losses), problems


def _size(name: str, plan: MovePlan, pace: Pace | None) -> MoveSize:
    return MoveSize(
        id=name,
        entries=plan.entries,
        files=plan.files,
        bytes=plan.bytes,
        free=plan.personality.free_bytes,
        inodes=plan.inodes,
        free_inodes=plan.personality.free_inodes or None,
        copy_seconds=pace.copy_seconds if pace else None,
        down_seconds=pace.down_seconds if pace else None,
    )


def refuse_running(there: StackReader, moved: Sequence[str], target: MoveSide, *, after: str = "") -> None:
    """Raise Refused if the target has containers of these apps: they would write while the state is copied. `after` ends the remedy."""
    if apps := [app for app in moved if there.state_of(app) != "missing"]:
        remedy = f"remove them there with `portable down -p {target.profile} {' '.join(apps)}`; their data stays{after}"
        text = f"{', '.join(apps)} has a container at {target.profile} already"
        raise Refused(text, code="migrate.target-runs", where=target.project, remedy=remedy)


def _refuse_full(choice: MoveChoice, sizes: Sequence[MoveSize]) -> None:
    """Raise Refused if several volumes that fit alone do not fit together on one file system."""
    folders = {volume.id: volume.target for volume in choice.volumes}
    systems: dict[int, list[MoveSize]] = {}
    for size in sizes:
        device = os.stat(nearest(Path(folders[size.id]))).st_dev  # noqa: PTH116 - beside st_dev nothing is asked
        systems.setdefault(device, []).append(size)
    for together in systems.values():
        needed, inodes = sum(size.bytes for size in together), sum(size.inodes for size in together)
        where, room, free = str(nearest(Path(folders[together[0].id]))), together[-1].free, together[-1].free_inodes
        if needed * _RESERVE > room:
            text = f"the volumes need {needed / 1e6:.0f} MB together, and {room / 1e6:.0f} MB are free"
            raise Refused(text, code="migrate.no-space", where=where, remedy="free space on the target, or move fewer apps at once")
        if free is not None and inodes * _RESERVE > free:
            text = f"the volumes need {inodes} inodes together, and {free} are free"
            raise Refused(
                text, code="migrate.no-inodes", where=where, remedy="choose a target with more inodes, or move fewer apps at once"
            )


def _ends_with_source(error: PortableError, stopping: set[tuple[str, str]]) -> bool:
    """Whether all that is wrong at the target comes from apps of the source that this move stops: ports, and shared folders."""
    return bool(error.holders) and all((holder.project, holder.app) in stopping for holder in error.holders)


def _notes(choice: MoveChoice, source: MoveSide, target: MoveSide) -> Iterator[str]:
    if choice.absent:
        yield f"{target.profile} does not have {', '.join(choice.absent)}: they stay at {source.profile}"
    if choice.staying:
        yield f"not named, and stay at {source.profile}: {', '.join(choice.staying)}"
    if choice.gateways:
        yield f"{', '.join(choice.gateways)} of {source.profile} stops, since all apps behind it move"
    if clouds := [cloud.id for cloud in source.plan.clouds]:
        yield f"clouds do not move, and are never read: {', '.join(clouds)}"
