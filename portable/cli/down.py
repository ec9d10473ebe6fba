"""`portable down`: take apps down; what they keep stays."""

from portable.cli.options import Apps, Catalogs, Format, Output, Profile, Set
from portable.cli.up import engine_of, open_place, show_changes


def down(
    apps: Apps = None,
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Remove containers and networks. Folders, volumes, claims and secrets are never removed by this command."""
    from portable.cli.progress import printed
    from portable.live import compose

    place, _ = open_place(profile, sets, catalogs, strict=False)
    with engine_of(place) as engine:
        show_changes(compose.down(engine, place.stack, apps=tuple(apps or ()), progress=printed), output)
    return 0
