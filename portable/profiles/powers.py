"""The powers of a profile on this machine. Read them before you use a profile that another person wrote."""

from collections.abc import Iterator
from typing import Any

from portable.catalog.powers import Power


def powers_of_profile(name: str, data: Any) -> Iterator[Power]:
    """Yield what a profile may do, by the data of its file. It inherits more, if it extends another one."""
    owner = f"profile {name}"
    profile = data if isinstance(data, dict) else {}
    secrets = profile.get("secrets")
    command = secrets.get("command") if isinstance(secrets, dict) else None
    if command:
        shown = " ".join(map(str, command)) if isinstance(command, list) else str(command)
        yield Power(owner=owner, text=f"runs this command on this machine, as you, for each secret: {shown}", weight="grave")
    if profile.get("engine"):
        yield Power(owner=owner, text="chooses the engine that commands speak to", weight="grave")
    if profile.get("notify"):
        yield Power(owner=owner, text="sends reports to an address that it names", weight="grave")
    if waived := profile.get("waive"):
        yield Power(owner=owner, text=f"accepts {len(waived)} kinds of findings by waivers", weight="grave")
    if profile.get("patch"):
        yield Power(owner=owner, text="changes rendered objects by patches", weight="grave")
    if override := profile.get("override"):
        yield Power(owner=owner, text=f"overrides the catalog's facts of {', '.join(map(str, override))}", weight="grave")
