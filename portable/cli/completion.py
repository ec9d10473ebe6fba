"""Names for the shell's completion. A name that cannot be found is not offered; completion prints no error."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from portable.model.errors import PortableError

if TYPE_CHECKING:
    from portable.backends.prepare import Prepared


def complete_profile(incomplete: str) -> list[str]:
    """Names of profiles."""
    from portable.profiles.load import find_stack, profile_files, profile_folders

    try:
        return _beginning(incomplete, sorted(profile_files(profile_folders(find_stack(Path.cwd())))))
    except (PortableError, OSError):
        return []


def complete_catalog_app(incomplete: str) -> list[str]:
    """Names of all apps of the catalog."""
    from portable.catalog.catalog import Catalog
    from portable.profiles.load import catalog_folders, find_stack

    try:
        return _beginning(incomplete, Catalog(catalog_folders(find_stack(Path.cwd()))).names())
    except (PortableError, OSError):
        return []


def complete_app(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the apps that the stack runs in the profile of the command; all apps if it cannot be planned."""
    prepared = _prepared(context)
    if prepared is None:
        return complete_catalog_app(incomplete)
    chosen = context.params.get("apps") or context.params.get("names") or ()
    return _beginning(incomplete, (app.name for app in prepared.planned.plan.apps if app.name not in chosen))


def complete_source_app(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the apps of the profile that a move begins at."""
    from portable.backends.prepare import prepare

    try:
        plan = prepare(context.params.get("source") or "", catalogs=tuple(context.params.get("catalogs") or ())).planned.plan
    except (PortableError, OSError):
        return complete_catalog_app(incomplete)
    chosen = context.params.get("apps") or ()
    return _beginning(incomplete, (app.name for app in plan.apps if app.name not in chosen))


def complete_app_or_code(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the stack's apps, and codes of findings and errors."""
    from portable.model.codes import all_explanations

    return [*complete_app(context, incomplete), *_beginning(incomplete, (e.code for e in all_explanations()))]


def complete_secret(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the secrets that the apps of the profile need, as `secrets set` takes them."""
    from portable.secrets.needs import needs_of, notify_needs

    prepared = _prepared(context)
    needs = (*needs_of(prepared.planned.plan), *notify_needs(prepared.planned.plan)) if prepared else ()
    return _beginning(incomplete, sorted({f"{need.name}.{need.key}".removesuffix(".value") for need in needs}))


def complete_recipe(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the recipes of the profile's images."""
    prepared = _prepared(context)
    containers = prepared.planned.plan.containers() if prepared else ()
    return _beginning(incomplete, sorted({c.image.recipe for c in containers if c.image.recipe}))


def complete_task(incomplete: str) -> list[str]:
    """Names of tasks, also after a comma."""
    from portable.upkeep.tasks import TASKS

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{task}" for task in TASKS if task.startswith(last) and task not in before.split(",")]


def complete_contract(incomplete: str) -> list[str]:
    """Names of contracts."""
    from portable.verify import contracts

    return _beginning(incomplete, (contract.name for contract in contracts(disruptive=True)))


def is_given(context: typer.Context) -> bool:
    """Whether the command line or the environment names the profile of this command."""
    source = context.get_parameter_source("profile")
    return source is not None and source.name != "DEFAULT"


def _prepared(context: typer.Context) -> "Prepared | None":
    """The plan of the command's profile; None if it has mistakes."""
    from portable.backends.prepare import prepare
    from portable.profiles.load import default_profile

    words = context.params
    profile = (words.get("profile") if is_given(context) else None) or default_profile(Path.cwd(), os.environ)
    try:
        return prepare(profile, sets=tuple(words.get("sets") or ()), catalogs=tuple(words.get("catalogs") or ()))
    except (PortableError, OSError):
        return None


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
