"""The results of contracts and of the doctor's checks.

Both are identified by a code that `portable explain CODE` explains: `verify.<contract>` and `doctor.<check>`.
"""

from typing import Literal

from portable.model.base import Struct

Verdict = Literal["holds", "broken", "unknown"]
"""unknown: the contract could not be checked, and the text gives the reason."""


class ContractResult(Struct, frozen=True, kw_only=True):
    """The result of one contract for one subject."""

    contract: str
    subject: str
    """The app, or a part of it: `sonarr`, `sonarr from radarr`, `plex cloud zurg`."""
    verdict: Verdict
    text: str
    """The observation, in words that a person can act on."""
    remedy: str = ""
    """How to repair it; empty unless it is broken."""

    @property
    def code(self) -> str:
        """The code of the contract, for `portable explain`."""
        return f"verify.{self.contract}"


Check = Literal[
    "engine",
    "cluster",
    "host",
    "kernel",
    "devices",
    "wireguard",
    "resolver",
    "storage",
    "btrfs",
    "scrub",
    "disk",
    "links",
    "rights",
    "split",
    "clouds",
    "memory",
    "ports",
    "network",
    "gateway",
    "healer",
]
"""The checks of `portable doctor`."""
Judgement = Literal["holds", "broken", "unknown", "note"]
"""note: nothing is wrong, but it is worth knowing."""


class Diagnosis(Struct, frozen=True, kw_only=True):
    """The result of one check of the doctor."""

    check: Check
    where: str
    """The folder, node, port or program."""
    verdict: Judgement
    text: str
    why: str = ""
    """Why it matters; empty where it holds."""
    remedy: str = ""
    """The command that repairs it."""

    @property
    def code(self) -> str:
        """The code of the check, for `portable explain`."""
        return f"doctor.{self.check}"
