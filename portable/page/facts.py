"""The facts of a page, in the form that every format of it shows."""

import datetime
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec

from portable.model.base import Struct
from portable.model.contracts import Judgement

ORDER: tuple[Judgement, ...] = ("broken", "unknown", "note", "holds")
"""Worst first."""
_CLOCK_SECONDS = 3600
"""So much may the clocks of this machine and of the engine's host differ."""


class PageLine(Struct, frozen=True, kw_only=True):
    """One fact, and the command that acts on it."""

    subject: str
    verdict: Judgement
    """`unknown` has its reason in `text`, and never counts as good."""
    text: str
    at: str = ""
    """When it was observed, RFC 3339; empty for now."""
    command: str = ""
    """The command that acts on it, in backticks before `worded`; empty if the back end supports none, and `text` tells what to do."""


class PageSection(Struct, frozen=True, kw_only=True):
    """The facts about one subject of the page."""

    name: str
    """The name for programs and links."""
    title: str
    lines: tuple[PageLine, ...]

    @property
    def verdict(self) -> Judgement:
        """The worst verdict of its lines."""
        return min((line.verdict for line in self.lines), key=ORDER.index, default="note")


class PageFacts(Struct, frozen=True, kw_only=True):
    """All facts about a place at one moment."""

    stack: str
    profile: str
    about: str
    back_end: str
    engine: str
    """Its address."""
    at: str
    """When the facts were collected, RFC 3339."""
    sections: tuple[PageSection, ...]

    @property
    def counts(self) -> Mapping[Judgement, int]:
        """The number of lines with each verdict, worst first."""
        counted = Counter(line.verdict for section in self.sections for line in section.lines)
        return {verdict: counted[verdict] for verdict in ORDER}


def worded(facts: PageFacts, word: Callable[[str], str]) -> PageFacts:
    """The facts with every text as `word` makes it, which hides secrets and adds the profile to commands; control characters become spaces.

    Commands lose their backticks, by which `word` recognises them.
    """

    def line_of(line: PageLine) -> PageLine:
        command = word(_plain(line.command)).strip("` ")
        return msgspec.structs.replace(line, subject=word(_plain(line.subject)), text=word(_plain(line.text)), command=command)

    sections = (msgspec.structs.replace(section, lines=tuple(line_of(line) for line in section.lines)) for section in facts.sections)
    return msgspec.structs.replace(facts, about=word(_plain(facts.about)), sections=tuple(sections))


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def worst(verdicts: Iterable[Judgement]) -> Judgement:
    """The worst of these verdicts; unknown without any."""
    return min(verdicts, key=ORDER.index, default="unknown")


def moment(text: str) -> datetime.datetime | None:
    """A time of RFC 3339; None for another text, and for the year 1, which engines write for never."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    return found if found.year > 1970 else None


def seconds_between(earlier: str, later: str) -> float:
    """The seconds between two times of RFC 3339; infinite if one of them is not a time, so that it never counts as fresh."""
    first, second = moment(earlier), moment(later)
    return (second - first).total_seconds() if first and second else float("inf")


def age(earlier: str, later: str) -> str:
    """The time between two moments in the largest unit that counts at least two, for example `36 hours` or `12 days`."""
    seconds = seconds_between(earlier, later)
    if seconds == float("inf"):
        return "an unknown time"
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds / length)} {unit}s"
    return "less than 2 minutes"


def without_future(line: PageLine, now: str) -> PageLine:
    """The line; unknown if it is good by an observation that is in the future, because then a clock is wrong."""
    if line.verdict != "holds" or not line.at or seconds_between(line.at, now) > -_CLOCK_SECONDS:
        return line
    return msgspec.structs.replace(line, verdict="unknown", text=f"{line.text}; its time is in the future: a clock is wrong")


def moment_of(name: str) -> str:
    """The time in the name of a backup, `2026-11-21T031500.123Z`, as RFC 3339; empty if it is not one."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z", name)
    return f"{found[1]}T{found[2]}:{found[3]}:{found[4]}Z" if found else ""
