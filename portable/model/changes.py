"""Changes that a command makes or would make: each has a cause, and one sentence for `diff`, `--dry-run`, `up` and tests."""

from typing import Literal

from portable.model.base import Struct

Kind = Literal["create", "recreate", "change", "start", "restart", "remove", "pull", "build", "tell"]
"""`change`: an object of a cluster is changed in place, and no pod restarts."""
NETWORK = "network "
"""Prefix of `service` in a change of a network."""


class Change(Struct, frozen=True, kw_only=True):
    """One action on one service (or image, or network), with its cause."""

    kind: Kind
    service: str
    """The service, or the reference of an image for `pull` and `build`."""
    app: str = ""
    """The app of the service; empty if it belongs to none."""
    cause: str

    def sentence(self) -> str:
        """Describe the change for a person: `recreate sonarr: its config file sonarr-conf changed`."""
        return f"{self.kind} {self.service}: {self.cause}"
