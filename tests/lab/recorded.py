"""Recorded interfaces: what programs that can't be had here answer, after the sources that portable/wiring names. Stand-ins, no programs.

A file of its own without imports of the project, so that a container with nothing but Python runs it, too:
`python3 recorded.py PROGRAM PORT KEY`. It then tries a download client before it takes it, as the real one does. Whisparr 2 takes its key
from nowhere but its config.xml, so its KEY is the path of that file.
"""

import copy
import json
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MASK = "********"
FAMILY = {"sonarr": "tv", "whisparr": "tv", "radarr": "movie", "lidarr": "music", "readarr": "music"}
EXACT_NAMES = ("readarr",)
"""Where names of entries that differ in case only are two names."""
Reply = tuple[int, Any]
Try = Callable[[dict[str, Any]], str]


def field(name: str, value: Any = None, privacy: str = "normal") -> dict[str, Any]:
    """A field of an entry, as SchemaBuilder.cs writes it; without a value where it has none."""
    return {"order": 0, "name": name, "label": name, "type": "textbox", "privacy": privacy, **({} if value is None else {"value": value})}


def schemas(media: str) -> list[dict[str, Any]]:
    """Download clients of a manager: QBittorrentSettings.cs, SabnzbdSettings.cs and one that nobody here has."""
    common = [field("host", "localhost"), field("port", 8080), field("useSsl", False), field("urlBase")]
    login = [field("username", privacy="userName"), field("password", privacy="password")]
    sorts = [field(f"{media}Category", media), field(f"recent{media.capitalize()}Priority", 0)]
    kinds = {
        "QBittorrent": [*common, *login, field(f"{media}ImportedCategory"), *sorts, field("initialState", 0)],
        "Sabnzbd": [*common, field("apiKey", privacy="apiKey"), *login, *sorts],
        "Transmission": [*common, *login, *sorts],
    }
    return [
        {"enable": False, "implementation": kind, "configContract": f"{kind}Settings", "priority": 1, "fields": fields, "presets": []}
        for kind, fields in kinds.items()
    ]


def applications() -> list[dict[str, Any]]:
    """What Prowlarr can tell: SonarrSettings.cs and its like."""
    return [
        {
            "syncLevel": "addOnly",
            "implementation": kind,
            "configContract": f"{kind}Settings",
            "fields": [
                field("prowlarrUrl", "http://localhost:9696"),
                field("baseUrl", "http://localhost:8989"),
                field("apiKey", privacy="apiKey"),
                field("syncCategories", [5000, 5010]),
            ],
            "presets": [],
        }
        for kind in ("Lidarr", "Radarr", "Readarr", "Sonarr", "Whisparr")
    ]


