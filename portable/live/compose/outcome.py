"""What a command did, and how the project is now."""

from portable.live.compose.status import Row
from portable.model.base import Struct
from portable.model.changes import Change


class Outcome(Struct, frozen=True, kw_only=True):
    """What a command did, or with `dry_run` would do, and how the project is now."""

    changes: tuple[Change, ...]
    rows: tuple[Row, ...] = ()
