"""SABnzbd's interface: categories, each with a folder below the folder for complete downloads.

Facts: https://sabnzbd.org/wiki/configuration/4.5/api, and sabnzbd/api.py and config.py of 4.5, tried with it and with 5.1. Its key is sent
in a form, so that no access log contains it.
"""

from collections.abc import Iterator, Sequence

from portable.wiring.channel import Channel, Credentials, Request
from portable.wiring.step import Interface, Others, Shown, Step, send
from portable.wiring.wishes import Category, Wish


class UsenetCategory(Shown, frozen=True):
    """A category of downloads, with its folder."""

    name: str
    dir: str = ""


class _Categories(Shown, frozen=True):
    categories: tuple[UsenetCategory, ...] = ()


class _Settings(Shown, frozen=True):
    config: _Categories | None = None
    error: str = ""


def enter(line: Channel) -> Credentials:
    """Return the API key and the output format, JSON."""
    return Credentials(form={"apikey": line.peer.secret, "output": "json"})


def steps(line: Channel, wishes: Sequence[Wish], _others: Others) -> Iterator[Step]:
    """Yield a step for each category that is missing or has another folder; SABnzbd's names are in lower case."""
    seen = {category.name: category for category in _categories(line)}
    for wish in wishes:
        if not isinstance(wish, Category):
            continue
        request = _call("set_config", keyword=wish.name, dir=wish.name)
        if (category := seen.get(wish.name)) is None:
            yield send(line.peer, f"category {wish.name} is missing (in folder {wish.name} of complete downloads)", request)
        elif category.dir != wish.name:
            yield send(line.peer, f"category {wish.name} uses {category.dir or 'the default folder'} instead of {wish.name}", request)


def _categories(line: Channel) -> Sequence[UsenetCategory]:
    answer = line.look(_call("get_config"), _Settings)
    if answer.config is None:  # a rejected key, with status 200
        raise line.refused(answer.error)
    return answer.config.categories


def _call(mode: str, **more: str) -> Request:
    return Request(method="POST", path="/api", form={"mode": mode, "section": "categories", **more})


INTERFACE = Interface(programs=("sabnzbd",), enter=enter, steps=steps)
