"""The secrets of the real apps are looked for while and after commands run: they are in the apps that use them, and nowhere else.

The random values that `portable` makes are canaries of themselves; one more is set by hand, with characters that programs like to escape.
"""

import json
import subprocess
import sys
import threading
import traceback
import urllib.parse
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.local import ROOT, Local

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(1500)]
Record = Callable[[str, object], None]
CANARY = "canary-4b1d$x \"q\" 's' %s \\n"
"""Set as the password of qBittorrent, whose file holds a digest of it only."""
KEY = "ca4a17" + "0ddba11" * 3 + "abcde"
"""Set as the API key of SABnzbd: 32 hexadecimal digits."""


def shapes(value: str) -> set[str]:
    """The forms in which programs repeat a value."""
    return {
        value,
        value.replace("$", "$$"),
        json.dumps(value)[1:-1],
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
        b64encode(value.encode()).decode().rstrip("="),
        value.encode().hex(),
    }


@contextmanager
def watching() -> Iterator[set[str]]:
    """Every argument list of this machine, sampled fifty times a second."""
    lines: set[str] = set()
    stop = threading.Event()

    def sample() -> None:
        while not stop.is_set():
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        lines.add((entry / "cmdline").read_bytes().decode(errors="replace"))
                    except OSError:
                        continue
            stop.wait(0.02)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        stop.set()
        thread.join()


BROKEN = r"""
import sys
from portable.live.compose import up
def broken(engine, stack, effective, variables):
    raise RuntimeError(f"an error of the program itself, with {len(variables)} secrets at hand: {engine!r} {stack!r}")
up.look = broken
from portable.cli import main
main()
"""


def test_canary_is_found_nowhere(local: Local, record_property: Record) -> None:
    local.portable("up")
    old = [local.secret("qbittorrent-password"), local.secret("sabnzbd-api-key")]
    local.portable("secrets", "set", "qbittorrent-password", given=f"{CANARY}\n")
    local.portable("secrets", "set", "sabnzbd-api-key", given=f"{KEY}\n")
    assert local.secret("qbittorrent-password") == CANARY
    needles = set().union(*map(shapes, (*old, CANARY, KEY)))
    looked: dict[str, str] = {}

    # A first start with the canaries: their files are written into fresh folders of the apps.
    local.portable("down")
    for path in (
        local.folder / "config" / "sabnzbd" / "sabnzbd.ini",
        local.folder / "config" / "qbittorrent" / "qBittorrent" / "qBittorrent.conf",
    ):
        path.unlink()
    with watching() as arguments:
        debug = local.portable("--debug", "up").err
        for line in ("status", "diff --format json", "secrets list", "secrets check --format json", "explain --all", "images list", "logs"):
            local.portable(*line.split())
        local.portable("render", "-o", str(local.folder / "rendered"))
        local.portable("up", "--dry-run")
    assert any("compose" in line and "\0up\0" in line for line in arguments), "Compose was never seen at work: this test looked at nothing"
    looked["argument lists"] = "\n".join(arguments)
    assert "portable.engine: running" in debug
    looked["debug output"] = debug

    # It reached the apps: SABnzbd takes it as its key.
    asked = f"http://sabnzbd:8080/api?mode=queue&output=json&apikey={KEY}"
    assert local.inside("sabnzbd", "curl", "-s", asked).startswith("{")

    for seen in local.inspected().values():
        service = seen["Config"]["Labels"]["com.docker.compose.service"]
        looked[f"docker inspect {service}"] = json.dumps(seen, ensure_ascii=False)
        logs = subprocess.run(["docker", "logs", seen["Id"]], capture_output=True, text=True, errors="replace", check=True)
        looked[f"docker logs {service}"] = logs.stdout + logs.stderr
    for ran in local.ran:
        looked[f"output of {' '.join(ran.arguments)} {id(ran)}"] = ran.out + ran.err
    files = [
        p for top in (local.folder / "rendered", local.state, local.folder / "profiles", local.folder / "portable.yaml") for p in walk(top)
    ]
    assert any(p.name == "compose.yaml" and "rendered" in p.parts for p in files)
    assert any(p.name == "compose.yaml" and "xdg-state" in p.parts for p in files)
    for path in files:
        looked[str(path)] = path.read_text(errors="replace")
        if local.state in path.parents:
            assert path.stat().st_mode & 0o077 == 0, path

    # A foreign error and one of the program itself.
    refused = local.portable("up", "--set", "exposure.apps.gerbera.web.loopback.number=1", code=None)
    looked["output of an up with a port of the system"] = refused.out + refused.err
    broken = subprocess.run(
        [sys.executable, "-c", BROKEN, *local.command("up")[3:]],
        cwd=local.folder,
        env=local.environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "RuntimeError" in broken.stderr, broken.stderr
    looked["traceback"] = broken.stdout + broken.stderr
    local.portable("up")

    found = [f"{place}: a form of a secret" for place, text in looked.items() if any(needle in text for needle in needles)]
    assert found == []
    size = sum(map(len, looked.values()))
    record_property("canary", f"0 in {len(looked)} places, {size // 1024} KiB, {len(needles)} forms")


def walk(top: Path) -> list[Path]:
    """The files below a folder, or the file itself."""
    return [top] if top.is_file() else [path for path in sorted(top.rglob("*")) if path.is_file()]


def test_canary_is_not_in_a_traceback_with_its_locals(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """As debuggers and error reporters print it: every variable of every frame."""
    from portable.secrets.lookup import resolve
    from portable.secrets.needs import Need
    from portable.secrets.sources import FileSource

    need = Need(name="sabnzbd-api-key", key="value", optional=False, apps=("sabnzbd",))
    resolved = resolve([need], FileSource(path=str(local.secrets_file)))
    value = resolved.of("sabnzbd-api-key")
    try:
        raise RuntimeError(f"{resolved!r} {resolved}")
    except RuntimeError as error:
        del value
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert local.secret("sabnzbd-api-key") not in shown
    assert "Resolved(1 secrets)" in shown
