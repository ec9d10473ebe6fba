"""Values that are well formed and mean nothing: told before anything runs, with their place."""

import re
from pathlib import Path

from portable.planning.inputs import Input, Mistakes

_ZONES = Path("/usr/share/zoneinfo")
"""Where a system keeps the time zones; a machine without them is asked nothing."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SCHEMES = ("unix://", "tcp://", "ssh://")


def meaningless(given: Input, mistakes: Mistakes) -> None:
    """Zones that nobody lives in, hosts that DNS can't have, engines by no known way, a command that is none, waivers without a reason."""
    zone = given.stack.timezone
    if (_ZONES / "Etc" / "UTC").is_file() and not (_ZONES / zone).is_file():
        mistakes.add(given.stack_source("timezone"), "timezone", f"there is no time zone {zone!r}", "as Europe/Berlin or Etc/UTC")
    address = given.profile.exposure.address
    if address is not None and not all(_LABEL.fullmatch(label) for label in address.split(".")):
        mistakes.add(given.profile_source("exposure", "address"), "exposure.address", f"{address!r} can't be the name of a host")
    engine = given.profile.engine
    if engine is not None and not engine.startswith(_SCHEMES):
        remedy = "begin it with unix://, tcp:// or ssh://"
        mistakes.add(given.profile_source("engine"), "engine", f"{engine!r} is no way to an engine", remedy)
    if given.profile.secrets.source == "command" and not given.profile.secrets.command:
        remedy = "name one: `command: [pass, show, 'media/{name}/{key}']`"
        mistakes.add(given.profile_source("secrets"), "secrets.command", "values are to come from a command, and none is named", remedy)
    for index, waiver in enumerate(given.profile.waive):
        if not waiver.reason.strip(". \u2026\t\n"):
            text, remedy = "dots are no reason: it is printed wherever the finding is", "write why this place accepts it"
            mistakes.add(given.profile_source("waive", index, "reason"), f"waive[{index}].reason", text, remedy)
