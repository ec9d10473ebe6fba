"""SABnzbd's interface: categories, each with a folder below the one for what is complete.

Facts: https://sabnzbd.org/wiki/configuration/4.5/api, and sabnzbd/api.py and config.py of 4.5, tried with it. Its key goes in a form, so
that it stands in no log of addresses.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from portable.wiring.line import Entry, Line, Request
from portable.wiring.step import Interface, Others, Step, tell
from portable.wiring.wishes import Category, Wish


def enter(line: Line) -> Entry:
    """Its key, and that it answers in JSON."""
    return Entry(form={"apikey": line.peer.secret, "output": "json"})


def steps(line: Line, wishes: Sequence[Wish], _others: Others) -> Iterator[Step]:
    """Categories that are missing, or lie elsewhere; their names are in lower case there."""
    seen = {category["name"]: category for category in _categories(line)}
    for wish in wishes:
        if not isinstance(wish, Category):
            continue
        request = _call("set_config", keyword=wish.name, dir=wish.name)
        if (category := seen.get(wish.name)) is None:
            yield tell(line.peer, f"it has no category {wish.name} (in the folder {wish.name} of what is complete)", request)
        elif category.get("dir") != wish.name:
            lies = category.get("dir") or "the folder of all"
            yield tell(line.peer, f"its category {wish.name} lies in {lies}, not in {wish.name}", request)


def _categories(line: Line) -> Sequence[Mapping[str, Any]]:
    answer = line.look(_call("get_config"))
    if "config" not in answer:  # `{"status": false, "error": ...}`, with status 200
        raise line.refused(str(answer.get("error", "")))
    found: Sequence[Mapping[str, Any]] = answer["config"].get("categories", ())
    return found


def _call(mode: str, **more: str) -> Request:
    return Request(method="POST", path="/api", form={"mode": mode, "section": "categories", **more})


INTERFACE = Interface(programs=("sabnzbd",), enter=enter, steps=steps)
