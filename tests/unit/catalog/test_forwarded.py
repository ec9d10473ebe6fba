"""The script that tells qBittorrent its forwarded port, run with the shells and the wget that an image may have, against a server."""

import json
import os
import shutil
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from portable.model import plan as p
from portable.model.secret_refs import SecretRef
from tests.unit.planning import Place, app

PASSWORD = "p'a\"ss & w=%rd$(x)ü"
APPLETS = ("sh", "wget", "od", "tr", "sed", "mktemp", "rm", "cat", "head", "sleep", "timeout")


class Client(BaseHTTPRequestHandler):
    """qBittorrent 5.1, as far as the script calls it: a wrong login is answered with 200, and what needs one with 403."""

    server: "Server"

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        self.server.calls.append(self.path)
        cookie = self.headers.get("Cookie", "")
        if self.path == "/api/v2/auth/login":
            given = dict(urllib.parse.parse_qsl(form, keep_blank_values=True))
            right = given == {"username": "admin", "password": PASSWORD}
            self.answer(200, "Ok." if right else "Fails.", "SID=abc; HttpOnly; SameSite=Strict; path=/" if right else "")
        elif cookie != "SID=abc":
            self.answer(403, "Forbidden")
        elif self.path == "/api/v2/app/setPreferences":
            self.server.preferences.append(json.loads(dict(urllib.parse.parse_qsl(form))["json"]))
            self.answer(200)
        else:
            self.answer(200)

    def answer(self, status: int, text: str = "", cookie: str = "") -> None:
        self.send_response(status)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """What it was asked, and what it was told."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.calls: list[str] = []
        self.preferences: list[dict[str, object]] = []
        super().__init__(("127.0.0.1", port), Client)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def __exit__(self, *_args: object) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(params=["busybox", "system"])
def tools(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A PATH with BusyBox's programs alone, as the image of Gluetun has them, or with those of this system."""
    if request.param == "system":
        return os.environ["PATH"]
    busybox = shutil.which("busybox")
    assert busybox is not None, "there is no busybox here: `scripts/lab.sh` brings it"
    folder = tmp_path / "bin"
    folder.mkdir()
    for applet in APPLETS:
        (folder / applet).symlink_to(busybox)
    return str(folder)


def forwarded(folder: Path) -> p.Container:
    """The gateway as the catalog completes it for a forwarded port, with its files in that folder."""
    planned = Place(folder).plan("qbittorrent", vpn={"provider": "protonvpn", "port-forwarding": True})
    (gateway,) = [a for a in planned.plan.apps if a.name == "gluetun"]
    for file in planned.plan.files:
        if file.id.startswith("gluetun-forwarded"):
            text = "".join(part if isinstance(part, str) else PASSWORD for part in file.body)
            (folder / file.id).write_text(text)
            assert file.is_secret == (file.id == "gluetun-forwarded-password")
    return gateway.containers[0]


def script(folder: Path, port: int) -> Path:
    """The script with this test's paths and port."""
    forwarded(folder)
    file = folder / "gluetun-forwarded-sh"
    text = file.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("/tmp/", f"{folder}/").replace("pause=5", "pause=0.2")
    text = text.replace("/portable/forwarded-password", str(folder / "gluetun-forwarded-password"))
    file.write_text(text.replace("log=/proc/1/fd/1", f"log={folder}/log"))
    return file


def run(file: Path, tools: str, *given: str) -> subprocess.CompletedProcess[str]:
    shell = shutil.which("sh", path=tools)
    assert shell is not None
    return subprocess.run([shell, str(file), *given], env={"PATH": tools}, capture_output=True, text=True, timeout=20, check=False)


def left(folder: Path) -> list[str]:
    """Forms that were not taken away."""
    return [file.name for file in folder.glob("forwarded.*")]


def soon(folder: Path, server: Server, ports: list[int]) -> None:
    until = time.monotonic() + 10
    while [told["listen_port"] for told in server.preferences] != ports or (folder / "portable-forwarded.pid").exists():
        assert time.monotonic() < until, (server.preferences, server.calls)
        time.sleep(0.05)


def test_it_listens_at_the_forwarded_port(server: Server, tools: str, tmp_path: Path) -> None:
    done = run(script(tmp_path, server.server_port), tools, "34567")
    assert (done.returncode, done.stdout, done.stderr) == (0, "forwarded: qbittorrent listens at port 34567\n", "")
    assert server.preferences == [{"listen_port": 34567, "random_port": False, "upnp": False}]
    assert server.calls == ["/api/v2/auth/login", "/api/v2/app/setPreferences", "/api/v2/auth/logout"]
    assert left(tmp_path) == []


