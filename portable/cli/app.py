"""All commands, in the order in which help lists them."""

from typing import Annotated

import typer

import portable
from portable.cli import (
    backup,
    catalog,
    doctor,
    down,
    explain,
    graph,
    heal,
    images,
    notify,
    profiles,
    render,
    secrets,
    status,
    up,
    updates,
    upkeep,
    verify,
    wire,
)

app = typer.Typer(
    name="portable",
    help="Run one catalog of self-hosted media apps anywhere, and move it with its data.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"portable {portable.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: ARG001 - its callback takes it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Log each request to an engine, and its answer; the log goes to standard error.")
    ] = False,
) -> None:
    if debug:
        import logging

        logging.basicConfig(format="%(name)s: %(message)s")  # keep other libraries silent: they could log secrets
        logging.getLogger("portable").setLevel(logging.DEBUG)


app.command("up")(up.up)
app.command("down")(down.down)
app.command("restart")(up.restart)
app.command("status")(status.status)
app.command("logs")(status.logs)
app.command("exec", context_settings={"ignore_unknown_options": True})(status.exec_)
app.command("diff")(up.diff)
app.command("doctor")(doctor.doctor)
app.command("heal")(heal.heal)
app.command("verify")(verify.verify)
app.command("wire")(wire.wire)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("update")(updates.update)
app.command("rollback")(updates.rollback)
app.command("upkeep")(upkeep.upkeep)
app.command("render")(render.render)
app.command("explain")(explain.explain)
app.command("graph")(graph.graph)
app.add_typer(catalog.app, name="catalog")
app.add_typer(profiles.app, name="profiles")
app.add_typer(secrets.app, name="secrets")
app.add_typer(images.app, name="images")
app.add_typer(notify.app, name="notify")
