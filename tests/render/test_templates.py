"""What the catalog's templates become in each place: read as their programs read them, and compared with the plan."""

import configparser
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from portable.backends.prepare import Prepared, prepare
from portable.model.plan import LIBRARY
from portable.model.secret_refs import SecretRef
from tests.lab import recorded
from tests.render.test_catalog import place
from tests.shipped import PROFILES

APPS = ("autoscan", "homepage", "jellyfin", "plex", "qbittorrent", "sonarr", "zurg")
PLACES = ("zimaboard", "samba", "openshift")
EXPOSED = {"openshift": {"exposure": {"default": "route"}}}
"""What makes each place expose all of its apps."""
every_place = pytest.mark.parametrize("base", PLACES)


def body(prepared: Prepared, file: str) -> str:
    """A file with each secret written as `<name key form>`."""
    (found,) = [f for f in prepared.planned.plan.files if f.id == file]
    return "".join(part if isinstance(part, str) else f"<{part.name} {part.key} {part.form}>" for part in found.body)


def environment(prepared: Prepared, app: str) -> dict[str, Any]:
    (found,) = [a for a in prepared.planned.plan.apps if a.name == app]
    return dict(found.containers[0].env)


def hosts(prepared: Prepared, app: str) -> set[str]:
    """The hosts by which people reach an app, without port."""
    addresses = prepared.planned.addresses.items()
    return {re.sub(r":\d+$", "", address.split("://")[-1]) for (of, _), address in addresses if of == app}


@every_place
def test_homepage_shows_every_app_with_an_address(base: str, tmp_path: Path) -> None:
    prepared = place(tmp_path, base, [*APPS], **EXPOSED.get(base, {}))
    zones = yaml.safe_load(body(prepared, "homepage-services-yaml"))
    shown = {title: entry for zone in zones for apps in zone.values() for app in apps for title, entry in app.items()}
    plan, addresses = prepared.planned.plan, prepared.planned.addresses
    serves = {(a.name, port.name): port.serves for a in plan.apps for port in a.ports}
    titles = {a.name: a.title for a in plan.apps}
    reached: dict[str, set[str]] = {}
    for (app, port), address in addresses.items():
        if serves[app, port] != "raw":
            reached.setdefault(titles[app], set()).add(address)
    assert shown.keys() == reached.keys()
    assert len(reached) > 4
    names = {name for a in plan.apps for name in (a.name, *a.aliases)}
    for title, entry in shown.items():
        assert entry["href"] in reached[title]
        assert re.fullmatch(r"https?://([a-z-]+):\d+(/.*)?", entry["siteMonitor"])[1] in names  # type: ignore[index]
        assert entry["description"]
        assert re.fullmatch(r"[a-z0-9-]+\.png|mdi-[a-z-]+", entry["icon"])


def test_homepage_asks_for_a_page_that_is_no_error(tmp_path: Path) -> None:
    """IPFS answers 404 to `/`; an app with a probe of another kind is asked for `/`."""
    prepared = place(tmp_path, "zimaboard", ["homepage", "ipfs", "qbittorrent", "sonarr"])
    asked = re.findall(r"siteMonitor: \"(.*)\"", body(prepared, "homepage-services-yaml"))
    assert {"http://ipfs:8081/ipfs/bafkqaaa", "http://sonarr:8989/ping", "http://homepage:3000"} <= set(asked)


@every_place
def test_homepage_lets_in_by_every_name_that_it_has(base: str, tmp_path: Path) -> None:
    prepared = place(tmp_path, base, ["homepage", "sonarr"], **EXPOSED.get(base, {}))
    allowed = set(str(environment(prepared, "homepage")["HOMEPAGE_ALLOWED_HOSTS"]).replace(" ", "").split(","))
    typed = {address.split("://")[1] for (app, _), address in prepared.planned.addresses.items() if app == "homepage"}
    assert {"homepage", "homepage:3000", "localhost:3000", "localhost"} | typed <= allowed
    assert typed


@every_place
def test_qbittorrents_first_settings(base: str, tmp_path: Path) -> None:
    prepared = place(tmp_path, base, ["qbittorrent"])
    settings = configparser.ConfigParser(interpolation=None)
    settings.optionxform = str  # type: ignore[method-assign,assignment]
    settings.read_string(body(prepared, "qbittorrent-qbittorrent-conf"))
    assert settings["BitTorrent"]["Session\\DefaultSavePath"] == f"{LIBRARY}/downloads/torrents"
    assert settings["BitTorrent"]["Session\\Interface"] == "tun0", "it never uses another way out, whatever happens to its namespace"
    preferences = settings["Preferences"]
    assert preferences["WebUI\\HostHeaderValidation"] == "true"
    domains = preferences["WebUI\\ServerDomains"].strip('"').split(";")
    assert {"qbittorrent", "localhost", *hosts(prepared, "qbittorrent")} <= set(domains)
    assert "*" not in domains
    assert preferences["WebUI\\Password_PBKDF2"] == '"<qbittorrent-password value qbittorrent>"'
    number = next(port.number for a in prepared.planned.plan.apps if a.name == "qbittorrent" for port in a.ports if port.name == "web")
    assert preferences["WebUI\\Port"] == str(number)


