"""What a command would do, or did: each change has a cause and prints as one sentence, the same in `diff`, `--dry-run`, `up` and tests."""

from typing import Literal

from portable.model.base import Struct

Kind = Literal["create", "recreate", "change", "start", "restart", "remove", "pull", "build", "tell"]
"""`change`: an object of a cluster is changed in place, and no pod restarts."""
NETWORK = "network "
"""Begins the subject of a change of a network."""


class Change(Struct, frozen=True, kw_only=True):
    """One thing that is done to one service (or image, or network), and why."""

    kind: Kind
    service: str
    """The service, or the reference of an image for `pull` and `build`."""
    app: str = ""
    """The app that it belongs to; empty for what belongs to none."""
    cause: str

    def sentence(self) -> str:
        """For a person: `recreate sonarr: its config file sonarr-conf changed`."""
        return f"{self.kind} {self.service}: {self.cause}"
