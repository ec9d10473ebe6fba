"""Progress events of live functions, as data; the command line formats them."""

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from portable.model.base import Struct

What = Literal["doing", "waiting", "done", "note", "line", "beat"]


class Event(Struct, frozen=True, kw_only=True):
    """One message about progress.

    `doing`: work on the subject began or continues; `waiting`: the subject waits, and the text is the reason; `done`: the subject is in
    its desired state; `note`: a remark, sent once; `line`: a detail for the log, such as a line of output of another program that works on
    the subject (a build); `beat`: a sign of life of work that is silent for minutes.
    """

    what: What
    subject: str
    """A service, an image, several of them, or empty for the whole stack."""
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
        self._keys: set[str] = set()

    def __call__(self, event: Event, *, same_as: str | None = None) -> None:
        """Pass the event on if it is new; compare `same_as` instead of the text if the text contains a time."""
        if self._is_new(event, same_as):
            self._progress(event)

    def first(self, event: Event, *, key: str) -> bool:
        """Pass on only the first event of a key, and return whether this was it."""
        is_first = key not in self._keys
        if is_first:
            self._keys.add(key)
            self._progress(event)
        return is_first

    def always(self, event: Event) -> None:
        """Pass the event on."""
        self._progress(event)

    def together(self, events: Iterable[tuple[Event, str | None]]) -> None:
        """Pass on those that are new, each with its `same_as`; those of one kind and text as one event that names all subjects."""
        grouped: dict[tuple[What, str], list[str]] = {}
        for event, same_as in events:
            if self._is_new(event, same_as):
                grouped.setdefault((event.what, event.text), []).append(event.subject)
        for (what, text), subjects in grouped.items():
            self._progress(Event(what=what, subject=", ".join(subjects), text=text))

    def _is_new(self, event: Event, same_as: str | None) -> bool:
        current = (event.what, same_as or event.text)
        if self._last.get(event.subject) == current:
            return False
        self._last[event.subject] = current
        return True
