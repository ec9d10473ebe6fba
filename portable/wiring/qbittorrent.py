"""qBittorrent's interface, version 2: categories, each with a folder for its downloads, and the host names that it answers.

Facts: https://github.com/qbittorrent/qBittorrent/wiki/WebUI-API-(qBittorrent-5.0), tried with 5.1. Torrents without a folder of their own
use their category's folder, because the catalog's initial settings contain UseCategoryPathsInManualMode.
"""

import fnmatch
import json
from collections.abc import Iterator, Sequence

from portable.wiring.channel import Channel, Credentials, Request
from portable.wiring.step import Interface, Others, Shown, Step, send
from portable.wiring.wishes import Category, HostNames, Wish

_CATEGORIES = "/api/v2/torrents/categories"
_DEFAULT = "the default folder"


class TorrentCategory(Shown, frozen=True, rename="camel"):
    """A category of downloads, with its folder."""

    save_path: str = ""


class Preferences(Shown, frozen=True):
    """The settings of its host check."""

    web_ui_host_header_validation_enabled: bool = True
    web_ui_domain_list: str = ""


def enter(line: Channel) -> Credentials:
    """Log in and return the session: 5.1 answers `Ok.` or `Fails.` with 200, later versions 204 or 401; 403 means too many attempts."""
    answer = line.probe(Request(method="POST", path="/api/v2/auth/login", form={"username": line.peer.user, "password": line.peer.secret}))
    if answer.status == 403:
        remedy = f"wait an hour, or run `portable restart {line.peer.name}`; then run `portable wire` again"
        raise line.trouble("blocks logins for a while, after too many wrong passwords", remedy, code="wire.login-blocked")
    if answer.status not in (200, 204) or answer.text.strip() == "Fails.":
        raise line.refused()
    return Credentials(headers={"Cookie": answer.cookie})


def steps(line: Channel, wishes: Sequence[Wish], _others: Others) -> Iterator[Step]:
    """Yield a step for host names that it would refuse, and for each category that is missing or has another folder."""
    for wish in wishes:
        if isinstance(wish, HostNames):
            yield from _names(line, wish.names)
    seen = line.get(_CATEGORIES, dict[str, TorrentCategory])
    for wish in wishes:
        if not isinstance(wish, Category):
            continue
        folder = f"{line.peer.folders[0]}/{wish.name}" if line.peer.folders else ""
        form = {"category": wish.name, "savePath": folder}
        if wish.name not in seen:
            cause = f"category {wish.name} is missing (in {folder or _DEFAULT})"
            yield send(line.peer, cause, Request(method="POST", path="/api/v2/torrents/createCategory", form=form))
        elif (current := seen[wish.name].save_path.rstrip("/")) != folder:
            cause = f"category {wish.name} uses {current or _DEFAULT} instead of {folder or _DEFAULT}"
            yield send(line.peer, cause, Request(method="POST", path="/api/v2/torrents/editCategory", form=form))


def _names(line: Channel, wanted: Sequence[str]) -> Iterator[Step]:
    """Add the names that no entry of its list lets in; entries may have wildcards (webapplication.cpp, `validateHostHeader`)."""
    preferences = line.get("/api/v2/app/preferences", Preferences)
    listed = [entry.strip() for entry in preferences.web_ui_domain_list.split(";") if entry.strip()]
    missing = [name for name in wanted if not any(fnmatch.fnmatchcase(name.lower(), entry.lower()) for entry in listed)]
    if preferences.web_ui_host_header_validation_enabled and missing:
        new = json.dumps({"web_ui_domain_list": ";".join((*listed, *missing))})
        request = Request(method="POST", path="/api/v2/app/setPreferences", form={"json": new})
        yield send(line.peer, f"it refuses browsers that come by the name {', '.join(missing)}", request)


INTERFACE = Interface(programs=("qbittorrent",), enter=enter, steps=steps)
