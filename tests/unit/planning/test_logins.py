"""Apps whose pages are open until somebody sets a login are reported where other machines reach them."""

from pathlib import Path
from typing import Any

import pytest

from portable.catalog.catalog import Catalog
from portable.formats.merge import merged
from portable.model.exposures import Lan
from tests.unit.planning import CLUSTER, COMPOSE, Place, app

SHIPPED_LOGINS = {
    "first-visitor": {
        *("audiobookshelf", "autobrr", "jellyfin", "lidarr", "plex", "prowlarr", "radarr", "rdt-client", "readarr", "requestrr"),
        *("seerr", "sonarr"),
    },
    "open": {
        *("bazarr", "gerbera", "homepage", "jackett", "lazylibrarian", "mylar3", "podgrab", "riven", "tdarr", "unmanic", "whisparr"),
        "zurg",
    },
    "own": {"autoscan", "qbittorrent", "sabnzbd", "tubearchivist"},
    "public": {"ipfs", "webdav"},
}
"""Every shipped app with a page, by how its login is set (docs/facts/logins.md)."""
LOAD_BALANCER = {"exposure": {"apps": {"one": {"web": {"load-balancer": {"number": 8080}}}}}}
INGRESS = {"exposure": {"default": "ingress", "domain": "home.test"}}


@pytest.mark.parametrize("login", ["first-visitor", "open"])
@pytest.mark.parametrize(
    ("base", "more", "reported"),
    [
        (COMPOSE, {"exposure": {"default": "lan"}}, True),
        (COMPOSE, {"exposure": {"default": "loopback"}}, False),
        (COMPOSE, {}, False),
        (CLUSTER, LOAD_BALANCER, True),
        (CLUSTER, INGRESS, True),
        (merged(CLUSTER, {"back-end": "openshift"}), {"exposure": {"default": "route", "domain": "home.test"}}, True),
        (
            merged(CLUSTER, {"back-end": "openshift"}),
            {"exposure": {"domain": "home.test", "apps": {"one": {"web": {"route": {"auth": "oauth-proxy"}}}}}},
            False,
        ),
    ],
)
def test_an_open_page_that_others_reach_is_reported(
    place: Place, login: str, base: dict[str, Any], more: dict[str, Any], reported: bool
) -> None:
    place.write(app("one", login=login), app("two"))
    found = [(f.code, f.app, f.class_, f.verdict) for f in place.plan("one", "two", base=merged(base, more)).findings if f.field == "login"]
    assert found == ([("app.login", "one", "security", "noted")] if reported else [])


def test_the_remedy_names_the_page(place: Place) -> None:
    place.write(app("one", login="open"))
    planned = place.plan("one", base=merged(COMPOSE, {"exposure": {"default": "lan", "address": "192.0.2.7"}}))
    (found,) = [f for f in planned.findings if f.field == "login"]
    assert planned.addresses["one", "web"] in found.remedy


@pytest.mark.parametrize("exposure", [{"default": "lan"}, {"default": "loopback", "lan": "192.168.7.0/24"}])
def test_on_a_host_without_a_name_a_page_is_at_the_hosts_address(place: Place, exposure: dict[str, Any]) -> None:
    place.write(app("one", login="open"))
    planned = place.plan("one", base=merged(COMPOSE, {"exposure": exposure}))
    (found,) = [f for f in planned.findings if f.field == "login"]
    (how,) = [e.how for e in planned.plan.exposures]
    assert isinstance(how, Lan)
    assert planned.addresses["one", "web"] == f"port {how.number} of this host's address"
    assert "localhost" not in found.remedy
    assert f"open port {how.number} of this host's address right after" in found.remedy
    named = place.plan("one", base=merged(COMPOSE, {"exposure": {**exposure, "addresses": ["fd00::2", "nas.lan"]}}))
    assert named.addresses["one", "web"] == f"http://[fd00::2]:{how.number}"


def reported(place: Place, *apps: str, **ports: Any) -> list[tuple[str | None, str]]:
    """(app, path) of each page without a login, where these ports of the app `one` are published."""
    exposure = {"default": "lan", "apps": {"one": {name: {"lan": {}} for name in ports}}}
    return [(f.app, f.path) for f in place.plan(*apps, exposure=exposure).findings if f.code == "app.login"]


def test_an_open_app_is_reported_once_at_its_first_page_behind_apps_with_a_login(place: Place) -> None:
    place.write(app("one", login="open", ports={"own": {"number": 1, "serves": "https"}}), app("before"), app("z-last", login="open"))
    found = [("one", "exposures.one.own"), ("z-last", "exposures.z-last.web")]
    assert reported(place, "before", "one", "z-last", own={}) == found


def test_a_port_that_has_no_page_needs_no_login(place: Place) -> None:
    raw = {"web": {"serves": "raw"}, "page": {"number": 1, "serves": "http"}}
    place.write(app("one", login="open", ports=raw), app("two"))
    assert reported(place, "one", "two") == []


def test_the_finding_leads_to_the_line_of_the_catalog(place: Place) -> None:
    place.write(app("one", login="open"))
    (found,) = (f for f in place.plan("one", exposure={"default": "lan"}).findings if f.code == "app.login")
    assert found.where is not None
    assert Path(found.where.file).parts[-2:] == ("one", "app.yaml")
    assert Path(found.where.file).read_text().splitlines()[found.where.line - 1].startswith("login:")


def test_every_shipped_app_with_a_page_says_how_its_login_is_set() -> None:
    """A new app is put into one of the lists."""
    catalog = Catalog()
    pages: dict[str, str | None] = {}
    for name in catalog.names():
        known = catalog.resolve(name)
        assert known
        facts = catalog.app(known)[0]
        if any(port.serves in ("http", "https") and not port.private for port in facts.ports.values()):
            pages[known] = facts.login
    assert pages == {app: (login if login in ("first-visitor", "open") else None) for login, apps in SHIPPED_LOGINS.items() for app in apps}


def test_up_lists_the_passwords_with_which_a_person_logs_in() -> None:
    """`password` is for people, so that the last lines of `up` name no password between programs."""
    catalog = Catalog()
    found = {
        name: facts.about
        for known in catalog.names()
        for name, facts in catalog.app(known)[0].secrets.items()
        if facts.generate == "password"
    }
    assert set(found) == {"autoscan-password", "qbittorrent-password", "sabnzbd-password", "tubearchivist-password"}
    assert all("user" in about for about in found.values()), "each names the user to log in as"
