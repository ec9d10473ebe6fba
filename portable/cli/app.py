"""All commands, in the order in which help lists them."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import takewhile
from typing import Annotated, Any

import typer

import portable
from portable.formats.kept import keep_in
from portable.local.folders import own_cache

COMMANDS: Mapping[str, str] = {
    "up": "up:up",
    "down": "down:down",
    "restart": "up:restart",
    "status": "status:status",
    "logs": "status:logs",
    "exec": "status:exec_",
    "diff": "up:diff",
    "doctor": "doctor:doctor",
    "heal": "heal:heal",
    "verify": "verify:verify",
    "wire": "wire:wire",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "migrate": "migrate:migrate",
    "update": "updates:update",
    "rollback": "updates:rollback",
    "upkeep": "upkeep:upkeep",
    "render": "render:render",
    "explain": "explain:explain",
    "graph": "graph:graph",
    "page": "page:page",
    "catalog": "catalog:app",
    "profiles": "profiles:app",
    "secrets": "secrets:app",
    "images": "images:app",
    "notify": "notify:app",
}
"""Module and function of each command, or the module's own `app` for a group of commands."""
_SETTINGS: Mapping[str, Mapping[str, Any]] = {"exec": {"context_settings": {"ignore_unknown_options": True}}}


def application(typed: Sequence[str] = ()) -> typer.Typer:
    """Build the command line.

    `typed` holds the words after the program's name. If they begin with a command, after options at most, only this command is built:
    importing the others and reading their options is a tenth of a short command's work. Help before the command lists all of them.
    """
    app = typer.Typer(
        name="portable",
        help="Run one catalog of self-hosted media apps anywhere, and move it with its data.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    options = list(takewhile(lambda word: word.startswith("-"), typed))
    first = next(iter(typed[len(options) :]), "")
    is_enough = first in COMMANDS and not {"--help", "-h"}.intersection(options)
    for name in [first] if is_enough else COMMANDS:
        module, _, member = COMMANDS[name].partition(":")
        command = getattr(import_module(f"portable.cli.{module}"), member)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, **_SETTINGS.get(name, {}))(command)
    return app


def _version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"portable {portable.__version__}")
        raise typer.Exit


def _root(
    version: Annotated[  # noqa: ARG001 - its callback takes it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Log each request to an engine, and its answer; the log goes to standard error.")
    ] = False,
) -> None:
    keep_in(own_cache("files"))
    if debug:
        import logging

        logging.basicConfig(format="%(name)s: %(message)s")  # keep other libraries silent: they could log secrets
        logging.getLogger("portable").setLevel(logging.DEBUG)
