"""`portable images`: list the images of apps, and build them from Debian packages."""

from typing import Annotated

import typer

from portable.cli import show
from portable.cli.completion import complete_recipe
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.cli.up import driver_of, open_place, reader_of, show_changes

app = typer.Typer(help="List and build the images of apps.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> None:
    """List the images of apps, and what `up` would do. Also show the apps that use each image, and whether it is present."""
    place, _ = open_place(profile, sets, catalogs, strict=False)
    with reader_of(place) as reader:
        rows = [(r.reference, r.apps, r.present, r.recipe, r.built, r.outcome) for r in reader.image_table()]
    show.table(("image", "apps", "present", "recipe", "built", "outcome"), rows, output, schema="images")


@app.command("build")
def build(
    recipes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECIPE]...", autocompletion=complete_recipe, help="Recipes to build. Default: all that the profile needs."
        ),
    ] = None,
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> None:
    """Build images from their recipes (Debian packages). Images that are present are built again.

    A base image that cannot be pulled is built too.
    """
    from portable.cli.progress import printed

    place, _ = open_place(profile, sets, catalogs, strict=False, verb="images build")
    with driver_of(place) as driver:
        show_changes(
            driver.build_images(recipes or (), progress=printed),
            output,
        )
