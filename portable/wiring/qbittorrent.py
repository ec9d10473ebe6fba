"""qBittorrent's interface, version 2: categories, each with the folder that its downloads go to.

Facts: https://github.com/qbittorrent/qBittorrent/wiki/WebUI-API-(qBittorrent-5.0), tried with 5.1. A category's folder counts for
torrents that nothing else says a folder of, since the catalog's first settings have UseCategoryPathsInManualMode.
"""

from collections.abc import Iterator, Sequence

from portable.wiring.line import Entry, Line, Request
from portable.wiring.step import Interface, Others, Shown, Step, tell
from portable.wiring.wishes import Category, Wish

_CATEGORIES = "/api/v2/torrents/categories"


class _Category(Shown, frozen=True, rename="camel"):
    save_path: str = ""


def enter(line: Line) -> Entry:
    """A session: 5.1 answers `Ok.` or `Fails.` with 200, later ones 204 or 401; 403 means that it was tried too often."""
    answer = line.knock(Request(method="POST", path="/api/v2/auth/login", form={"username": line.peer.user, "password": line.peer.secret}))
    if answer.status == 403:
        raise line.trouble("it has shut out this network for a while, after too many wrong passwords", "wait an hour, or restart it")
    if answer.status not in (200, 204) or answer.text.strip() == "Fails.":
        raise line.refused()
    return Entry(headers={"Cookie": answer.cookie})


def steps(line: Line, wishes: Sequence[Wish], _others: Others) -> Iterator[Step]:
    """Categories that are missing, or lie elsewhere."""
    seen = line.get(_CATEGORIES, dict[str, _Category])
    for wish in wishes:
        if not isinstance(wish, Category):
            continue
        folder = f"{line.peer.folders[0]}/{wish.name}" if line.peer.folders else ""
        form = {"category": wish.name, "savePath": folder}
        if wish.name not in seen:
            cause = f"it has no category {wish.name} (in {folder or 'its own folder'})"
            yield tell(line.peer, cause, Request(method="POST", path="/api/v2/torrents/createCategory", form=form))
        elif (lies := seen[wish.name].save_path.rstrip("/")) != folder:
            cause = f"its category {wish.name} lies in {lies or 'its own folder'}, not in {folder}"
            yield tell(line.peer, cause, Request(method="POST", path="/api/v2/torrents/editCategory", form=form))


INTERFACE = Interface(programs=("qbittorrent",), enter=enter, steps=steps)
