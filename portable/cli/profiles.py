"""`portable profiles`: which places there are, what one says, and a start for your own."""

import re
from pathlib import Path
from typing import Annotated

import typer

from portable.cli import show
from portable.cli.options import Format, Output, complete_profile
from portable.model.errors import PortableError, UsageError

app = typer.Typer(help="The places that apps can run in.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(output: Output = Format.text) -> None:
    """Every profile that `--profile` takes here."""
    from portable.profiles.load import find_stack, load_profile, profile_files, profile_folders

    there = profile_files(profile_folders(find_stack(Path.cwd())))
    rows: list[tuple[str, str, str, str]] = []
    for name, files in there.items():
        try:
            profile, _ = load_profile(name, there)
            rows.append((name, profile.back_end, profile.about, str(files[0])))
        except PortableError as error:
            rows.append((name, "?", str(error).splitlines()[0], str(files[0])))
    show.table(("name", "back end", "about", "file"), sorted(rows), output, schema="profiles")


@app.command("show")
def show_(name: Annotated[str, typer.Argument(autocompletion=complete_profile)]) -> None:
    """A profile as it is read, with what it extends."""
    import msgspec

    from portable.formats.emit import dump
    from portable.profiles.load import find_stack, load_profile, profile_files, profile_folders

    profile, _ = load_profile(name, profile_files(profile_folders(find_stack(Path.cwd()))))
    show.raw(dump(msgspec.to_builtins(profile), first=("portable", "name", "about", "extends", "back-end")).rstrip("\n"))


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Its name.")],
    extends: Annotated[str, typer.Option("--extends", autocompletion=complete_profile, help="The profile that it changes.")] = "local",
) -> None:
    """Write `profiles/NAME.yaml` beside portable.yaml (or here): a few lines that change a shipped profile."""
    from portable.catalog.facts import NAME
    from portable.local.files import write_atomically
    from portable.profiles.load import find_stack, load_profile, profile_files, profile_folders

    if not re.fullmatch(NAME, name):
        raise UsageError(f"{name!r} can't be the name of a profile", remedy="lower case letters, digits and dashes, at most 40")
    stack = find_stack(Path.cwd())
    there = profile_files(profile_folders(stack))
    base, _ = load_profile(extends, there)
    file = (stack.parent if stack else Path.cwd()) / "profiles" / f"{name}.yaml"
    if file.exists():
        raise UsageError(f"{file} is there already", remedy="choose another name, or change that file")
    if name != extends and name in there:
        remedy = f"choose another name, or say that it changes that one: `portable profiles new {name} --extends {name}`"
        raise UsageError(f"there is a profile {name!r} already, and yours would take its place", remedy=remedy)
    file.parent.mkdir(parents=True, exist_ok=True)
    what_differs = "# Below: what differs. Maps merge, lists replace, null removes.\n"
    text = f"portable: 1\nname: {name}\nextends: {extends}\nback-end: {base.back_end}\n{what_differs}"
    write_atomically(file, text)
    show.line(f"wrote {file}")
