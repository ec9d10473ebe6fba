"""`portable catalog`: list apps, show one, start a new one, and check your own files."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.completion import complete_catalog_app
from portable.cli.options import Catalogs, Format, Output
from portable.model.errors import REFUSED, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from portable.catalog.catalog import Catalog
    from portable.catalog.powers import Power
    from portable.model.codes import Code
    from portable.model.source import Mistake


class LibraryAccess(StrEnum):
    """How an app mounts the library: read-only or read-write."""

    ro = "ro"
    rw = "rw"


KINDS = ("app", "cloud", "profile", "stack", "images")


def _complete_kind(incomplete: str) -> list[str]:
    return [kind for kind in KINDS if kind.startswith(incomplete)]


app = typer.Typer(help="List, show, create and check apps.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(catalogs: Catalogs = [], output: Output = Format.text) -> None:  # noqa: B006
    """List all apps with their zone, egress and upstream status."""
    catalog = read(catalogs)
    facts = [catalog.app(name)[0] for name in catalog.names()]
    rows = [
        (f.name, f.zone, f.about, "gateway" if f.gateway else f.egress, f.upstream.status, list(f.aliases))
        for f in facts
        if not (f.fuse_mount or f.tools)
    ]
    show.table(("name", "zone", "about", "egress", "upstream", "aliases"), rows, output, schema="catalog")


@app.command("show")
def show_(
    name: Annotated[str, typer.Argument(autocompletion=complete_catalog_app, help="Name or alias of the app.")],
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> None:
    """Print an app's file as it is read."""
    import msgspec

    from portable.formats.emit import dump

    catalog = read(catalogs)
    known = catalog.resolve(name)
    if known is None:
        raise unknown(name, catalog.names())
    facts, document = catalog.app(known)
    data = msgspec.to_builtins(facts, str_keys=True)
    if output is Format.json:
        show.document({"schema": "portable/app/1", "file": document.file, "app": data})
        return
    show.line(f"# {document.file}")
    show.raw(dump(data, first=("portable", "name", "title", "about")).rstrip("\n"))


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name of the app; other apps use it as host name.")],
    image: Annotated[
        str,
        typer.Argument(help="Image with its tag, for example registry.example/notes:1.4.2; append @sha256:... if you know the digest."),
    ],
    port: Annotated[
        int | None, typer.Argument(min=1, max=65535, help="Container port of its web page; leave it out with --schedule.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", metavar="FOLDER", file_okay=False, help="Write to this folder. Default: `catalog` beside portable.yaml, or here."
        ),
    ] = None,
    vpn: Annotated[bool, typer.Option("--vpn", help="Route all its traffic through the VPN.")] = False,
    library: Annotated[
        LibraryAccess | None,
        typer.Option("--library", help="Mount the library at /mnt/media, read-only or read-write. Default: not mounted."),
    ] = None,
    state: Annotated[str, typer.Option("--state", metavar="PATH", help="Path of the state in the container.")] = "/config",
    schedule: Annotated[
        str | None, typer.Option("--schedule", metavar="CRON", help="Run it at times, for example '30 4 * * 0'. It then has no port.")
    ] = None,
) -> None:
    """Write a draft of an app that renders on every back end."""
    from portable.catalog.catalog import Catalog
    from portable.catalog.start import start
    from portable.cli.opening import announce_stack
    from portable.local.files import write_atomically
    from portable.planning.schedule import parsed

    try:
        parsed(schedule or "* * * * *")
    except ValueError as error:
        text = f"{schedule!r} is not a valid schedule: {error}"
        raise UsageError(text, code="schedule.syntax", remedy="write five fields, for example '30 4 * * 0' for Sundays at 04:30") from None
    stack = None if folder else announce_stack()
    home = folder or (stack.parent if stack else Path.cwd()) / "catalog"
    text = start(name, image, port, vpn=vpn, library=library.value if library else None, state=state, schedule=schedule)
    if (existing := Catalog((home,) if home.is_dir() else ()).resolve(name)) is not None:
        remedy = "choose another name, or change that app under `override`"
        raise UsageError(f"the catalog already has an app {existing!r}", code="usage.app-exists", remedy=remedy)
    file = home / "apps" / name / "app.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, text)
    Catalog((home,)).app(name)
    show.line(f"wrote {file}")
    command = f"`portable explain --catalog {shlex.quote(str(folder))}`" if folder else "`portable explain`"
    show.line(f"Next: review the file, add {name} to `apps` in portable.yaml or in your profile, and run {command}.")


