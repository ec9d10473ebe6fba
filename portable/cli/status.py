"""`portable status`, `logs` and `exec`: what runs, what it says, and a command inside it."""

import sys
from typing import Annotated

import typer

from portable.cli import show
from portable.cli.errors import Quiet, say
from portable.cli.options import Apps, Catalogs, Format, Output, Profile, Set, complete_app
from portable.cli.up import driver_of, open_place, reader_of, show_rows
from portable.model.errors import FAILED, INTERRUPTED


def status(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Show every app with its state, address, and what is wrong with it; exit 1 where something is not well.

    Of a VPN gateway also how often it restarted its VPN since its start, and whether anything comes back through its tunnel now.
    """
    place, _ = open_place(profile, sets, catalogs, strict=False)
    with reader_of(place) as reader:
        rows = reader.status(inside=True)
    show_rows(rows, output)
    return FAILED if any(row.reason for row in rows) else 0


def logs(
    apps: Apps = None,
    profile: Profile = "local",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", "-n", min=0, metavar="LINES", help="Only the last lines of each.")] = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
) -> int:
    """Print what apps wrote, in order of time; values of secrets are taken out."""
    place, _ = open_place(profile, sets, catalogs, strict=False)
    names = tuple(apps or ())
    try:
        with reader_of(place) as reader:
            if not reader.has_logs(names):
                say(f"nothing to read: {', '.join(names) or 'no app'} was {'not ' if names else ''}started (`portable up` does)")
            for line in reader.logs(apps=names, tail=tail, follow=follow):
                show.raw(f"{line.service} | {line.text}")
                if follow:
                    sys.stdout.flush()
    except KeyboardInterrupt:
        if follow:  # the one way to end it; nothing is left to complete
            raise Quiet(INTERRUPTED) from None
        raise
    return 0


def exec_(
    app: Annotated[str, typer.Argument(autocompletion=complete_app)],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...")],
    profile: Profile = "local",
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="Pass standard input on.")] = False,
    terminal: Annotated[bool, typer.Option("--tty", "-t", help="Give it a terminal.")] = False,
    user: Annotated[str | None, typer.Option("--user", "-u", help="As this user of the container.")] = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
) -> int:
    """Run a command inside an app; its exit code is passed on."""
    place, _ = open_place(profile, sets, catalogs, strict=False)
    with driver_of(place) as driver:
        return driver.execute(app, command, interactive=interactive, terminal=terminal, user=user)
