"""Reports what a command saw to the profile's channel. The command's own result and exit code stay as they are."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from portable.model.errors import PortableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from portable.live.place import Place
    from portable.model.plan import Plan
    from portable.upkeep.faults import Command, Standing
    from portable.upkeep.notifying import Notifier


class Report:
    """Collects what a command sees."""

    def __init__(self) -> None:
        self.observations: list[Standing] = []
        self.is_complete = True
        """Whether the command did all of its work: only then does it end the fault of an earlier run, and call its ping."""

    def add(self, observations: "Iterable[Standing]") -> None:
        """Add states of subjects."""
        self.observations += observations


def notifier_of(place: "Place", plan: "Plan", *, warn: "Callable[[PortableError], None] | None" = None) -> "Notifier":
    """The notifier of a place. Its messages mask the values of the place's secrets, and name the profile in commands.

    `warn` gets what did not work; by default it is printed on standard error.
    """
    from portable.cli.errors import say
    from portable.cli.hints import typed
    from portable.cli.progress import printed
    from portable.secrets.generate import hider
    from portable.upkeep.notifying import Notifier

    hide = hider(place.stack.secrets, place.source, progress=printed)
    warn = warn or (lambda error: say(f"notify: {error}"))
    return Notifier(plan, place.stack.project, place.source, warn=warn, worded=lambda text: typed(hide(text)))


@contextlib.contextmanager
def reported(command: "Command", place: "Place", plan: "Plan") -> "Iterator[Report]":
    """Report what the block adds, also if it ends with an error.

    Two errors are not faults: one of the command line, and a `heal` that finds another command at work.
    """
    report = Report()
    if plan.notify is None:
        yield report
        return
    from portable.upkeep.faults import RUN, Standing, of_error

    notifier = notifier_of(place, plan)
    try:
        yield report
    except UsageError:
        raise
    except PortableError as error:
        if command == "heal" and error.code == "file.locked":
            raise
        notifier.report([*report.observations, of_error(command, error)])
        raise
    ended = Standing(command=command, subject=RUN, is_fault=False, text="the command ran to its end")
    notifier.report([*report.observations, *([ended] if report.is_complete else ())])
    if report.is_complete and not any(seen.is_fault for seen in report.observations):
        notifier.ping(command)
