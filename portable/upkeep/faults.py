"""Open faults, and the messages about their beginning and end. Pure: `reports.py` keeps them on the disk, `channel.py` sends them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from portable.live.results import ServiceStatus
from portable.model.base import Struct
from portable.model.contracts import ContractResult
from portable.model.errors import PortableError
from portable.upkeep.backup import BackupRow
from portable.upkeep.image_file import Updated
from portable.upkeep.tasks import TaskResult

QUEUE = 200
"""Messages that wait for a dead channel. Of more, the oldest are dropped, and a message says how many."""
_BODY, _TITLE = 900, 120
"""Characters. Pushover accepts 1,024, the other services more; a message that is too long would block those behind it."""
STARTING = ("starting", "not finished yet")
"""How the reasons of services begin that are not faulty yet (`judge` of the driver)."""
RUN = "run"
"""The subject of a command as a whole."""
Command = Literal["heal", "backup", "upkeep", "update", "verify"]
"""The commands that report, and that may have a ping."""


class Standing(Struct, frozen=True, kw_only=True):
    """The state of one subject, as a command saw it."""

    command: Command
    subject: str
    is_fault: bool
    text: str = ""
    remedy: str = ""

    @property
    def key(self) -> str:
        """Identifies the subject in the file of open faults."""
        return f"{self.command}: {self.subject}"


class OpenFault(Struct, frozen=True, kw_only=True):
    """A fault that was reported and has not ended."""

    since: str
    """RFC 3339, UTC."""
    text: str
    remedy: str


class Message(Struct, frozen=True, kw_only=True):
    """A message that is not delivered yet."""

    number: int
    """Counts all messages of a profile. A message that arrives twice has the same number."""
    title: str
    body: str
    is_fault: bool


class Reports(Struct, frozen=True, kw_only=True):
    """The open faults and the queue of messages of one profile."""

    faults: Mapping[str, OpenFault] = {}
    queue: tuple[Message, ...] = ()
    last: int = 0
    """The number of the newest message."""
    dropped: int = 0
    """Messages that were dropped since the last delivery."""
    undelivered_since: str = ""
    """The first failed delivery since the last successful one, RFC 3339; empty if the channel works."""
    why: str = ""
    """Why that delivery failed."""
    runs: Mapping[str, str] = {}
    """By scheduled app: the time of its last run that was counted, as the engine writes it."""


def changed(reports: Reports, observations: Iterable[Standing], *, place: str, now: str) -> Reports:
    """Open and close faults, and queue one message for each change. `place` is the name of the project; `now` is RFC 3339.

    A fault that is open already, with any text, adds nothing; neither does a subject that was never faulty.
    """
    faults, queue, last, dropped = dict(reports.faults), list(reports.queue), reports.last, reports.dropped
    for seen in observations:
        before = faults.get(seen.key)
        if seen.is_fault == (before is not None):
            continue
        last += 1
        if before is None:
            faults[seen.key] = OpenFault(since=now, text=seen.text, remedy=seen.remedy)
            lines = [seen.text, f"What to do: {seen.remedy}" if seen.remedy else "", f"Since {now}."]
        else:
            del faults[seen.key]
            lines = [seen.text, f"It lasted from {before.since} to {now}: {before.text}"]
        state = "fault" if seen.is_fault else "recovered"
        queue.append(
            Message(
                number=last,
                title=_cut(f"{place}: {seen.key}: {state}", _TITLE),
                body=_with_number(lines, last, place),
                is_fault=seen.is_fault,
            )
        )
    if len(queue) > QUEUE:
        dropped += len(queue) - QUEUE
        queue = queue[-QUEUE:]
    return Reports(
        faults=faults,
        queue=tuple(queue),
        last=last,
        dropped=dropped,
        undelivered_since=reports.undelivered_since,
        why=reports.why,
        runs=reports.runs,
    )


def _with_number(lines: Iterable[str], number: int, place: str) -> str:
    """The body: its lines, cut so that the number of the message always follows."""
    end = f"(message {number} of {place})"
    return "\n".join((_cut("\n".join(line for line in lines if line), _BODY - len(end) - 1), end))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def of_error(command: Command, error: PortableError) -> Standing:
    """A command that ended with an error."""
    text = f"{error.where}: {error.text}" if error.where else error.text
    return Standing(command=command, subject=RUN, is_fault=True, text=text, remedy=error.remedy or f"run `portable {command}` again")


def of_services(rows: Iterable[ServiceStatus]) -> tuple[Standing, ...]:
    """Services that run, or do not. Those that are starting count as neither; removed ones are not faulty: somebody removed them."""
    seen = []
    for row in rows:
        is_running = row.state == "running"
        if row.state in ("orphan", "created") or (is_running and row.reason.startswith(STARTING)):
            continue
        is_fault = row.state in ("exited", "restarting", "paused", "dead") or (is_running and bool(row.reason))
        text = f"it is {row.state}{f': {row.reason}' if row.reason and row.reason != row.state else ''}"
        remedy = f"read `portable logs {row.app}`, then run `portable up {row.app}`"
        seen.append(Standing(command="heal", subject=row.service, is_fault=is_fault, text=text, remedy=remedy if is_fault else ""))
    return tuple(seen)


def of_backups(rows: Iterable[BackupRow], *, tried: bool = False) -> tuple[Standing, ...]:
    """Apps that were backed up, or with `tried`, whose newest backup was restored to a scratch folder."""
    seen = []
    for row in rows:
        if row.result not in ("done", "failed", "sound", "unsound", "unreadable"):
            continue
        is_fault = row.result in ("failed", "unsound", "unreadable")
        text = "; ".join(row.notes) or (f"the result is: {row.result}" if is_fault else f"backup of {row.at}")
        subject = f"restore test of {row.app}" if tried else row.app
        again = f"`portable backup --check {row.app}`" if tried else f"`portable backup {row.app}`"
        remedy = f"correct the cause, then run {again}" if is_fault else ""
        seen.append(Standing(command="backup", subject=subject, is_fault=is_fault, text=text, remedy=remedy))
    return tuple(seen)


def of_tasks(results: Iterable[TaskResult]) -> tuple[Standing, ...]:
    """Tasks that ran. Newer images and tasks that this place does not have are not faults."""
    return tuple(
        Standing(
            command="upkeep",
            subject=f"{done.task} of {done.subject}" if done.subject != done.task else done.task,
            is_fault=done.result == "failed",
            text=done.text,
            remedy=f"read the output of `portable upkeep --task {done.task}`" if done.result == "failed" else "",
        )
        for done in results
        if done.result in ("done", "failed")
    )


def of_updates(rows: Sequence[Updated]) -> tuple[Standing, ...]:
    """Groups that were updated, or that failed and may have been rolled back."""
    seen = []
    for group in dict.fromkeys(row.group for row in rows):
        own = [row for row in rows if row.group == group]
        bad = [row for row in own if row.result == "failed" or row.why]
        text = "; ".join(dict.fromkeys(filter(None, (part for row in bad for part in (row.why, row.text)))))
        remedy = f"read `portable logs {group}`; `portable update {group}` tries again" if bad else ""
        seen.append(Standing(command="update", subject=group, is_fault=bool(bad), text=text, remedy=remedy))
    return tuple(seen)


def of_contracts(results: Iterable[ContractResult]) -> tuple[Standing, ...]:
    """Contracts that hold or are broken; an unknown one keeps its previous state."""
    worst: dict[tuple[str, str], ContractResult] = {}
    for result in results:
        key = result.contract, result.subject
        if result.verdict != "unknown" and (key not in worst or result.verdict == "broken"):
            worst[key] = result
    return tuple(
        Standing(
            command="verify",
            subject=f"{r.contract} of {r.subject}",
            is_fault=r.verdict == "broken",
            text=r.text,
            remedy=r.remedy if r.verdict == "broken" else "",
        )
        for r in worst.values()
    )


def of_down(result: ContractResult) -> Standing:
    """A stack that is down: one fault of the whole command, which ends with the next complete run."""
    return Standing(command="verify", subject=RUN, is_fault=True, text=result.text, remedy=result.remedy)
