"""`portable down`: remove the containers of apps and keep their data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from portable.cli import show
from portable.cli.options import Apps, Catalogs, Format, Output, Profile, Set
from portable.cli.up import driver_of, open_place, show_changes

if TYPE_CHECKING:
    from portable.model.changes import Change


def down(
    apps: Apps = None,
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Stop and remove containers and networks. Folders, volumes, claims and secrets are never removed."""
    from portable.cli.progress import printed

    place, _ = open_place(profile, sets, catalogs, strict=False, verb="down")
    with driver_of(place) as driver:
        changes = driver.down(apps=tuple(apps or ()), progress=printed)
    if output is Format.json:
        show_changes(changes, output)
    else:
        show.line(summary(changes))  # each removal was printed when it happened
    return 0


def summary(removed: "Sequence[Change]") -> str:
    """Sum up the removed containers, networks and objects of a cluster in one line."""
    from portable.model.changes import NETWORK

    networks = sum(change.service.startswith(NETWORK) for change in removed)
    objects = sum(" " in change.service for change in removed) - networks  # `ConfigMap shared`
    counts = ((len(removed) - networks - objects, "container"), (networks, "network"), (objects, "object"))
    parts = [f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in counts if number]
    return f"removed {' and '.join(parts)}; all data is kept" if parts else "nothing to remove"
