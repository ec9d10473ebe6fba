"""The drivers, by the name of their back end. Each package has a function `open_stack`, and is imported on first use."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from portable.model.base import Struct
from portable.secrets.sources import Source

if TYPE_CHECKING:
    from portable.backends.prepare import Prepared
    from portable.live.driver import StackDriver, StackReader
    from portable.live.image_updates import ImageUpdates
    from portable.live.stack import Stack

Hide = Callable[[str], str]


class OpenedStack(Struct, frozen=True, kw_only=True):
    """A stack on its engine, not connected yet."""

    stack: "Stack"
    where: str
    """The engine's address."""
    is_local: bool
    """Whether the engine runs on this machine."""
    reader: "Callable[[Hide], StackReader]"
    driver: "Callable[[Hide], StackDriver]"


Opener = Callable[["Prepared", "ImageUpdates | None", Mapping[str, str], Path, Source], OpenedStack]
"""Arguments: a prepared profile, newer images, the environment, this user's home folder, and the source of secrets."""
DRIVERS: Mapping[str, str] = {
    "compose": "portable.live.compose",
    "kubernetes": "portable.live.kubernetes",
    "openshift": "portable.live.kubernetes",
}


def unsupported_on(back_end: str) -> Mapping[str, str]:
    """The commands that the driver of a back end does not support, each with a remedy."""
    if back_end not in DRIVERS:
        return {}
    found: Mapping[str, str] = getattr(importlib.import_module(DRIVERS[back_end]), "UNSUPPORTED", {})
    return found


def opener_of(back_end: str) -> Opener | None:
    """The function that opens stacks of a back end; None if the back end has no driver."""
    if back_end not in DRIVERS:
        return None
    opener: Opener = importlib.import_module(DRIVERS[back_end]).open_stack
    return opener
