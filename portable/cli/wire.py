"""`portable wire`: connect apps to one another through their own interfaces."""

import sys
from typing import TYPE_CHECKING

from portable.cli import show
from portable.cli.errors import say
from portable.cli.opening import prepared_for
from portable.cli.options import Apps, Catalogs, Format, Output, Profile, Set
from portable.cli.up import DryRun, Timeout, driver_of, show_changes
from portable.model.errors import FAILED, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portable.backends.prepare import Prepared
    from portable.live.driver import StackDriver
    from portable.live.place import Place
    from portable.model.changes import Change
    from portable.wiring import WiringOutcome
    from portable.wiring.wishes import Peer, Wish

_SECONDS = 120.0
"""Default timeout for apps that are still starting."""


def wire(
    apps: Apps = None,
    profile: Profile = "local",
    dry_run: DryRun = False,
    timeout: Timeout = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """Connect apps to one another through their own interfaces.

    This sets up download clients and their categories, root folders, indexers and requests. Exit 1 if an app cannot be set up. A second run
    changes nothing. Settings that a person made under another name are kept, and nothing is ever removed.
    """
    from portable.live.place import place_of
    from portable.wiring import chosen
    from portable.wiring.wishes import peers, wishes

    prepared = prepared_for(profile, sets=sets, catalogs=catalogs)
    place = place_of(prepared, verb="wire")
    known = peers(prepared.planned)
    wanted = chosen(wishes(known), _named(prepared, apps or ()))
    if not wanted:
        if output is Format.json:
            show_changes((), output)
        else:
            show.line("no apps to connect")
        return 0
    with driver_of(place) as driver:
        driver.check()
        outcome = _outcome(driver, prepared, place, known, wanted, timeout or _SECONDS, dry_run=dry_run, shown=output is Format.text)
        if output is Format.json:
            show_changes(outcome.changes, output)
        elif not outcome.changes and not outcome.troubles:
            show.line("nothing to change: all apps are connected")
        for trouble in outcome.troubles:
            say(driver.hide(str(trouble)))
    return FAILED if outcome.troubles else 0


def _named(prepared: "Prepared", names: "Sequence[str]") -> tuple[str, ...]:
    """Resolve names and aliases to apps. Raises UsageError for an unknown one."""
    apps = {app.name: app.name for app in prepared.planned.plan.apps}
    apps |= {alias: app.name for app in prepared.planned.plan.apps for alias in app.aliases}
    if unknown := [name for name in names if name not in apps]:
        remedy = f"use one of: {', '.join(sorted(set(apps.values())))}"
        raise UsageError(f"unknown app {', '.join(unknown)}", code="usage.unknown-app", where="wire", remedy=remedy)
    return tuple(apps[name] for name in names)


def _outcome(
    driver: "StackDriver",
    prepared: "Prepared",
    place: "Place",
    known: "Sequence[Peer]",
    wanted: "Sequence[Wish]",
    seconds: float,
    *,
    dry_run: bool,
    shown: bool,
) -> "WiringOutcome":
    """Connect the apps, and print each change as it is made; with `dry_run`, only the changes that would be made."""
    from portable.cli.progress import printed
    from portable.model.progress import Deduplicated, Event
    from portable.model.secret_refs import SecretRef
    from portable.secrets.lookup import resolve
    from portable.secrets.needs import Need
    from portable.wiring import Channels, foreseen, wire
    from portable.wiring.channel import Channel, Writer

    secrets = resolve((Need(name=p.secret.name, key=p.secret.key, optional=True, apps=(p.name,)) for p in known), place.source)

    def reveal(ref: SecretRef) -> str:
        return secrets.of(ref.name, ref.key)

    once = Deduplicated(printed)

    def waiting(app: str, reason: str) -> None:
        once(Event(what="waiting", subject=app, text=driver.hide(reason)))

    with driver.network(prepared.planned.plan) as network:
        if dry_run:
            outcome = foreseen(Channels(Channel, known, network, reveal, seconds=seconds, waiting=waiting), wanted)
            for change in outcome.changes if shown else ():
                show.line(change.sentence())
            return outcome
        pens = Channels(Writer, known, network, reveal, seconds=seconds, waiting=waiting)
        return wire(pens, wanted, _print_change if shown else lambda _: None)


def _print_change(change: "Change") -> None:
    """Print a change at once, since it stays in effect even if this command is interrupted."""
    show.line(change.sentence())
    sys.stdout.flush()
