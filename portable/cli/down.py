"""`portable down`: remove the containers of apps and keep their data."""

from collections.abc import Sequence

from portable.cli import show
from portable.cli.options import Apps, Catalogs, Format, Output, Profile, Set
from portable.cli.up import driver_of, open_place, show_changes


def down(
    apps: Apps = None,
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Stop and remove containers and networks. Folders, volumes, claims and secrets are never removed."""
    from portable.cli.progress import printed

    place, _ = open_place(profile, sets, catalogs, strict=False)
    with driver_of(place) as driver:
        changes = driver.down(apps=tuple(apps or ()), progress=printed)
    if output is Format.json:
        show_changes(changes, output)
    else:
        show.line(summary([change.service for change in changes]))  # each removal was printed when it happened
    return 0


def summary(removed: Sequence[str]) -> str:
    """Sum up the removed containers and networks in one line."""
    from portable.model.changes import NETWORK

    networks = sum(name.startswith(NETWORK) for name in removed)
    counts = ((len(removed) - networks, "container"), (networks, "network"))
    parts = [f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in counts if number]
    return f"removed {' and '.join(parts)}; all data is kept" if parts else "nothing to remove"
