"""`portable status`, `logs` and `exec`: the state of apps, their logs, and commands in their containers."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.completion import complete_app
from portable.cli.errors import SilentExit, say
from portable.cli.options import Apps, Catalogs, Format, Output, Profile, Set
from portable.cli.up import driver_of, open_place, reader_of, show_rows
from portable.model.errors import FAILED, INTERRUPTED

if TYPE_CHECKING:
    from portable.live.results import LogLine


def status(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Show every app with its state, address and problem. Exit 1 if an app has a problem.

    For a VPN gateway, also show how often it restarted its VPN since it started, and whether its tunnel receives traffic now.
    """
    place, _ = open_place(profile, sets, catalogs, strict=False)
    with reader_of(place) as reader:
        rows = reader.status(inside=True)
    show_rows(rows, output)
    return FAILED if any(row.reason for row in rows) else 0


def logs(
    apps: Apps = None,
    profile: Profile = "local",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the log output.")] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", "-n", min=0, metavar="LINES", help="Number of lines to show from the end of each log.")
    ] = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Print the logs of apps in order of time. Values of secrets are masked.

    With --format json: one document, and with --follow one object a line.
    """
    place, _ = open_place(profile, sets, catalogs, strict=False)
    names = tuple(apps or ())
    try:
        with reader_of(place) as reader:
            if not reader.has_logs(names):
                say(f"no logs: {', '.join(names) or 'no app'} was {'not ' if names else ''}started (run `portable up`)")
            _show_logs(reader.logs(apps=names, tail=tail, follow=follow), output, follow=follow)
    except KeyboardInterrupt:
        if follow:  # Ctrl-C is how following ends; there is nothing to complete
            raise SilentExit(INTERRUPTED) from None
        raise
    return 0


def _show_logs(lines: "Iterable[LogLine]", output: Format, *, follow: bool) -> None:
    rows = ({"service": line.service, "time": line.moment, "text": line.text} for line in lines)
    if output is Format.json and not follow:
        show.document({"schema": "portable/logs/1", "logs": list(rows)})
        return
    for row in rows:
        if output is Format.json:
            show.compact(row)
        else:
            show.raw(f"{row['service']} | {row['text']}")
        if follow:
            sys.stdout.flush()


def exec_(
    app: Annotated[str, typer.Argument(autocompletion=complete_app, help="App to run the command in.")],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="Command with its arguments.")],
    profile: Profile = "local",
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="Pass standard input to the command.")] = False,
    terminal: Annotated[bool, typer.Option("--tty", "-t", help="Allocate a terminal.")] = False,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Run as this user of the container.")] = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
) -> int:
    """Run a command in an app's container. Exit with the command's exit code."""
    place, _ = open_place(profile, sets, catalogs, strict=False)
    with driver_of(place) as driver:
        return driver.execute(app, command, interactive=interactive, terminal=terminal, user=user)
