"""`portable secrets`: values that apps need, by name. No value is ever printed or taken from an argument."""

import sys
from typing import Annotated

import typer

from portable.cli import show
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.cli.up import open_place
from portable.model.errors import FAILED, UsageError

app = typer.Typer(help="Values that apps need and no file of the stack holds.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> None:
    """Each secret that the profile's apps refer to, whether it is there, and who needs it."""
    _table(profile, sets, catalogs, output)


@app.command("check")
def check(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Exit 1 where a secret is missing that `up` could not make by itself."""
    return FAILED if _table(profile, sets, catalogs, output) else 0


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(metavar="NAME[.KEY]")],
    profile: Profile = "local",
    generate: Annotated[bool, typer.Option("--generate", help="Make a random value.")] = False,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
) -> None:
    """Store a value in the profile's file, mode 0600: asked for without echo, or read from standard input."""
    from portable.live import secrets

    place, generated = open_place(profile, sets, catalogs, strict=False)
    secret, _, key = name.partition(".")
    key = key or "value"
    known = sorted({f"{n.name}.{n.key}".removesuffix(".value") for n in place.stack.secrets})
    if not any(n.name == secret and n.key == key for n in place.stack.secrets):
        raise UsageError(f"no app of profile {profile} refers to a secret {name!r}", remedy=f"known: {', '.join(known) or 'none'}")
    if generate:
        from portable.live.generate import random_value

        value = random_value(generated.get(secret, "password"))
    else:
        text = typer.prompt(name, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
        value = secrets.Secret(text)
    secrets.set_secret(place.source, secret, key, value)
    show.line(f"stored {name}")


def _table(profile: str, sets: list[str], catalogs: list, output: Format) -> bool:  # type: ignore[type-arg]
    from portable.live import secrets

    place, generated = open_place(profile, sets, catalogs, strict=False)
    rows = secrets.check(place.stack.secrets, place.source)
    by_itself = [r.name in generated for r in rows]
    cells = [(r.name, r.key, r.present, r.optional, made, r.apps, r.reason) for r, made in zip(rows, by_itself, strict=True)]
    show.table(("secret", "key", "present", "optional", "generated", "apps", "reason"), cells, output, schema="secrets")
    return any(not (r.present or r.optional or made) for r, made in zip(rows, by_itself, strict=True))
