"""The open faults and the queue of messages of one profile, in a private file of this user on this machine.

A message is delivered at least once. The change of a fault and its message are written together, before anything is sent; a message
leaves the queue after the channel accepted it. A command that is killed between these two sends the message again, with the same number.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping

import msgspec

from portable.local.files import write_private
from portable.local.folders import project_folder
from portable.local.lock import locked
from portable.local.paths import state_home
from portable.model.errors import PortableError
from portable.model.plan import Plan
from portable.upkeep.faults import Message, Reports, Standing, changed

_LOCK_SECONDS = 30.0
"""The longest wait for another command: one that delivers also delivers what is added meanwhile."""
Send = Callable[[str, str, bool], None]
"""Sends title, body and whether it is a fault. Raises PortableError if the channel does not accept it."""


def project_of(plan: Plan) -> str:
    """The name of the plan's project, as every driver makes it."""
    return f"{plan.stack}-{plan.profile}"


def now() -> str:
    """The time, RFC 3339, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ReportFile:
    """The file of one profile. Several commands may use it at once."""

    def __init__(self, project: str) -> None:
        """Reads and creates nothing yet."""
        self.project = project
        self.path = state_home() / project / "notify.json"

    def read(self) -> Reports:
        """The content; empty if there is no file. Raises PortableError for a file that is not readable."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Reports)
        except FileNotFoundError:
            return Reports()
        except (OSError, msgspec.DecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not valid JSON of this version"
            raise PortableError(
                f"the open faults cannot be read: {why}",
                code="notify.state",
                where=str(self.path),
                remedy=f"correct its owner and mode, or forget all faults: `rm {self.path}`",
            ) from None

    def record(self, observations: Iterable[Standing], *, runs: Mapping[str, str] | None = None) -> Reports:
        """Open and close faults and queue their messages, in one step. `runs` are scheduled runs that are counted with it."""

        def change(before: Reports) -> Reports:
            after = changed(before, observations, place=self.project, now=now())
            return msgspec.structs.replace(after, runs={**after.runs, **(runs or {})})

        return self._update(change)

    def forget(self) -> Reports:
        """Drop all open faults and queued messages; returns them. The count of messages goes on."""
        before = self.read()
        self._update(lambda reports: Reports(last=reports.last, runs=reports.runs))
        return before

    def deliver(self, send: Send) -> int:
        """Send the queued messages in order; returns their number. Raises PortableError at the first one that is not accepted.

        If another command is delivering for longer than the timeout, it delivers these messages too.
        """
        sent = 0
        try:
            with locked(f"_notify-send-{self.project}", "notify", wait=_LOCK_SECONDS):
                while (reports := self.read()).queue:
                    message = reports.queue[0]
                    self._send(message, reports.dropped, send)
                    self._update(lambda reports, number=message.number: _without(reports, number))  # type: ignore[misc]
                    sent += 1
        except PortableError as error:
            if error.code == "file.locked":
                return sent
            raise
        return sent

    def _send(self, message: Message, dropped: int, send: Send) -> None:
        lost = f"\n{dropped} older messages were dropped, because the channel did not work." if dropped else ""
        try:
            send(message.title, message.body + lost, message.is_fault)
        except PortableError as error:
            why, first = error.text, now()
            self._update(lambda reports: msgspec.structs.replace(reports, undelivered_since=reports.undelivered_since or first, why=why))
            raise

    def _update(self, change: Callable[[Reports], Reports]) -> Reports:
        """Replace the content under a lock. The file is not written if nothing changes."""
        with locked(f"_notify-{self.project}", "notify", wait=_LOCK_SECONDS):
            before = self.read()
            after = change(before)
            if after != before:
                project_folder(self.project)
                write_private(self.path, msgspec.json.encode(after).decode())
        return after


def _without(reports: Reports, number: int) -> Reports:
    """The content after the delivery of a message."""
    queue = tuple(message for message in reports.queue if message.number != number)
    return msgspec.structs.replace(reports, queue=queue, dropped=0, undelivered_since="", why="")
