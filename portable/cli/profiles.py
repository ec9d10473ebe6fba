"""`portable profiles`: list profiles, show one, and start your own."""

import re
from pathlib import Path
from typing import Annotated

import typer

from portable.cli import show
from portable.cli.completion import complete_profile
from portable.cli.options import Format, Output
from portable.model.errors import PortableError, UsageError

app = typer.Typer(help="List, show and create profiles.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(output: Output = Format.text) -> None:
    """List the profiles that `--profile` accepts in this folder."""
    from portable.cli.opening import announce_stack
    from portable.profiles.load import load_profile, profile_files, profile_folders

    available = profile_files(profile_folders(announce_stack()))
    rows: list[tuple[str, str, str, str]] = []
    for name, files in available.items():
        try:
            profile, _ = load_profile(name, available)
            rows.append((name, profile.back_end, profile.about, str(files[0])))
        except PortableError as error:
            rows.append((name, "?", str(error).splitlines()[0], str(files[0])))
    show.table(("name", "back end", "about", "file"), sorted(rows), output, schema="profiles")


@app.command("show")
def show_(
    name: Annotated[str, typer.Argument(autocompletion=complete_profile, help="Name or file of the profile.")],
    output: Output = Format.text,
) -> None:
    """Print a profile, merged with the profiles that it extends."""
    import msgspec

    from portable.cli.opening import announce_stack
    from portable.formats.emit import dump
    from portable.profiles.load import load_profile, profile_files, profile_folders

    profile, document = load_profile(name, profile_files(profile_folders(announce_stack(name))))
    data = msgspec.to_builtins(profile)
    if output is Format.json:
        show.document({"schema": "portable/profile/1", "file": document.source(("name",)).file, "profile": data})
        return
    show.raw(dump(data, first=("portable", "name", "about", "extends", "back-end")).rstrip("\n"))


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name of the new profile.")],
    extends: Annotated[str, typer.Option("--extends", autocompletion=complete_profile, help="Profile to extend.")] = "local",
) -> None:
    """Write a new profile that extends another one.

    The file is `profiles/NAME.yaml` beside portable.yaml, or here. Add your changes to it.
    """
    from portable.catalog.facts import NAME
    from portable.cli.opening import announce_stack
    from portable.local.files import write_atomically
    from portable.profiles.load import load_profile, profile_files, profile_folders

    if not re.fullmatch(NAME, name):
        remedy = "use at most 40 lower-case letters, digits and dashes"
        raise UsageError(f"{name!r} is not a valid profile name", code="usage.profile-name", remedy=remedy)
    stack = announce_stack()
    available = profile_files(profile_folders(stack))
    base, _ = load_profile(extends, available)
    file = (stack.parent if stack else Path.cwd()) / "profiles" / f"{name}.yaml"
    if file.exists():
        raise UsageError(f"{file} already exists", code="usage.profile-exists", remedy="choose another name, or edit that file")
    if name != extends and name in available:
        remedy = f"choose another name, or extend that profile: `portable profiles new {name} --extends {name}`"
        text = f"a profile {name!r} already exists, and yours would replace it"
        raise UsageError(text, code="usage.profile-exists", remedy=remedy)
    file.parent.mkdir(parents=True, exist_ok=True)
    comment = "# Add your changes below. Maps merge, lists replace, null removes.\n"
    text = f"portable: 1\nname: {name}\nextends: {extends}\nback-end: {base.back_end}\n{comment}"
    write_atomically(file, text)
    show.line(f"wrote {file}")
    show.line(f"Next: add your changes to it, and run `portable explain -p {name}`.")
    if name == extends:
        show.line(f"It replaces the profile {name!r} of {available[name][0]} for every command in this folder, and extends it.")
