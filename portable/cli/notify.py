"""`portable notify`: test the channel for messages, list open faults, and forget them."""

from typing import TYPE_CHECKING

import typer

from portable.cli import show
from portable.cli.options import Catalogs, Format, Output, Profile, Set
from portable.model.errors import FAILED, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from portable.model.plan import Notify
    from portable.secrets.sources import Source
    from portable.upkeep.reports import ReportFile

app = typer.Typer(help="Send faults and recoveries to a channel, such as ntfy or mail.", no_args_is_help=True, rich_markup_mode=None)


@app.command("test")
def send_test(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
) -> int:
    """Send a test message through the profile's channel, then the messages that are still queued. Exit 1 if it is not accepted.

    Pings are not called: that would hide a command that no longer runs.
    """
    from portable.upkeep import channel

    facts, file, source = _open(profile, sets, catalogs)
    if facts.url is None:
        remedy = "name the secret with its URL in the profile: `notify: {url: {secret: notify-url}}`"
        raise UsageError("the profile has pings, but no channel for messages", code="notify.not-set-up", remedy=remedy)
    url = channel.url_of(facts.url, source)
    service = channel.service_of(url)
    channel.send(url, f"{file.project}: test", "This is a test of `portable notify test`. Faults and recoveries arrive here.")
    show.line(f"sent a test message through {service}")
    if delivered := file.deliver(lambda title, body, is_fault: channel.send(url, title, body, is_fault=is_fault)):
        show.line(f"sent {delivered} queued message{'s' if delivered > 1 else ''}")
    return 0


@app.command("list")
def list_(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    output: Output = Format.text,
) -> int:
    """List the open faults, and the messages that are not delivered. Exit 1 if the channel did not accept the last message."""
    _, file, _ = _open(profile, sets, catalogs)
    reports = file.read()
    if output is Format.json:
        faults = [{"subject": key, "since": f.since, "text": f.text, "remedy": f.remedy} for key, f in sorted(reports.faults.items())]
        queued = [{"number": m.number, "title": m.title} for m in reports.queue]
        undelivered = {"since": reports.undelivered_since or None, "why": reports.why or None, "dropped": reports.dropped}
        show.document({"schema": "portable/notify/1", "faults": faults, "queued": queued, "undelivered": undelivered})
    else:
        rows = [(key, f.since, f.text) for key, f in sorted(reports.faults.items())]
        show.table(("subject", "since", "text"), rows, output, schema="notify")
        for key, fault in sorted(reports.faults.items()):
            if fault.remedy:
                show.line(f"{key}: {fault.remedy}")
        if reports.queue:
            since = f" since {reports.undelivered_since}: {reports.why}" if reports.undelivered_since else ""
            show.line(f"{len(reports.queue)} message{'s are' if len(reports.queue) > 1 else ' is'} not delivered{since}")
            show.line("check the channel with `portable notify test`")
    return FAILED if reports.undelivered_since else 0


@app.command("forget")
def forget(
    profile: Profile = "local",
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
) -> None:
    """Forget all open faults and undelivered messages, for example those of apps that you removed. A fault that lasts is reported again."""
    _, file, _ = _open(profile, sets, catalogs)
    before = file.forget()
    show.line(f"forgot {len(before.faults)} open faults and {len(before.queue)} undelivered messages")


def _open(profile: str, sets: "Sequence[str]", catalogs: "Sequence[Path]") -> "tuple[Notify, ReportFile, Source]":
    """The section `notify` of a profile, the file of its faults, and the source of its secrets. Contacts no engine."""
    import os

    from portable.cli.opening import prepared_for
    from portable.live.place import source_of
    from portable.local.paths import home_of
    from portable.upkeep.reports import ReportFile, project_of

    planned = prepared_for(profile, sets=sets, catalogs=catalogs).planned
    plan = planned.plan
    if plan.notify is None:
        remedy = "add a channel: `notify: {url: {secret: notify-url}}`, then run `portable secrets set notify-url`"
        raise UsageError(f"profile {plan.profile} has no section `notify`", code="notify.not-set-up", where="notify", remedy=remedy)
    source = source_of(planned.given.profile.secrets, plan.stack, os.environ, home_of(os.environ))
    return plan.notify, ReportFile(project_of(plan)), source
