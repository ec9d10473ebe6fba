"""What must be true of a running stack, and what looking for it found."""

from typing import Literal

from portable.model.base import Struct

Verdict = Literal["holds", "broken", "unknown"]
"""unknown: it could not be tried, and the text says why."""


class Held(Struct, frozen=True, kw_only=True):
    """One thing that a contract promises, of one subject."""

    contract: str
    subject: str
    """The app, or what of it: `sonarr`, `sonarr from radarr`, `plex cloud zurg`."""
    verdict: Verdict
    text: str
    """What was found, in words that a person can act on."""
    remedy: str = ""
    """What mends it; empty where it holds."""


Judgement = Literal["holds", "broken", "unknown", "note"]
"""note: nothing is wrong, and the person may want to know."""


class Diagnosis(Struct, frozen=True, kw_only=True):
    """One thing that a doctor looked at."""

    check: str
    where: str
    """The folder, node, port or program."""
    verdict: Judgement
    text: str
    why: str = ""
    """Why it matters; empty where it holds."""
    remedy: str = ""
    """The command that mends it."""
