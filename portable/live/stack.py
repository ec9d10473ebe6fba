"""A stack as drivers take it: what a plan and its files say, in terms of no engine."""

from collections.abc import Mapping
from pathlib import Path

from portable.live.image_needs import ImageNeed
from portable.live.taken import Taken
from portable.model.base import Struct
from portable.model.plan import Plan
from portable.secrets.needs import Need


class Stack(Struct, frozen=True, kw_only=True):
    """One project: made from a plan, or by hand in a test."""

    project: str
    """Its name on the engine and on this machine."""
    images: tuple[ImageNeed, ...] = ()
    secrets: tuple[Need, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = {}
    """The addresses of each app; `{host}` stands for the engine's host."""
    plan: Plan | None = None
    recipes: Mapping[str, Path] = {}
    """Folders from which images can be built, by name, beside the shipped ones."""
    taken: Taken | None = None
    """Newer images that it was made with; None where no file could say of any."""
