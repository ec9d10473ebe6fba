"""Which apps and which volumes a move between two places concerns. It reads two plans, and whether folders exist; it writes nothing."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal

from portable.backends.common import backs_up
from portable.migrate.names import listed
from portable.migrate.places import FOUND
from portable.model.base import Struct
from portable.model.errors import UsageError
from portable.model.folders import folder_of
from portable.model.plan import Plan, Volume
from portable.programs.backup.files import opened

How = Literal["move", "shared", "cache", "empty", "left"]
"""`move`: its folder is copied. `shared`: both places use one folder, which is only attached again. `cache`: apps can make it again, so it
is left. `empty`: the source has nothing. `left`: it stays, since the target has no such volume or a person said so."""


class MovedVolume(Struct, frozen=True, kw_only=True):
    """What happens to one volume."""

    id: str
    holds: str
    apps: tuple[str, ...]
    """The moved apps that mount it."""
    how: How
    source: str = ""
    """The folder; empty if the volume is not a folder."""
    target: str = ""


class MoveChoice(Struct, frozen=True, kw_only=True):
    """The apps and the volumes of a move."""

    apps: tuple[str, ...]
    """The apps that move."""
    absent: tuple[str, ...] = ()
    """Apps that the target does not have: they stay."""
    staying: tuple[str, ...] = ()
    """All other apps of the source."""
    gateways: tuple[str, ...] = ()
    """Gateways of the source alone, of which all apps move: they stop too."""
    volumes: tuple[MovedVolume, ...] = ()

    @property
    def stopped(self) -> tuple[str, ...]:
        """The apps of the source that stop."""
        return (*self.apps, *self.gateways)

    def those(self, how: How) -> tuple[MovedVolume, ...]:
        """The volumes that are treated so."""
        return tuple(volume for volume in self.volumes if volume.how == how)


def choose(source: Plan, target: Plan, names: Sequence[str] = (), *, with_library: bool = False) -> MoveChoice:
    """Choose what moves; by default all apps that both places have. Raises UsageError for an unknown app, or if none is left."""
    here, there = [app.name for app in source.apps], {app.name for app in target.apps}
    if unknown := [name for name in names if name not in here]:
        text = f"{source.profile} has no app {', '.join(unknown)}"
        raise UsageError(text, code="app.unknown", remedy=f"use names of {', '.join(here)}")
    wanted = [name for name in here if not names or name in names]
    apps = tuple(name for name in wanted if name in there)
    members = {gateway: [app for app, its in source.behind_gateways.items() if its == gateway] for gateway in source.gateways}
    gateways = tuple(sorted(g for g in members if g not in there and members[g] and set(members[g]) <= set(apps)))
    absent = tuple(name for name in wanted if name not in there and name not in source.gateways)
    if not apps:
        text = f"{target.profile} has none of these apps: {', '.join(wanted)}"
        raise UsageError(text, code="migrate.no-apps", remedy=f"add them to `apps` of {target.profile}, or name other apps")
    return MoveChoice(
        apps=apps,
        absent=absent,
        staying=tuple(name for name in here if name not in apps and name not in gateways and name not in absent),
        gateways=gateways,
        volumes=tuple(_volumes(source, target, apps, with_library=with_library)),
    )


def users_of(plan: Plan, volume: Volume) -> tuple[str, ...]:
    """The apps that mount a volume. The backup app sees the state of all others, and counts for its own store only."""
    return tuple(
        app.name
        for app in plan.apps
        if any(m.volume == volume.id for c in app.containers if volume.holds == "backups" or not backs_up(c) for m in c.mounts)
    )


def writers_of(plan: Plan, volume: Volume) -> tuple[str, ...]:
    """The apps that write a volume, without the backup app."""
    return tuple(
        app.name
        for app in plan.apps
        if any(m.volume == volume.id and m.access == "rw" for c in app.containers if not backs_up(c) for m in c.mounts)
    )


def _volumes(source: Plan, target: Plan, apps: Collection[str], *, with_library: bool) -> Iterator[MovedVolume]:
    there = {volume.id: volume for volume in target.volumes}
    for volume in source.volumes:
        users = tuple(app for app in users_of(source, volume) if app in apps)
        if not users:
            continue
        one, other = folder_of(volume), folder_of(there[volume.id]) if volume.id in there else None
        how = _how(volume, one, other, with_library=with_library or not source.is_library(volume.id))
        yield MovedVolume(id=volume.id, holds=volume.holds, apps=users, how=how, source=one or "", target=other or "")


def _how(volume: Volume, one: str | None, other: str | None, *, with_library: bool) -> How:
    if volume.holds == "cache" or one is None:
        return "cache"
    if other is None:
        return "left"
    if is_same_folder(one, other):
        return "shared"
    if is_empty(one):
        return "empty"
    return "move" if with_library else "left"


def is_same_folder(one: str, other: str) -> bool:
    """Whether two paths are one folder, also through links or a second mount."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - both are text
    except OSError:
        return False


def is_empty(path: str) -> bool:
    """Whether a folder does not exist, or has nothing that could move."""
    if not Path(path).exists():
        return True
    try:
        with opened(path) as folder:
            return not [name for name in listed(folder) if name != FOUND]
    except OSError:  # the move's own preflight names the cause
        return False
