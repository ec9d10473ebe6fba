"""Results of contracts and of the doctor's checks on a running stack."""

from typing import Literal

from portable.model.base import Struct

Verdict = Literal["holds", "broken", "unknown"]
"""unknown: the check could not run; the text gives the reason."""


class Held(Struct, frozen=True, kw_only=True):
    """The result of one contract for one subject."""

    contract: str
    subject: str
    """The app, or a part of it: `sonarr`, `sonarr from radarr`, `plex cloud zurg`."""
    verdict: Verdict
    text: str
    """The observation, specific enough to act on."""
    remedy: str = ""
    """The repair; empty if the contract holds."""


Judgement = Literal["holds", "broken", "unknown", "note"]
"""note: nothing is wrong, but the person may want to know it."""


class Diagnosis(Struct, frozen=True, kw_only=True):
    """The result of one check of the doctor."""

    check: str
    where: str
    """The folder, node, port or program."""
    verdict: Judgement
    text: str
    why: str = ""
    """Why it matters; empty if the check holds."""
    remedy: str = ""
    """The command that repairs it."""
