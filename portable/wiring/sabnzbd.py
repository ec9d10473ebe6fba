"""SABnzbd's interface: categories, each with a folder below the folder for complete downloads, and the host names that it answers.

Facts: https://sabnzbd.org/wiki/configuration/4.5/api, and sabnzbd/api.py and config.py of 4.5, tried with it and with 5.1. Its key is sent
in a form, so that no access log contains it.
"""

from collections.abc import Iterator, Sequence

from portable.model.addresses import is_ip_address
from portable.wiring.channel import Channel, Credentials, Request
from portable.wiring.step import Interface, Others, Shown, Step, send
from portable.wiring.wishes import Category, HostNames, Wish

_WHITELIST = {"section": "misc", "keyword": "host_whitelist"}


class UsenetCategory(Shown, frozen=True):
    """A category of downloads, with its folder."""

    name: str
    dir: str = ""


class _Misc(Shown, frozen=True):
    host_whitelist: tuple[str, ...] | str = ()


class Config(Shown, frozen=True):
    """Its settings, as far as they are used here."""

    categories: tuple[UsenetCategory, ...] = ()
    misc: _Misc = _Misc()


class _Settings(Shown, frozen=True):
    config: Config | None = None
    error: str = ""


def enter(line: Channel) -> Credentials:
    """Return the API key and the output format, JSON."""
    return Credentials(form={"apikey": line.peer.secret, "output": "json"})


def steps(line: Channel, wishes: Sequence[Wish], _others: Others) -> Iterator[Step]:
    """Yield a step for host names that it would refuse, and for each category that is missing or has another folder.

    SABnzbd's names of categories and hosts are in lower case.
    """
    seen = {category.name: category for category in _config(line, _call("get_config")).categories}
    for wish in wishes:
        if isinstance(wish, HostNames):
            yield from _names(line, wish.names)
        if not isinstance(wish, Category):
            continue
        request = _call("set_config", keyword=wish.name, dir=wish.name)
        if (category := seen.get(wish.name)) is None:
            yield send(line.peer, f"category {wish.name} is missing (in folder {wish.name} of complete downloads)", request)
        elif category.dir != wish.name:
            yield send(line.peer, f"category {wish.name} uses {category.dir or 'the default folder'} instead of {wish.name}", request)


def _names(line: Channel, wanted: Sequence[str]) -> Iterator[Step]:
    """Add the names that it would refuse: it lets in addresses, `localhost`, names below `.local` and its whitelist (interface.py)."""
    whitelist = _config(line, _call("get_config", **_WHITELIST)).misc.host_whitelist
    listed = [name.strip() for name in (whitelist.split(",") if isinstance(whitelist, str) else whitelist) if name.strip()]
    missing = [
        name
        for name in wanted
        if name.lower() not in listed and not name.lower().endswith(".local") and not is_ip_address(name.strip("[]"))
    ]
    if missing:
        value = ",".join((*listed, *(name.lower() for name in missing)))
        request = _call("set_config", value=value, **_WHITELIST)
        yield send(line.peer, f"it refuses browsers that come by the name {', '.join(missing)}", request)


def _config(line: Channel, request: Request) -> Config:
    answer = line.look(request, _Settings)
    if answer.config is None:  # a rejected key, with status 200
        raise line.refused(answer.error)
    return answer.config


def _call(mode: str, *, section: str = "categories", **more: str) -> Request:
    return Request(method="POST", path="/api", form={"mode": mode, "section": section, **more})


INTERFACE = Interface(programs=("sabnzbd",), enter=enter, steps=steps)