def test_a_sealed_qbittorrent_names_no_tunnel(tmp_path: Path) -> None:
    assert "tun0" not in body(place(tmp_path, "local", ["qbittorrent"]), "qbittorrent-qbittorrent-conf")


@every_place
def test_sabnzbds_first_settings(base: str, tmp_path: Path) -> None:
    prepared = place(tmp_path, base, ["sabnzbd"])
    text = body(prepared, "sabnzbd-sabnzbd-ini")
    values = dict(line.split(" = ", 1) for line in text.split("[categories]")[0].splitlines() if " = " in line)
    assert (values["download_dir"], values["complete_dir"]) == (
        f"{LIBRARY}/downloads/usenet/incomplete",
        f"{LIBRARY}/downloads/usenet/complete",
    )
    assert values["api_key"] == "<sabnzbd-api-key value plain>"
    assert {"sabnzbd", "localhost", *hosts(prepared, "sabnzbd")} <= set(values["host_whitelist"].split(", "))
    assert values["inet_exposure"] == "0"


def test_zurg_has_its_token_and_calls_plex_only_where_that_is(tmp_path: Path) -> None:
    prepared = place(tmp_path, "openshift", ["zurg", "plex"])
    settings = yaml.safe_load(body(prepared, "zurg-config-yml"))
    assert settings["token"] == "<realdebrid-token value plain>"
    assert settings["on_library_update"].startswith("sh /config/update_plex.sh")
    assert environment(prepared, "zurg")["PLEX_URL"] == "http://plex:32400"


@pytest.mark.parametrize("cloud", ["torbox", "zurg", "shelf"])
def test_every_cloud_names_its_remote(cloud: str, tmp_path: Path) -> None:
    base = "local" if cloud == "shelf" else "openshift"
    prepared = place(tmp_path, base, ["webdav"] if cloud == "shelf" else ["plex", "zurg"])
    remotes = configparser.ConfigParser(interpolation=None)
    remotes.read_string(body(prepared, f"cloud-{cloud}-rclone-conf"))
    assert remotes.sections() == [cloud]
    assert remotes[cloud]["type"] == "webdav"
    if cloud == "torbox":
        assert "<torbox-login" in remotes[cloud]["pass"]


@every_place
def test_autoscan_knows_the_apps_that_call_it_and_those_that_it_calls(base: str, tmp_path: Path) -> None:
    prepared = place(tmp_path, base, ["autoscan", "sonarr", "lidarr", "plex", "jellyfin"])
    settings = yaml.safe_load(body(prepared, "autoscan-config-yml"))
    assert settings["triggers"].keys() == {"manual", "sonarr", "lidarr"}
    assert "targets" not in settings, "its start adds them"
    start = body(prepared, "autoscan-start-sh")
    assert 'target plex "http://plex:32400" autoscan-plex-token' in start
    assert 'target jellyfin "http://jellyfin:8096" autoscan-jellyfin-key' in start
    (autoscan,) = [a for a in prepared.planned.plan.apps if a.name == "autoscan"]
    assert {(after.app, after.when) for after in autoscan.after} == {("plex", "ready"), ("jellyfin", "ready")}
    assert settings["authentication"]["password"] == "<autoscan-password value plain>"
    assert settings.get("anchors", []) == (["/mnt/clouds/torbox/torrents", "/mnt/clouds/zurg/__all__"] if base == "openshift" else [])


@every_place
def test_rivens_page_has_its_back_end_and_the_key_of_today(base: str, tmp_path: Path) -> None:
    """No seed, so that a key that is changed later reaches the page too; the back end takes it over from RIVEN_API_KEY."""
    prepared = place(tmp_path, base, ["riven", "plex", "zurg"], **EXPOSED.get(base, {}))
    key = "<riven-api-key value plain>"
    settings = json.loads(body(prepared, "riven-frontend-server-json"))
    assert settings == {"backendUrl": "http://127.0.0.1:8080", "apiKey": key}
    (riven,) = [a for a in prepared.planned.plan.apps if a.name == "riven"]
    made = {container.name: container for container in riven.containers}
    assert [(mount.path, mount.seed) for mount in made["frontend"].files] == [("/riven/config/server.json", False)]
    assert dict(made["frontend"].env) == {"ORIGIN": prepared.planned.addresses.get(("riven", "web"), "")}
    assert made["main"].env["RIVEN_API_KEY"] == made["main"].env["API_KEY"] == SecretRef(name="riven-api-key")


@every_place
def test_whisparrs_first_settings(base: str, tmp_path: Path) -> None:
    prepared = place(tmp_path, base, ["whisparr"])
    text = body(prepared, "whisparr-config-xml").replace("<whisparr-api-key value plain>", "abc")
    assert recorded.key_in(text) == "abc"
    settings = {child.tag: child.text for child in ElementTree.fromstring(text)}
    assert (settings["Port"], settings["ApiKey"]) == ("6969", "abc")


@pytest.mark.parametrize("name", PROFILES)
def test_no_file_of_a_place_has_a_template_left_in_it(name: str, tmp_path: Path) -> None:
    files = prepare(name, folder=tmp_path).planned.plan.files
    for file in files:
        for part in file.body:
            if isinstance(part, SecretRef):
                continue
            assert "{{" not in part, file.id
            assert "{%" not in part, file.id
    assert files
