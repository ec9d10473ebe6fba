"""The results of drivers, the same for every engine."""

from typing import Literal

from portable.model.base import Struct
from portable.model.changes import Change

ImageOutcome = Literal["there", "built", "pull", "pull or build", "build", "missing"]


class ServiceStatus(Struct, frozen=True, kw_only=True):
    """One row of `status`: a service of an app."""

    app: str
    service: str
    state: str
    """running, exited, restarting, paused, created, missing, finished, or orphan."""
    health: str
    """healthy, starting, unhealthy, or a dash."""
    since: str
    """The time of the last change of its state, RFC 3339; may be empty."""
    address: tuple[str, ...] = ()
    """What a person can type into a browser; for a port on the LAN, on other machines as well."""
    egress: str = ""
    """vpn or sealed; empty for an app that reaches the internet directly."""
    reason: str = ""
    """Why it is not healthy; empty if it is."""
    image: str = ""
    note: str = ""
    """A remark on a healthy service, for example the number of VPN restarts of a gateway."""


class Outcome(Struct, frozen=True, kw_only=True):
    """The changes that a command made, and the state of the project afterwards."""

    changes: tuple[Change, ...]
    rows: tuple[ServiceStatus, ...] = ()


class LogLine(Struct, frozen=True, kw_only=True):
    """A log line of a service."""

    service: str
    text: str
    moment: str = ""


class Repairs(Struct, frozen=True, kw_only=True):
    """The repairs that are possible now, in start order, and the services that must wait for their gateway."""

    changes: tuple[Change, ...] = ()
    waiting: tuple[str, ...] = ()
    """Sentences about services that wait, and about problems that are not repaired."""


class ImageStatus(Struct, frozen=True, kw_only=True):
    """One row of `images list`."""

    reference: str
    apps: tuple[str, ...]
    present: bool
    recipe: str | None
    built: str | None
    """Reference of the image built from the recipe; None if the engine does not have it."""
    outcome: ImageOutcome
    """The image that `up` would use, or the step that it would make."""
