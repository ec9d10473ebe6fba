"""What live functions tell while they work, as data: the command line decides how it looks."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from portable.model.base import Struct

What = Literal["doing", "waiting", "done", "note", "line"]


class Event(Struct, frozen=True, kw_only=True):
    """One thing to tell.

    `doing`: work on the subject began or went on; `waiting`: the subject waits, and the text is the reason; `done`: it is as it should be;
    `note`: said once; `line`: a line of a foreign program at work on the subject (a build).
    """

    what: What
    subject: str
    """An app's service, an image, or empty for the whole."""
    text: str

    def sentence(self) -> str:
        """For a person: `sonarr: waiting for gluetun to be healthy`."""
        return f"{self.subject}: {self.text}" if self.subject else self.text


Progress: TypeAlias = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Tells nobody."""


class Once:
    """Passes on only what is new for its subject, so that a loop may say the same again and again."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last: dict[str, tuple[What, str]] = {}

    def __call__(self, event: Event, *, same_as: str | None = None) -> None:
        """`same_as` stands for the text where that holds a clock."""
        said = (event.what, same_as or event.text)
        if self._last.get(event.subject) != said:
            self._last[event.subject] = said
            self._progress(event)