@app.command("check")
def check(
    folders: Annotated[list[Path] | None, typer.Argument(metavar="[FOLDER]...", help="Folders of your own apps.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Also list what the apps and profiles of your folders may do; exit 4 where one of it is grave.")
    ] = False,
    output: Output = Format.text,
) -> int:
    """Validate all apps and clouds, and report all mistakes at once.

    They come from the shipped catalog, the folder `catalog` beside portable.yaml, and your folders. Before you use
    files from another person, read the list of --strict.
    """
    from portable.catalog.overlooked import overlooked
    from portable.model.errors import InputError
    from portable.planning.content import template_mistakes
    from portable.profiles.load import catalog_folders, find_stack

    for folder in folders or ():
        if not folder.is_dir():
            text = f"folder {str(folder)!r} does not exist"
            raise UsageError(text, code="usage.folder-absent", remedy="name the folder that contains `apps` or `clouds`")
        has_any = any(any(folder.glob(files)) for files in ("apps/*/app.yaml", "*/app.yaml", "clouds/*/cloud.yaml"))
        if not has_any and not any(overlooked((folder,))):
            text = f"folder {str(folder)!r} contains no app and no cloud"
            raise UsageError(text, code="usage.folder-empty", remedy="put each app in a file apps/NAME/app.yaml below it")
    catalog = read(folders or (), checked=False)
    mistakes: list[Mistake] = list(catalog.overlooked())
    for read_one, names in ((catalog.app, catalog.names()), (catalog.cloud, catalog.cloud_names())):
        for name in names:
            try:
                read_one(name)
            except InputError as error:
                mistakes += error.mistakes
    mistakes = mistakes or [
        mistake
        for name in catalog.names()
        for mistake in template_mistakes(*catalog.app(name), catalog.folder(name), catalog.root(catalog.folder(name)))
    ]
    if output is Format.json and (mistakes or not strict):
        _print_checked(catalog, mistakes)
    if mistakes:
        raise InputError(tuple(mistakes))
    if not strict and output is Format.text:
        show.line(f"{len(catalog.names())} apps and {len(catalog.cloud_names())} clouds are valid")
    if not strict:
        return 0
    found = tuple(_powers(catalog, folders or catalog_folders(find_stack(Path.cwd()))))
    rows = [(power.weight, power.owner, power.container, power.text) for power in found]
    show.table(("weight", "of", "container", "may"), rows, output, schema="powers")
    return REFUSED if any(power.weight == "grave" for power in found) else 0


def _print_checked(catalog: "Catalog", mistakes: "Sequence[Mistake]") -> None:
    """Print the result as JSON: the numbers of apps and clouds, and each mistake with its place."""
    rows = [
        {
            "file": mistake.source.file,
            "line": mistake.source.line,
            "column": mistake.source.column,
            "path": mistake.path,
            "text": mistake.text,
            "remedy": mistake.remedy or None,
            "code": mistake.code or None,
        }
        for mistake in mistakes
    ]
    counts = {"apps": len(catalog.names()), "clouds": len(catalog.cloud_names())}
    show.document({"schema": "portable/catalog-check/1", **counts, "mistakes": rows})


def _powers(catalog: "Catalog", folders: "Sequence[Path]") -> "Iterator[Power]":
    """The powers of the apps, clouds and profiles in these folders. Profiles lie in them, or beside a folder named `catalog`."""
    from portable.catalog.powers import powers_of_app, powers_of_cloud
    from portable.formats.load import load
    from portable.profiles.powers import powers_of_profile

    own = [folder.resolve() for folder in folders]
    for name in catalog.names():
        if any(catalog.folder(name).resolve().is_relative_to(folder) for folder in own):
            yield from powers_of_app(catalog.app(name)[0])
    for name in catalog.cloud_names():
        if any(catalog.cloud_folder(name).resolve().is_relative_to(folder) for folder in own):
            yield from powers_of_cloud(catalog.cloud(name)[0])
    for folder in own:
        for place in (folder / "profiles", *([folder.parent / "profiles"] if folder.name == "catalog" else [])):
            for file in sorted(place.glob("*.yaml")):
                yield from powers_of_profile(file.stem, load(file).data)


@app.command("schema")
def schema(
    kind: Annotated[str, typer.Argument(autocompletion=_complete_kind, help="Kind of file: app, cloud, profile, stack or images.")] = "app",
) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    from portable.catalog.facts import AppFacts, CloudFacts
    from portable.formats.schema import schema as schema_of
    from portable.profiles.images import Images
    from portable.profiles.types import Profile, StackFile

    kinds: dict[str, type] = {"app": AppFacts, "cloud": CloudFacts, "profile": Profile, "stack": StackFile, "images": Images}
    if kind not in kinds:
        raise unknown(kind, tuple(kinds), what="kind of file", code="usage.unknown-schema")
    show.document(schema_of(kinds[kind]))


def read(folders: "Sequence[Path]", *, checked: bool = True) -> "Catalog":
    """Name the stack, and open the shipped catalog with the apps of the folder `catalog` beside portable.yaml and of `folders`.

    Raises InputError for files in them that would be ignored, if it is `checked`.
    """
    from portable.catalog.catalog import Catalog
    from portable.cli.opening import announce_stack
    from portable.model.errors import InputError
    from portable.profiles.load import catalog_folders

    catalog = Catalog(catalog_folders(announce_stack(), folders))
    if checked and (mistakes := catalog.overlooked()):
        raise InputError(mistakes)
    return catalog


def unknown(name: str, known: tuple[str, ...], what: str = "app", *, code: "Code" = "usage.unknown-app", place: str = "") -> UsageError:
    """Make the error for an unknown name, with the nearest known one; `place` says where it was looked up, for example `in profile nas`."""
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    remedy = (f"did you mean {near[0]!r}? " if near else "") + f"use one of: {', '.join(known)}"
    return UsageError(f"unknown {what} {name!r}{f' {place}' if place else ''}", code=code, remedy=remedy)
