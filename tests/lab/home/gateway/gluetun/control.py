"""The control server: who may call which route stands in a file; without one, some routes are open to everybody."""

import hmac
import json
import threading
import tomllib
from base64 import b64decode
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .log import Failure, Logger

ROUTES = {
    "/openvpn/actions/restart": ("GET",),
    "/openvpn/portforwarded": ("GET",),
    "/openvpn/settings": ("GET",),
    "/unbound/actions/restart": ("GET",),
    "/updater/restart": ("GET",),
    "/v1/version": ("GET",),
    "/v1/vpn/status": ("GET", "PUT"),
    "/v1/vpn/settings": ("GET", "PUT"),
    "/v1/openvpn/status": ("GET", "PUT"),
    "/v1/openvpn/portforwarded": ("GET",),
    "/v1/openvpn/settings": ("GET",),
    "/v1/dns/status": ("GET", "PUT"),
    "/v1/updater/status": ("GET", "PUT"),
    "/v1/publicip/ip": ("GET",),
    "/v1/portforward": ("GET", "PUT"),
}
_PRIVATE = {"GET /openvpn/settings", "GET /v1/vpn/settings", "PUT /v1/vpn/settings", "GET /v1/openvpn/settings", "PUT /v1/portforward"}
_OPEN = [route for path, methods in ROUTES.items() for method in methods if (route := f"{method} {path}") not in _PRIVATE]
Role = Mapping[str, Any]
Answers = Mapping[str, Callable[[bytes], Any]]
"""What the routes say, by `METHOD path`; a route that is missing is not supported."""
_log = Logger("http server")


def roles_of(path: Path) -> list[Role]:
    """The roles of a file; the default one where there is no file, or no role in it. Raises Failure for a role that can't be."""
    roles: list[Role] = []
    if path.exists():
        try:
            roles = tomllib.loads(path.read_text()).get("roles", [])
        except tomllib.TOMLDecodeError as error:
            raise Failure(f"setting up control server: reading auth settings: toml decoding file: {error}") from None
        _log.info(f"read {len(roles)} roles from authentication file")
    for role in roles:
        name = role.get("name", "")
        if role.get("auth") not in ("none", "apikey", "basic"):
            raise Failure(f"setting up control server: role {name}: authentication method not supported: {role.get('auth')}")
        if role["auth"] == "apikey" and not role.get("apikey"):
            raise Failure(f"setting up control server: role {name}: api key is empty")
        for route in role.get("routes", []):
            method, _, where = route.partition(" ")
            if method not in ROUTES.get(where, ()):
                raise Failure(f"setting up control server: role {name}: route path not supported by the control server: {where}")
    return roles or [{"name": "public", "auth": "none", "routes": _OPEN}]


def status_of(roles: list[Role], method: str, target: str, headers: Mapping[str, str]) -> HTTPStatus:
    """Whether that may be called: 200, 401, 404 or 405."""
    path = urlsplit(target).path
    if path not in ROUTES:
        return HTTPStatus.NOT_FOUND
    if method not in ROUTES[path]:
        return HTTPStatus.METHOD_NOT_ALLOWED
    may = any(f"{method} {path}" in role.get("routes", []) and _is_authorized(role, target, headers) for role in roles)
    return HTTPStatus.OK if may else HTTPStatus.UNAUTHORIZED


def _is_authorized(role: Role, target: str, headers: Mapping[str, str]) -> bool:
    if role["auth"] == "none":
        return True
    if role["auth"] == "apikey":
        key = headers.get("X-API-Key") or parse_qs(urlsplit(target).query).get("api_key", [""])[0]
        return hmac.compare_digest(key.encode(), role["apikey"].encode())
    kind, _, word = headers.get("Authorization", "").partition(" ")
    try:
        given = b64decode(word) if kind == "Basic" else b""
    except ValueError:
        return False
    return hmac.compare_digest(given, f"{role.get('username')}:{role.get('password')}".encode())


def serve(address: str, roles: list[Role], answers: Answers) -> None:
    """Answer there, in a thread."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """A route that is read."""
            self._answer()

        def do_PUT(self) -> None:
            """A route that changes something."""
            self._answer()

        def _answer(self) -> None:
            given = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status = status_of(roles, self.command, self.path, dict(self.headers.items()))
            body = f"{status.phrase}\n".encode()
            if status == HTTPStatus.OK:
                answer = answers.get(f"{self.command} {urlsplit(self.path).path}")
                try:
                    body = f"{json.dumps(answer(given))}\n".encode() if answer else b"route not supported\n"
                    status = status if answer else HTTPStatus.BAD_REQUEST
                except (ValueError, TypeError) as error:
                    body, status = f"{error}\n".encode(), HTTPStatus.BAD_REQUEST
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """What the real one tells of each request is of no use here."""

    host, _, port = address.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Answer)
    _log.info(f"http server listening on {host or '[::]'}:{port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
