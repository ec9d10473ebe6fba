"""`portable images`: what the apps run, and building it from Debian packages."""

from typing import Annotated

import typer

from portable.cli import show
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.cli.up import driver_of, open_place, reader_of, show_changes

app = typer.Typer(help="The images that apps run.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> None:
    """Each image with who needs it, whether it is there, and what `up` would do."""
    place, _ = open_place(profile, sets, catalogs, strict=False)
    with reader_of(place) as reader:
        rows = [(r.reference, r.apps, r.present, r.recipe, r.built, r.outcome) for r in reader.image_table()]
    show.table(("image", "apps", "present", "recipe", "built", "outcome"), rows, output, schema="images")


@app.command("build")
def build(
    recipes: Annotated[
        list[str] | None, typer.Argument(metavar="[RECIPE]...", help="All that the profile needs where none is named.")
    ] = None,
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> None:
    """Build images from their recipes (Debian packages), whatever is there; a base image that can't be pulled is built too."""
    from portable.cli.progress import printed

    place, _ = open_place(profile, sets, catalogs, strict=False)
    with driver_of(place) as driver:
        show_changes(
            driver.build_images(recipes or (), progress=printed),
            output,
        )
