"""What drivers tell: the same for every engine."""

from typing import Literal

from portable.model.base import Struct
from portable.model.changes import Change

ImageOutcome = Literal["there", "built", "pull", "pull or build", "build", "missing"]


class ServiceStatus(Struct, frozen=True, kw_only=True):
    """One line of `status`: a service of an app."""

    app: str
    service: str
    state: str
    """running, exited, restarting, paused, created, missing, finished, or orphan."""
    health: str
    """healthy, starting, unhealthy, or a dash."""
    since: str
    """When it came into this state, RFC 3339; empty where it never did."""
    address: tuple[str, ...] = ()
    reason: str = ""
    """Why it is not well; empty where it is."""
    image: str = ""
    note: str = ""
    """What is worth knowing of one that is well, such as how often a gateway restarted its VPN."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What a command did, or with `dry_run` would do, and how the project is now."""

    changes: tuple[Change, ...]
    rows: tuple[ServiceStatus, ...] = ()


class LogLine(Struct, frozen=True, kw_only=True):
    """A line that a service wrote."""

    service: str
    text: str
    moment: str = ""


class Ailing(Struct, frozen=True, kw_only=True):
    """What can be healed now, in the order of start, and what has to wait for its gateway."""

    changes: tuple[Change, ...] = ()
    waiting: tuple[str, ...] = ()
    """Who waits for whom, and who is left alone, in sentences."""


class ImageStatus(Struct, frozen=True, kw_only=True):
    """One line of `images list`."""

    reference: str
    apps: tuple[str, ...]
    present: bool
    recipe: str | None
    built: str | None
    """Reference of the image built from the recipe, where it is there."""
    outcome: ImageOutcome
    """What `up` would use or do."""
