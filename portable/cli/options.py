"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from portable.cli.formats import Format, remember_format
from portable.cli.hints import VARIABLE, remember


def complete_profile(incomplete: str) -> list[str]:
    """Names for the shell's completion."""
    from portable.profiles.load import find_stack, profile_files, profile_folders

    return [n for n in sorted(profile_files(profile_folders(find_stack(Path.cwd())))) if n.startswith(incomplete)]


def complete_app(incomplete: str) -> list[str]:
    """Names for the shell's completion."""
    from portable.catalog.catalog import Catalog
    from portable.profiles.load import catalog_folders, find_stack

    return [n for n in Catalog(catalog_folders(find_stack(Path.cwd()))).names() if n.startswith(incomplete)]


Profile = Annotated[
    str,
    typer.Option(
        "--profile",
        "-p",
        envvar=VARIABLE,
        callback=remember,
        autocompletion=complete_profile,
        help="Profile to use: its name or its file.",
    ),
]
Set = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the profile (or `stack.KEY` of the stack) for this command."),
]
Catalogs = Annotated[
    list[Path],
    typer.Option("--catalog", metavar="FOLDER", exists=True, file_okay=False, help="Add a folder of your own apps to the shipped catalog."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse unwaived findings of class security and data.")]
Output = Annotated[Format, typer.Option("--format", callback=remember_format, help="Output format: text, or json for programs.")]
Apps = Annotated[
    list[str] | None, typer.Argument(metavar="[APP]...", autocompletion=complete_app, help="Apps to act on. Default: all apps.")
]
