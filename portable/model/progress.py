"""Progress events of live functions, as data; the command line formats them."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from portable.model.base import Struct

What = Literal["doing", "waiting", "done", "note", "line"]


class Event(Struct, frozen=True, kw_only=True):
    """One message about progress.

    `doing`: work on the subject began or continues; `waiting`: the subject waits, and the text is the reason; `done`: the subject is in
    its desired state; `note`: a remark, sent once; `line`: a line of output of another program that works on the subject (a build).
    """

    what: What
    subject: str
    """A service, an image, or empty for the whole stack."""
    text: str

    def sentence(self) -> str:
        """The event as text for a person: `sonarr: waiting for gluetun to be healthy`."""
        return f"{self.subject}: {self.text}" if self.subject else self.text


Progress: TypeAlias = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Discard the event."""


class Deduplicated:
    """Passes on only events that are new for their subject, so that a loop may repeat the same event."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last: dict[str, tuple[What, str]] = {}

    def __call__(self, event: Event, *, same_as: str | None = None) -> None:
        """Pass the event on if it is new; compare `same_as` instead of the text if the text contains a time."""
        current = (event.what, same_as or event.text)
        if self._last.get(event.subject) != current:
            self._last[event.subject] = current
            self._progress(event)