def test_without_a_port_it_listens_at_its_own_again(server: Server, tools: str, tmp_path: Path) -> None:
    assert run(script(tmp_path, server.server_port), tools).returncode == 0
    assert [told["listen_port"] for told in server.preferences] == [6881]


def test_a_wrong_password_is_tried_once(server: Server, tools: str, tmp_path: Path) -> None:
    """A client of this kind shuts an address out after five, and all apps of the namespace have the same one."""
    file = script(tmp_path, server.server_port)
    (tmp_path / "gluetun-forwarded-password").write_text("another")
    done = run(file, tools, "34567")
    assert (done.returncode, server.preferences) == (1, [])
    assert "the secret qbittorrent-password is not its password" in done.stderr
    time.sleep(0.6)
    assert server.calls.count("/api/v2/auth/login") == 1
    assert left(tmp_path) == []


def test_one_that_is_not_up_yet_is_told_the_newest_port_when_it_is(tools: str, tmp_path: Path) -> None:
    with Server() as closed:
        port = closed.server_port
    file = script(tmp_path, port)
    began = time.monotonic()
    for wanted in ("34567", "45678"):
        done = run(file, tools, wanted)
        assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 5, "Gluetun does not renew its port while it waits"
    with Server(port) as server:
        soon(tmp_path, server, [45678])
    assert left(tmp_path) == []


@pytest.mark.parametrize("given", ["x", "1;reboot", "-1", " "])
def test_what_is_no_port_is_refused(given: str, server: Server, tools: str, tmp_path: Path) -> None:
    done = run(script(tmp_path, server.server_port), tools, given)
    assert (done.returncode, server.calls) == (1, [])
    assert "is not a port" in done.stderr


def test_no_argument_and_no_variable_has_the_password(tmp_path: Path) -> None:
    """A program in the place of wget sees what `ps` and `inspect` would."""
    container = forwarded(tmp_path)
    assert not any(isinstance(value, SecretRef) for value in container.env.values())
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "wget").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{tmp_path}/seen\nenv >>{tmp_path}/seen\necho "HTTP/1.1 200 OK"\n')
    (spy / "wget").chmod(0o755)
    run(script(tmp_path, 1), f"{spy}:{os.environ['PATH']}", "34567")
    seen = (tmp_path / "seen").read_text()
    assert "--post-file=" in seen
    shapes = (PASSWORD, urllib.parse.quote(PASSWORD), "".join(f"%{byte:02x}" for byte in PASSWORD.encode()))
    assert not [shape for shape in shapes if shape in seen]


# --- what of it is rendered


def test_gluetun_fills_in_the_port(tmp_path: Path) -> None:
    """It splits the line at blanks, and puts the first port in the place of `{{PORT}}` (internal/portforward/service/command.go)."""
    container = forwarded(tmp_path)
    assert container.env["VPN_PORT_FORWARDING_UP_COMMAND"] == "/bin/sh /portable/forwarded.sh {{PORT}}"
    assert container.env["VPN_PORT_FORWARDING_DOWN_COMMAND"] == "/bin/sh /portable/forwarded.sh"
    mounts = {mount.path: mount.file for mount in container.files}
    assert mounts["/portable/forwarded.sh"] == "gluetun-forwarded-sh"
    assert mounts["/portable/forwarded-password"] == "gluetun-forwarded-password"
    assert "/portable/guard.sh" in mounts


@pytest.mark.parametrize("vpn", [{"provider": "protonvpn"}, {"provider": "protonvpn", "port-forwarding": True}])
def test_without_anybody_to_tell_nothing_is_rendered(vpn: dict[str, object], tmp_path: Path) -> None:
    place = Place(tmp_path).write(app("one", egress="vpn"))
    planned = place.plan("one", vpn=vpn)
    assert not [file.id for file in planned.plan.files if "forwarded" in file.id]
    assert bool([f for f in planned.findings if f.field == "egress.port-forwarding"]) == ("port-forwarding" in vpn)


def test_an_app_that_is_let_out_is_not_told(tmp_path: Path) -> None:
    place = Place(tmp_path).write(app("one", egress="vpn"))
    planned = place.plan("one", "qbittorrent", vpn={"provider": "protonvpn", "port-forwarding": True}, egress={"direct": ["qbittorrent"]})
    assert not [file.id for file in planned.plan.files if "forwarded" in file.id]