class Program:
    """One recorded interface; `told` are the requests that changed something."""

    def __init__(self, program: str, key: str, *, tries: Try = lambda _: "", folders: tuple[str, ...] = ()) -> None:
        self.program, self.key, self.tries, self.folders = program, key, tries, folders
        self.told: list[tuple[str, str]] = []
        self.broken: Reply | None = None
        """What it answers to everything instead."""
        self.initialized = True
        self.roots: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        self.servers: dict[str, list[dict[str, Any]]] = {"sonarr": [], "radarr": []}
        self.categories: dict[str, dict[str, Any]] = {}
        self.hosts = ""
        """The names that its host check lets in, as a download client writes them."""
        self.checks_hosts = True
        self.shut_out = False

    def answer(self, method: str, url: str, headers: dict[str, str], body: str) -> Reply:
        """Status, and a text or what becomes JSON."""
        if self.broken is not None:
            return self.broken
        path, _, query = url.partition("?")
        if method != "GET" and not path.endswith(("/auth/login", "/api")):
            self.told.append((method, path))
        if self.program == "qbittorrent":
            return self._qbittorrent(path, headers, dict(urllib.parse.parse_qsl(body)))
        if self.program == "sabnzbd":
            return self._sabnzbd(dict(urllib.parse.parse_qsl(body)))
        if self.program == "seerr":
            return self._seerr(method, path, headers, body)
        if headers.get("x-api-key") != self.key:
            return 401, ""
        return self._servarr(method, path, query, json.loads(body or "null"))

    # --- the Servarr family ------------------------------------------------------------------------------------------

    def _servarr(self, method: str, path: str, query: str, body: Any) -> Reply:
        api = "/api/v1" if self.program in ("lidarr", "prowlarr", "readarr") else "/api/v3"
        if not path.startswith(f"{api}/"):
            return 404, {"message": "NotFound"}
        path = path.removeprefix(api)
        if path in ("/qualityprofile", "/metadataprofile"):
            return 200, [{"id": 4, "name": "HD"}, {"id": 1, "name": "Any"}]
        if path == "/rootfolder":
            return self._root_folder(method, body)
        kind = "/applications" if self.program == "prowlarr" else "/downloadclient"
        templates = applications() if self.program == "prowlarr" else schemas(FAMILY[self.program])
        if path == f"{kind}/schema":
            return 200, templates
        if path == kind and method == "GET":
            return 200, [shown(entry) for entry in self.entries]
        if method == "POST" and path == kind:
            entry = {**body, "id": max((e["id"] for e in self.entries), default=0) + 1}
        elif method == "PUT" and (found := re.fullmatch(rf"{kind}/(\d+)", path)):
            entry = kept(body, next(e for e in self.entries if e["id"] == int(found[1])))
        else:
            return 405, ""
        forced = "forceSave=true" in query
        if wrong := self._named_twice(entry) or ("" if forced and method == "PUT" else self._tried(entry, forced)):
            return 400, [{"propertyName": "", "errorMessage": wrong, "severity": "error"}]
        self.entries = sorted([e for e in self.entries if e["id"] != entry["id"]] + [entry], key=lambda e: str(e["name"]))
        return (201 if method == "POST" else 202), shown(entry)

    def _named_twice(self, entry: dict[str, Any]) -> str:
        others = [str(e["name"]) for e in self.entries if e["id"] != entry["id"]]
        if self.program not in EXACT_NAMES:
            others = [name.lower() for name in others]
        return "Should be unique" if (entry["name"] if self.program in EXACT_NAMES else entry["name"].lower()) in others else ""

    def _tried(self, entry: dict[str, Any], forced: bool) -> str:
        """What is wrong with an entry that is saved: errors, and without `forceSave` warnings too."""
        return self.tries(entry) or ("" if forced else "a warning")

    def _root_folder(self, method: str, body: Any) -> Reply:
        if method == "GET":
            return 200, self.roots
        if self.folders and body["path"] not in self.folders:
            return 400, [{"propertyName": "Path", "errorMessage": f"Folder '{body['path']}' is not writable by user 'abc'"}]
        needed = ("name", "defaultQualityProfileId", "defaultMetadataProfileId") if self.program in ("lidarr", "readarr") else ()
        if wanting := [name for name in needed if not body.get(name)]:
            return 400, [{"propertyName": name, "errorMessage": f"'{name}' must not be empty."} for name in wanting]
        self.roots.append({**body, "id": len(self.roots) + 1, "accessible": True})
        return 201, self.roots[-1]

    # --- the others --------------------------------------------------------------------------------------------------

    def _seerr(self, method: str, path: str, headers: dict[str, str], body: str) -> Reply:
        if path == "/api/v1/settings/public":
            return 200, {"initialized": self.initialized}
        if headers.get("x-api-key") != self.key or not self.initialized:
            return 403, {"status": 403, "error": "You do not have permission to access this endpoint"}
        found = re.fullmatch(r"/api/v1/settings/(sonarr|radarr)(?:/(\d+))?", path)
        if found is None:
            return 404, {"message": "not found"}
        servers = self.servers[found[1]]
        if method == "GET":
            return 200, servers
        given = json.loads(body)
        if "id" in given:
            return 400, {"message": "request.body.id is read-only"}
        if method == "POST":
            needed = ("name", "hostname", "port", "apiKey", "useSsl", "activeProfileId", "activeProfileName", "activeDirectory", "is4k")
            if wanting := [name for name in (*needed, "isDefault") if name not in given]:
                return 400, {"message": f"request.body should have required property '{wanting[0]}'"}
            servers.append({**given, "id": len(servers)})
            return 201, servers[-1]
        servers[int(found[2])] = {**given, "id": int(found[2])}
        return 200, servers[int(found[2])]

    def _qbittorrent(self, path: str, headers: dict[str, str], form: dict[str, str]) -> Reply:
        if path == "/api/v2/auth/login":
            if self.shut_out:
                return 403, "Your IP address has been banned after too many failed authentication attempts."
            return 200, "Ok." if form == {"username": "admin", "password": self.key} else "Fails."
        if headers.get("cookie") != "SID=recorded":
            return 403, "Forbidden"
        if path == "/api/v2/app/preferences":
            return 200, {"web_ui_host_header_validation_enabled": self.checks_hosts, "web_ui_domain_list": self.hosts}
        if path == "/api/v2/app/setPreferences":
            self.told.append(("POST", path))
            self.hosts = json.loads(form["json"])["web_ui_domain_list"]
            return 200, ""
        if path == "/api/v2/torrents/categories":
            return 200, self.categories
        name = form["category"]
        if path.endswith("createCategory") and name in self.categories:
            return 409, "Unable to create category"
        self.categories[name] = {"name": name, "savePath": form["savePath"]}
        return 200, ""

    def _sabnzbd(self, form: dict[str, str]) -> Reply:
        if form.get("apikey") != self.key:
            return 403, "API Key Incorrect"
        if form["section"] == "misc":
            if form["mode"] == "set_config":
                self.told.append(("POST", form["keyword"]))
                self.hosts = form["value"]
            return 200, {"config": {"misc": {form["keyword"]: [name for name in self.hosts.split(",") if name]}}}
        if form["mode"] == "set_config":
            self.told.append(("POST", form["keyword"]))
            seen = self.categories.setdefault(form["keyword"].lower(), {"name": form["keyword"].lower(), "pp": "", "priority": -100})
            seen["dir"] = form["dir"]
        return 200, {"config": {"categories": list(self.categories.values())}}


