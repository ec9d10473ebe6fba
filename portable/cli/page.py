"""`portable page`: one read-only page about a running place, as a file or served over HTTP."""

import os
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portable.cli import show
from portable.cli.errors import SilentExit, say
from portable.cli.formats import remember_format
from portable.cli.opening import prepared_for
from portable.cli.options import Beacon, Catalogs, Profile, Set
from portable.cli.up import driver_of
from portable.cli.verify import check_beacon
from portable.model.errors import INTERRUPTED, UsageError

if TYPE_CHECKING:
    from portable.page.facts import PageFacts
    from portable.page.serving import ListenAddress
    from portable.upkeep.tasks import TaskResult

_LISTEN = "127.0.0.1:8480"


class PageForm(StrEnum):
    """Format of a page."""

    html = "html"
    json = "json"
    text = "text"


_ENDINGS = {".html": PageForm.html, ".htm": PageForm.html, ".json": PageForm.json, ".txt": PageForm.text}


def page(
    profile: Profile = "local",
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to this file instead of standard output. A new file is readable by you alone."
        ),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the page over HTTP until stopped; each load shows the present state.")
    ] = False,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="ADDRESS:PORT", help=f"Address of --serve. Default: {_LISTEN}, this machine only.")
    ] = None,
    beacon: Beacon = None,
    sets: Set = [],  # noqa: B006
    catalogs: Catalogs = [],  # noqa: B006
    form: Annotated[
        PageForm | None,
        typer.Option(
            "--format", callback=remember_format, help="Output format. Default: by the suffix of FILE (.html, .json, .txt), else html."
        ),
    ] = None,
) -> int:
    """Show on one page what is proven, broken and unknown.

    It has the exit address of each VPN app, the last test of the kill switch, library and clouds, the age of backups and of tried restores,
    what `up` would change, updates that wait, and waived findings, each with the command that acts. It changes nothing. Exit 0 also if
    something is broken or the engine is away.
    """
    check_beacon(beacon)
    form = form_of(form, output_file, serve=serve)
    if listen is not None and not serve:
        remedy = f"add --serve: `portable page --serve --listen {listen}`"
        raise UsageError("--listen has no effect without --serve", code="usage.option-missing", remedy=remedy)

    def made() -> "PageFacts":
        return facts_of(profile, sets, catalogs, beacon)

    if serve:
        from portable.page.serving import listen_address

        return _serve(listen_address(listen or _LISTEN), profile, sets, catalogs, made)
    facts = made()
    if output_file is not None:
        _write(facts, form, output_file)
        show.line(f"wrote {output_file}")
    else:
        show.raw(_text(facts, form).rstrip("\n"))
    return 0


def facts_of(profile: str, sets: Sequence[str], catalogs: Sequence[Path], beacon: str | None) -> "PageFacts":
    """Collect the facts of a place. Raises UsageError and InputError for its files; a dead engine makes lines unknown."""
    from portable.cli.hints import typed
    from portable.live.place import place_of
    from portable.local.records import now
    from portable.page.collect import collect
    from portable.page.facts import worded

    prepared = prepared_for(profile, sets=sets, catalogs=catalogs)
    place = place_of(prepared)
    with driver_of(place) as driver:
        facts = collect(driver, prepared, beacon=beacon, now=now())
        return worded(facts, lambda text: typed(driver.hide(text)))


def default_file(project: str) -> Path:
    """The file of the task `page` of `upkeep`: private, in the state folder of the project."""
    from portable.local.folders import project_folder

    return project_folder(project) / "page.html"


def page_task(
    project: str, profile: str, sets: Sequence[str], catalogs: Sequence[Path], file: Path | None, beacon: str | None
) -> "TaskResult":
    """Write the page, as a task of `upkeep`. Raises PortableError."""
    from portable.upkeep.tasks import TaskResult

    facts = facts_of(profile, sets, catalogs, beacon)
    path = (file or default_file(project)).absolute()
    _write(facts, form_of(None, path), path)
    counted = ", ".join(f"{count} {verdict}" for verdict, count in facts.counts.items())
    return TaskResult(task="page", subject=str(path), result="done", text=counted)


def form_of(form: PageForm | None, file: Path | None, *, serve: bool = False) -> PageForm:
    """The format by option or suffix. Raises UsageError for options that conflict, and for an unknown suffix."""
    if serve and (form is not None or file is not None):
        text = "cannot combine --serve with --output or --format"
        remedy = "the served page is at /, and the same facts as JSON are at /page.json"
        raise UsageError(text, code="usage.options-conflict", where="page", remedy=remedy)
    if form is None and file is not None and file.suffix not in _ENDINGS:
        remedy = f"use a name that ends with {', '.join(_ENDINGS)}, or add --format html"
        raise UsageError(f"the suffix of {file} names no known format", code="usage.page-format", remedy=remedy)
    return form or (_ENDINGS[file.suffix] if file else PageForm.html)


def _text(facts: "PageFacts", form: PageForm) -> str:
    import json

    from portable.page.forms import html, json_of, text

    match form:
        case PageForm.html:
            return html(facts)
        case PageForm.json:
            return json.dumps(json_of(facts), indent=2, ensure_ascii=False) + "\n"
        case PageForm.text:
            return text(facts)


def _write(facts: "PageFacts", form: PageForm, file: Path) -> None:
    """Write the page whole or not at all. A new file is private: it names addresses and accepted risks. An old one keeps its mode."""
    import stat

    from portable.local.files import translated, write_private

    with translated(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        file = file.resolve()
        about = file.stat() if file.exists() else None
    if about is not None and not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
        raise UsageError(f"{file} is not a regular file", code="usage.page-file", where="--output", remedy="name another file")
    mode = stat.S_IMODE(about.st_mode) & 0o666 if about else 0o600
    is_own = about is None or (about.st_uid, about.st_gid) == (os.geteuid(), os.getegid())
    owner = None if is_own or about is None else (about.st_uid, about.st_gid)
    write_private(file, _text(facts, form), mode=mode, owner=owner)


def _serve(at: "ListenAddress", profile: str, sets: Sequence[str], catalogs: Sequence[Path], made: "Callable[[], PageFacts]") -> int:
    """Serve until this process ends. The files are read at each request, so that the page follows the profile."""
    import contextvars

    from portable.live.place import place_of
    from portable.page.serving import FreshFacts, server

    names = place_of(prepared_for(profile, sets=sets, catalogs=catalogs)).stack.names  # report mistakes before listening
    context = contextvars.copy_context()  # the profile in use, which texts add to commands
    with server(at, FreshFacts(lambda: context.copy().run(made)), names=names) as opened:
        try:
            if not at.is_loopback:
                say(f"warning: everybody who reaches {at.address} can read the page, without a login")
            show.line(f"serving {opened.url}; stop with Ctrl-C")
            sys.stdout.flush()
            opened.serve_forever()
        except KeyboardInterrupt:
            raise SilentExit(INTERRUPTED) from None  # Ctrl-C is how serving ends; there is nothing to complete
    return 0
