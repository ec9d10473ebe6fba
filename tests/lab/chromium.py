"""Chromium without a screen, in a container that has no network: what it makes of a page."""

import re
import subprocess
from pathlib import Path

from portable.engines.docker.engine import Engine
from portable.live.compose.building import build_recipe
from portable.live.compose.recipes import built_reference, shipped_recipe
from portable.model.progress import Progress, silent

RECIPE = "browser"
_BROWSER = """\
exec chromium-headless-shell --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir=/tmp/profile --hide-scrollbars \\
  --enable-logging=stderr --virtual-time-budget=2000 --window-size=1600,1200 "$@"
"""
_SCRIPT = f'cat > /tmp/page.html\nset -- "$@" file:///tmp/page.html\n{_BROWSER}'
_FAULT = re.compile(r"ERROR:CONSOLE|CONSOLE.*(?:Uncaught|Failed to load|Refused to|is not defined)")


def recipes(name: str) -> Path | None:
    """The browser's recipe lies with the tests, its base with the catalog."""
    return Path(__file__).parent / "browser" if name == RECIPE else shipped_recipe(name)


def bring(engine: Engine, progress: Progress = silent) -> str:
    """The image, built from Debian's packages where it is not there."""
    reference = built_reference(RECIPE, recipes)
    if reference is not None and engine.image_ids([reference]):
        return reference
    return build_recipe(engine, RECIPE, recipes=recipes, progress=progress)


def opened(image: str, page: str, *options: str) -> tuple[bytes, str]:
    """What Chromium writes for that page (`--dump-dom`), and what it says of it. Raises CalledProcessError where it fails."""
    command = ["docker", "run", "--rm", "-i", "--network", "none", "--cap-drop", "ALL", "--entrypoint", "sh", image, "-c", _SCRIPT, "sh"]
    done = subprocess.run([*command, *options], input=page.encode(), capture_output=True, check=True, timeout=120)
    return done.stdout, done.stderr.decode(errors="replace")


def visited(image: str, url: str, network: str) -> tuple[str, list[str]]:
    """The document that Chromium makes of an address in a network of the engine, and the errors that it reports of its console."""
    command = ["docker", "run", "--rm", "--network", network, "--cap-drop", "ALL", "--entrypoint", "sh", image, "-c", _BROWSER, "sh"]
    done = subprocess.run([*command, "--dump-dom", url], capture_output=True, check=True, timeout=180)
    said = done.stderr.decode(errors="replace").splitlines()
    return done.stdout.decode(errors="replace"), [line for line in said if _FAULT.search(line)]