def key_in(config: str) -> str:
    """The key in the text of a config.xml; empty where it has none."""
    found = re.search(r"<ApiKey>(.*?)</ApiKey>", config)
    return found[1].strip() if found else ""


def shown(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with stars for its secrets."""
    entry = copy.deepcopy(entry)
    for one in entry["fields"]:
        if one.get("privacy") in ("apiKey", "password") and one.get("value"):
            one["value"] = MASK
    return entry


def kept(given: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    """An entry where stars stand for what is held already."""
    values = {one["name"]: one.get("value") for one in held["fields"]}
    for one in given["fields"]:
        if one.get("value") == MASK:
            one["value"] = values.get(one["name"])
    return {**given, "id": held["id"]}


def client_tried(entry: dict[str, Any]) -> str:
    """What is wrong with a download client, tried as QBittorrentProxyV2.cs and SabnzbdProxy.cs do it; empty where nothing is."""
    value = {one["name"]: one.get("value") for one in entry["fields"]}
    base = f"http://{value['host']}:{value['port']}"
    if entry["implementation"] == "QBittorrent":
        url, form = f"{base}/api/v2/auth/login", {"username": value["username"], "password": value["password"]}
    else:
        url, form = f"{base}/api", {"mode": "get_config", "output": "json", "apikey": value["apiKey"]}
    try:
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=10) as answer:
            text = answer.read().decode()
    except (OSError, urllib.error.HTTPError) as error:
        return f"Unable to connect: {error}"
    return "" if text in ("Ok.", "") or '"config"' in text else f"Authentication failed: {text[:100]}"


def server(program: Program, address: str = "127.0.0.1", port: int = 0) -> ThreadingHTTPServer:
    """It, listening; nobody is served before serve_forever()."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            status, reply = program.answer(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            data = (reply if isinstance(reply, str) else json.dumps(reply)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if self.path.endswith("/auth/login"):
                self.send_header("Set-Cookie", "SID=recorded; HttpOnly; path=/")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - their names are http.server's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is http.server's
            """Nothing is told."""

    return ThreadingHTTPServer((address, port), Handler)


if __name__ == "__main__":
    key = key_in(pathlib.Path(sys.argv[3]).read_text()) if sys.argv[1] == "whisparr" else sys.argv[3]
    server(Program(sys.argv[1], key, tries=client_tried), "0.0.0.0", int(sys.argv[2])).serve_forever()
