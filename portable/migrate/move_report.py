"""The report of a move that the person keeps, as Markdown and as JSON: volumes, proof, losses, and how long apps were down."""

import time
from pathlib import Path
from typing import Any

import msgspec

from portable.local.files import write_private
from portable.local.folders import project_folder
from portable.migrate.pace import total
from portable.migrate.stack_ending import StackMoveEnd
from portable.migrate.stack_journal import LOCK, StackMoveJournal
from portable.model.errors import PortableError

_HOW = {
    "move": "copied and proven",
    "shared": "shared: both places use this folder",
    "cache": "left: apps can make it again",
    "empty": "empty at the source",
    "left": "left at the source",
}


def downtimes(journal: StackMoveJournal) -> dict[str, float]:
    """Seconds between the stop of each app at the source and its health at the target."""
    return {app: round(journal.well[app] - at, 1) for app, at in journal.down.items() if app in journal.well}


def document_of(journal: StackMoveJournal, outcome: str, end: StackMoveEnd | None = None) -> dict[str, Any]:
    """The report as data."""
    sizes = {size.id: size for size in journal.sizes}
    return {
        "schema": "portable/move/1",
        "move": journal.id,
        "from": journal.from_,
        "to": journal.to,
        "outcome": outcome,
        "step": journal.step,
        "apps": [{"app": app, "downtime_seconds": downtimes(journal).get(app), "ran": app in journal.ran} for app in journal.apps],
        "estimated_downtime_seconds": total(size.down_seconds for size in journal.sizes),
        "absent": list(journal.absent),
        "staying": list(journal.staying),
        "volumes": [
            {
                "volume": volume.id,
                "how": volume.how,
                "apps": list(volume.apps),
                "source": volume.source or None,
                "target": volume.target or None,
                "entries": sizes[volume.id].entries if volume.id in sizes else None,
                "bytes": sizes[volume.id].bytes if volume.id in sizes else None,
                "databases": msgspec.to_builtins(journal.databases[volume.id]) if volume.id in journal.databases else None,
            }
            for volume in journal.volumes
        ],
        "findings": [
            {"kind": f.field.removeprefix("migrate."), "app": f.app, "verdict": f.verdict, "text": f.text, "reason": f.reason}
            for f in journal.findings
        ],
        "secrets": list(journal.secrets),
        "broken": list(journal.broken),
        "times": {step: moment_of(at) for step, at in journal.times.items()},
        "removed": list(end.removed) if end else [],
        "aside": list(end.aside) if end else [],
        "left": list(end.left) if end else [],
    }


def _databases(totals: dict[str, Any]) -> str:
    """The results of the check of the databases of a volume, for a person."""
    counts = [f"{totals[verdict]} {verdict}" for verdict in ("intact", "damaged", "unknown") if totals[verdict]]
    texts = [f"{proof['path']}: {proof['text']}" for proof in totals["examples"]]
    return f"{', '.join(counts) or 'no databases'}, {totals['rows']} rows" + (f" ({'; '.join(texts)})" if texts else "")


def moment_of(at: float) -> str:
    """A time in UTC, RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def markdown_of(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    lines = [f"# Move from {report['from']} to {report['to']}", "", f"Outcome: {report['outcome']}.", "", "## Apps", ""]
    for app in report["apps"]:
        down = app["downtime_seconds"]
        lines.append(f"- {app['app']}: {'down for ' + format(down, '.1f') + ' s' if down is not None else 'it did not run at the source'}")
    lines += [f"- {app}: not at {report['to']}, so it stays" for app in report["absent"]]
    lines += [
        "",
        "## Volumes",
        "",
        "| volume | what happened | source | target | entries | bytes |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in report["volumes"]:
        cells = (one["volume"], _HOW[one["how"]], one["source"], one["target"], one["entries"], one["bytes"])
        lines.append("| " + " | ".join("-" if cell is None else str(cell) for cell in cells) + " |")
    lines += ["", "A second program compared source and copy of each copied volume in 14 fields."]
    lines += [f"SQLite, {one['volume']}: {_databases(one['databases'])}." for one in report["volumes"] if one["databases"]]
    sections = (
        (
            "Losses and waivers",
            [f"{f['verdict']}: {f['text']}" + (f" (waived: {f['reason']})" if f["reason"] else "") for f in report["findings"]],
        ),
        ("Secrets stored at the target", report["secrets"]),
        ("Contracts that are broken at the target", report["broken"]),
        ("Removed", report["removed"]),
        ("Put aside at the target", report["aside"]),
        ("Left at the source", report["left"]),
        ("Steps", [f"{step}: {at}" for step, at in report["times"].items()]),
    )
    for title, items in sections:
        if items:
            lines += ["", f"## {title}", "", *(f"- {item}" for item in items)]
    return "\n".join(lines) + "\n"


def keep_report(journal: StackMoveJournal, outcome: str, end: StackMoveEnd | None = None) -> tuple[Path, Path]:
    """Write both forms, and return their paths. A later end of the same move replaces them. Raises PortableError."""
    folder = project_folder(LOCK) / "reports"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        text = f"cannot keep the report: {error.strerror}"
        raise PortableError(text, code="file.write", where=str(folder), remedy="check the folder's permissions") from None
    stamp = time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime(min(journal.times.values())))
    report = document_of(journal, outcome, end)
    page, data = folder / f"{stamp}-{journal.id}.md", folder / f"{stamp}-{journal.id}.json"
    write_private(page, markdown_of(report))
    write_private(data, msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
    return page, data
