"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from portable.cli.completion import complete_app, complete_profile, is_given
from portable.cli.formats import Format, remember_format
from portable.cli.hints import remember
from portable.profiles.names import PROFILE_VARIABLE

__all__ = ["Apps", "Beacon", "Catalogs", "Format", "Output", "Profile", "Set", "Strict", "named_folder", "named_path"]


def _profile(context: typer.Context, profile: str) -> str:
    """The profile of this command: of `-p`, the environment, the stack, or `local`; remembered for the commands in texts."""
    from portable.profiles.load import default_profile

    default = default_profile(Path.cwd(), os.environ)
    return remember(profile if is_given(context) else default, default)


Profile = Annotated[
    str,
    typer.Option(
        "--profile",
        "-p",
        envvar=PROFILE_VARIABLE,
        callback=_profile,
        autocompletion=complete_profile,
        show_default="`profile` in portable.yaml, else local",
        help="Profile to use: its name or its file.",
    ),
]
Set = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the profile (or `stack.KEY` of the stack) for this command."),
]
Catalogs = Annotated[
    list[Path],
    typer.Option(
        "--catalog",
        metavar="FOLDER",
        exists=True,
        file_okay=False,
        help="Also use the app definitions in this folder, beside the shipped catalog.",
    ),
]
Beacon = Annotated[
    str | None, typer.Option(metavar="URL", envvar="PORTABLE_BEACON", help="URL that answers with the caller's public address.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop if a security or data finding has no waiver.")]
Output = Annotated[Format, typer.Option("--format", callback=remember_format, help="Output format: text, or json for programs.")]
Apps = Annotated[
    list[str] | None, typer.Argument(metavar="[APP]...", autocompletion=complete_app, help="Apps to act on. Default: all apps.")
]


def named_path(text: str) -> Path:
    """The path that an option names. An empty one, such as that of an unset variable, would be the working folder."""
    if not text.strip():
        raise typer.BadParameter("the path is empty; for the working folder write `.`")
    return Path(text)


def named_folder(text: str) -> Path:
    """The folder that an option names, which need not exist."""
    path = named_path(text)
    if path.exists() and not path.is_dir():
        raise typer.BadParameter(f"{text} is not a folder")
    return path
