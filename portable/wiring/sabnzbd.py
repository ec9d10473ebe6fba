"""SABnzbd's interface: categories, each with a folder below the one for what is complete.

Facts: https://sabnzbd.org/wiki/configuration/4.5/api, and sabnzbd/api.py and config.py of 4.5, tried with it. Its key goes in a form, so
that it stands in no log of addresses.
"""

from collections.abc import Iterator, Sequence

from portable.wiring.line import Entry, Line, Request
from portable.wiring.step import Interface, Others, Shown, Step, tell
from portable.wiring.wishes import Category, Wish


class _Category(Shown, frozen=True):
    name: str
    dir: str = ""


class _Categories(Shown, frozen=True):
    categories: tuple[_Category, ...] = ()


class _Settings(Shown, frozen=True):
    config: _Categories | None = None
    error: str = ""


def enter(line: Line) -> Entry:
    """Its key, and that it answers in JSON."""
    return Entry(form={"apikey": line.peer.secret, "output": "json"})


def steps(line: Line, wishes: Sequence[Wish], _others: Others) -> Iterator[Step]:
    """Categories that are missing, or lie elsewhere; their names are in lower case there."""
    seen = {category.name: category for category in _categories(line)}
    for wish in wishes:
        if not isinstance(wish, Category):
            continue
        request = _call("set_config", keyword=wish.name, dir=wish.name)
        if (category := seen.get(wish.name)) is None:
            yield tell(line.peer, f"it has no category {wish.name} (in the folder {wish.name} of what is complete)", request)
        elif category.dir != wish.name:
            lies = category.dir or "the folder of all"
            yield tell(line.peer, f"its category {wish.name} lies in {lies}, not in {wish.name}", request)


def _categories(line: Line) -> Sequence[_Category]:
    answer = line.look(_call("get_config"), _Settings)
    if answer.config is None:  # with status 200
        raise line.refused(answer.error)
    return answer.config.categories


def _call(mode: str, **more: str) -> Request:
    return Request(method="POST", path="/api", form={"mode": mode, "section": "categories", **more})


INTERFACE = Interface(programs=("sabnzbd",), enter=enter, steps=steps)
