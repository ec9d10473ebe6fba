"""A stack in the form that drivers need, from a plan and its files, independent of engines."""

from collections.abc import Mapping
from pathlib import Path

from portable.live.image_needs import ImageNeed
from portable.live.image_updates import ImageUpdates
from portable.model.backups import BackedUpVolume
from portable.model.base import Struct
from portable.model.plan import Plan, Sealed
from portable.model.versions import OneWay
from portable.secrets.needs import Need


class Stack(Struct, frozen=True, kw_only=True):
    """One stack on one engine."""

    project: str
    """The name of the stack on the engine and on this machine."""
    images: tuple[ImageNeed, ...] = ()
    secrets: tuple[Need, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = {}
    """The addresses of each app; `{host}` stands for each name of the engine's host."""
    names: tuple[str, ...] = ()
    """Names by which other machines reach the engine's host, beside its addresses."""
    plan: Plan | None = None
    recipes: Mapping[str, Path] = {}
    """The user's own recipe folders by name, beside the shipped ones."""
    backed_up: tuple[BackedUpVolume, ...] = ()
    """Where backups by hand cover more than the schedule: every volume with state. Empty on an engine, where both cover the same."""
    taken: ImageUpdates | None = None
    """The newer images in this stack; None if the profile has no file for them."""
    one_way: Mapping[str, tuple[OneWay, ...]] = {}
    """Versions of each app without a way back."""
    accepted_versions: tuple[str, ...] = ()
    """Apps whose change of version a person accepted, or an update whose backup exists."""
    is_taking_over: bool = False
    """Whether objects and fields of other tools become this stack's, by a person's word; engines have none."""

    @property
    def egress(self) -> Mapping[str, str]:
        """`vpn` or `sealed`, for each app that does not reach the internet directly."""
        groups = self.plan.groups if self.plan is not None else ()
        kinds = {app: "sealed" if isinstance(group.egress, Sealed) else "vpn" for group in groups for app in group.apps}
        behind = self.plan.behind_gateways if self.plan is not None else {}
        return {app: kind for app, kind in kinds.items() if app in behind}
