"""Print the plan of a move: volumes, sizes, losses, time, and what the apps lose and gain at the new place."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from portable.cli import show
from portable.cli.options import Format

if TYPE_CHECKING:
    from portable.migrate.ledgers import LedgerChange
    from portable.migrate.sides import MoveSide
    from portable.migrate.stack_plan import StackMovePlan
    from portable.model.findings import Finding

_VOLUME = ("volume", "apps", "how", "source", "target")
_SIZE = ("files", "bytes", "free", "inodes", "free_inodes", "copy_seconds", "down_seconds")


def print_plan(plan: "StackMovePlan", one: "MoveSide", other: "MoveSide", output: Format) -> None:
    """Print what a move would do, without the obstacles, which the caller raises."""
    if output is Format.json:
        show.document(_document(plan, one, other))
        return
    show.line(f"moves from {one.profile} to {other.profile}: {', '.join(plan.choice.apps)}")
    show.table((*_VOLUME, "files", "size", "free", "free inodes"), list(_rows(plan)), Format.text, schema="migrate")
    show.line(plan.estimate())
    for note in plan.notes:
        show.line(note)
    if plan.secrets:
        show.line(f"secrets that are stored for {other.profile} too: {', '.join(plan.secrets)}")
    for finding in plan.findings:
        if finding.verdict != "refused":
            show.line(f"{finding.verdict}: {finding.class_}: {finding.text}{_why(finding)}")
    for sentence in _ledger(plan, other.profile):
        show.line(sentence)


def _rows(plan: "StackMovePlan") -> Iterator[tuple[object, ...]]:
    sizes = {size.id: size for size in plan.sizes}
    for volume in plan.choice.volumes:
        size = sizes.get(volume.id)
        cells = (size.files, _megabytes(size.bytes), _megabytes(size.free), size.free_inodes) if size else (None,) * 4
        yield (volume.id, list(volume.apps), volume.how, volume.source or None, volume.target or None, *cells)


def _document(plan: "StackMovePlan", one: "MoveSide", other: "MoveSide") -> dict[str, Any]:
    choice, sizes = plan.choice, {size.id: size for size in plan.sizes}
    volumes = []
    for volume in choice.volumes:
        size = sizes.get(volume.id)
        cells = (volume.id, volume.apps, volume.how, volume.source or None, volume.target or None)
        numbers = {name: _rounded(getattr(size, name)) if size else None for name in _SIZE}
        volumes.append({**dict(zip(_VOLUME, cells, strict=True)), **numbers})
    return {
        "schema": "portable/migrate/1",
        "from": one.profile,
        "to": other.profile,
        "apps": choice.apps,
        "absent": choice.absent,
        "staying": choice.staying,
        "stopped": choice.stopped,
        "volumes": volumes,
        "estimate": {
            "copy_seconds": _rounded(plan.copy_seconds),
            "downtime_seconds": {app: _rounded(seconds) for app, seconds in plan.downtimes.items()},
        },
        "findings": [_finding_row(finding) for finding in plan.findings],
        "ledger": [{"change": change.change, "field": change.finding.field, **_finding_row(change.finding)} for change in plan.ledger],
        "secrets": plan.secrets,
        "notes": plan.notes,
    }


def _finding_row(finding: "Finding") -> dict[str, Any]:
    return {
        "kind": finding.field.removeprefix("migrate."),
        "class": finding.class_,
        "app": finding.app,
        "verdict": finding.verdict,
        "code": finding.code,
        "text": finding.text,
        "remedy": finding.remedy,
        "reason": finding.reason,
    }


def _ledger(plan: "StackMovePlan", profile: str) -> Iterator[str]:
    """The difference of the two ledgers as sentences; cosmetic findings are only counted."""
    for direction, title in (("lost", f"what you lose at {profile}:"), ("gained", f"what you no longer lose at {profile}:")):
        changes = [change for change in plan.ledger if change.change == direction]
        shown = [change for change in changes if change.finding.class_ != "cosmetic"]
        if shown:
            yield title
            yield from (f"  {_sentence(change)}" for change in shown)
        if hidden := len(changes) - len(shown):
            yield f"{title.removesuffix(':')}: {hidden} cosmetic finding{'s' if hidden > 1 else ''}, see `--format json`"


def _sentence(change: "LedgerChange") -> str:
    finding = change.finding
    about = f"{finding.app}: " if finding.app and finding.app not in finding.text else ""
    return f"{finding.class_}: {about}{finding.text}{_why(finding) if change.change == 'lost' else ''}"


def _why(finding: "Finding") -> str:
    return f" (waived: {finding.reason})" if finding.reason else ""


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _rounded(number: float | None) -> float | None:
    return round(number, 1) if isinstance(number, float) else number
