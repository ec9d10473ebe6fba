"""`portable catalog`: which apps there are, what one needs, and whether files of your own are right."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.options import Catalogs, Format, Output, complete_app
from portable.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portable.catalog.catalog import Catalog
    from portable.model.source import Mistake


class Library(StrEnum):
    """How an app sees the library."""

    ro = "ro"
    rw = "rw"


app = typer.Typer(help="The apps that can be run.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(catalogs: Catalogs = [], output: Output = Format.text) -> None:  # noqa: B006
    """Every app with its zone, way out and upstream status."""
    catalog = read(catalogs)
    facts = [catalog.app(name)[0] for name in catalog.names()]
    rows = [
        (f.name, f.zone, f.about, "gateway" if f.gateway else f.egress, f.upstream.status, list(f.aliases))
        for f in facts
        if not (f.mounter or f.tools)
    ]
    show.table(("name", "zone", "about", "egress", "upstream", "aliases"), rows, output, schema="apps")


@app.command("show")
def show_(name: Annotated[str, typer.Argument(autocompletion=complete_app)], catalogs: Catalogs = []) -> None:  # noqa: B006
    """The whole file of an app, as it is read."""
    import msgspec

    from portable.formats.emit import dump

    catalog = read(catalogs)
    known = catalog.resolve(name)
    if known is None:
        raise unknown(name, catalog.names())
    facts, document = catalog.app(known)
    show.line(f"# {document.file}")
    show.raw(dump(msgspec.to_builtins(facts, str_keys=True), first=("portable", "name", "title", "about")).rstrip("\n"))


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Its name, by which other apps reach it.")],
    image: Annotated[
        str, typer.Argument(help="What it runs, with its tag: registry.example/notes:1.4.2, and @sha256:... where you know it.")
    ],
    port: Annotated[int, typer.Argument(min=1, max=65535, help="The port of its web page.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="FOLDER", file_okay=False, help="Default: `catalog` beside portable.yaml, or here.")
    ] = None,
    vpn: Annotated[bool, typer.Option("--vpn", help="It reaches the outside through the VPN only.")] = False,
    library: Annotated[Library | None, typer.Option("--library", help="How it sees the library at /mnt/media, if at all.")] = None,
    state: Annotated[str, typer.Option("--state", metavar="PATH", help="Where the image keeps its state.")] = "/config",
) -> None:
    """Write a complete app that renders on every back end, to be read and refined."""
    from portable.catalog.catalog import Catalog
    from portable.catalog.start import start
    from portable.local.files import write_atomically
    from portable.profiles.load import find_stack

    stack = find_stack(Path.cwd())
    home = folder or (stack.parent if stack else Path.cwd()) / "catalog"
    text = start(name, image, port, vpn=vpn, library=library.value if library else None, state=state)
    if (taken := Catalog((home,) if home.is_dir() else ()).resolve(name)) is not None:
        raise UsageError(f"the catalog has {taken!r} already", remedy="choose another name, or change that app under `override`")
    file = home / "apps" / name / "app.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, text)
    Catalog((home,)).app(name)
    show.line(f"wrote {file}")
    then = f"`portable explain --catalog {shlex.quote(str(folder))}`" if folder else "`portable explain`"
    show.line(f"Next: read it, name {name} under `apps` of portable.yaml or of your profile, then {then}.")


@app.command("check")
def check(folders: Annotated[list[Path] | None, typer.Argument(metavar="[FOLDER]...", help="Folders of your own apps.")] = None) -> None:
    """Read every file of the catalog, of `catalog` beside portable.yaml and of your folders, and tell all mistakes at once."""
    from portable.model.errors import InputError
    from portable.planning.content import template_mistakes

    for folder in folders or ():
        if not folder.is_dir():
            raise UsageError(f"there is no folder {str(folder)!r}")
        if not any(any(folder.glob(files)) for files in ("apps/*/app.yaml", "*/app.yaml", "clouds/*/cloud.yaml")):
            raise UsageError(f"there is no app and no cloud in {str(folder)!r}", remedy="an app is a file apps/NAME/app.yaml below it")
    catalog = read(folders or ())
    mistakes: list[Mistake] = []
    for read_one, names in ((catalog.app, catalog.names()), (catalog.cloud, catalog.cloud_names())):
        for name in names:
            try:
                read_one(name)
            except InputError as error:
                mistakes += error.mistakes
    mistakes = mistakes or [mistake for name in catalog.names() for mistake in template_mistakes(*catalog.app(name), catalog.folder(name))]
    if mistakes:
        raise InputError(tuple(mistakes))
    show.line(f"{len(catalog.names())} apps and {len(catalog.cloud_names())} clouds are right")


@app.command("schema")
def schema(kind: Annotated[str, typer.Argument(help="app, cloud, profile, stack or images")] = "app") -> None:
    """The JSON Schema of a file, for editors."""
    from portable.catalog.facts import AppFacts, CloudFacts
    from portable.formats.schema import schema as schema_of
    from portable.profiles.images import Images
    from portable.profiles.types import Profile, Stack

    kinds: dict[str, type] = {"app": AppFacts, "cloud": CloudFacts, "profile": Profile, "stack": Stack, "images": Images}
    if kind not in kinds:
        raise unknown(kind, tuple(kinds), what="kind of file")
    show.document(schema_of(kinds[kind]))


def read(folders: "Sequence[Path]") -> "Catalog":
    """The shipped catalog with the apps of the folder `catalog` beside portable.yaml and of those folders."""
    from portable.catalog.catalog import Catalog
    from portable.profiles.load import catalog_folders, find_stack

    return Catalog(catalog_folders(find_stack(Path.cwd()), folders))


def unknown(name: str, known: tuple[str, ...], what: str = "app") -> UsageError:
    """The error for a name that nothing has, with the nearest one."""
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    return UsageError(f"there is no {what} {name!r}", remedy=(f"did you mean {near[0]!r}? " if near else "") + f"known: {', '.join(known)}")
