"""qBittorrent and SABnzbd of the newest Debian, a second version of each beside that of the recipes, for what depends on their interfaces.

They come from the backports of the release that the images are made of: the same versions as in Debian's testing and unstable.
"""

import hashlib
import re
from pathlib import Path

from portable.engines.docker.engine import Engine
from portable.live.compose.building import build_recipe
from portable.live.compose.recipes import BASE, BASE_IMAGE, shipped_recipe
from tests.lab import standins
from tests.lab.engine import LabError
from tests.lab.local import Local

PACKAGES = {"qbittorrent": "qbittorrent-nox", "sabnzbd": "sabnzbdplus"}
_BACKPORTS = (
    "RUN sed -i -E -e 's/^(Suites: .*trixie-updates.*)$/\\1 trixie-backports/' /etc/apt/sources.list.d/*.sources "
    "&& grep -q trixie-backports /etc/apt/sources.list.d/*.sources\n"
)
TEXT = """\
portable: 1
name: lab
about: The clients of the newest Debian, sealed
extends: local
apps: [qbittorrent, sabnzbd]
clouds: []
storage:
  library: {{folder: {folder}/library}}
  state: {{folder: {folder}/config}}
exposure:
  apps:
    sabnzbd: {{web: {{loopback: {{number: {sabnzbd}}}}}}}
    webdav: null
override:
  gerbera: null
  seal: {{containers: {{main: {{probe: {{period: 2s, timeout: 30s}}}}}}}}
  qbittorrent: {{containers: {{main: {{image: QBITTORRENT, recipe: null, probe: {{period: 2s, timeout: 30s}}}}}}}}
  sabnzbd: {{containers: {{main: {{image: SABNZBD, recipe: null, probe: {{period: 2s, timeout: 30s}}}}}}}}
"""


def recipe(app: str) -> dict[str, bytes]:
    """The files of the catalog's recipe, with the package of the backports. Raises LabError if the recipe pins it in another way."""
    folder = shipped_recipe(app)
    assert folder
    files = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}
    text = files["Dockerfile"].decode()
    text, pins = re.subn(rf"'{PACKAGES[app]}=[^']*'", f"{PACKAGES[app]}/trixie-backports", text)
    text = text.replace("--no-install-recommends", "--no-install-recommends -t trixie-backports")
    text, bases = re.subn(r"(?m)^(FROM debian:.*)$", lambda found: f"{found[1]}\n{_BACKPORTS}", text)
    if (pins, bases) != (1, 1):
        raise LabError(f"the recipe of {app} pins its package in another way: {pins} pins, {bases} bases")
    return {**files, "Dockerfile": text.encode()}


def tag(app: str) -> str:
    """The image, another one for another recipe."""
    digest = hashlib.sha256(b"\0".join(part for name, body in sorted(recipe(app).items()) for part in (name.encode(), body)))
    return f"{standins.REPOSITORY}/newest-{app}:{digest.hexdigest()[:12]}"


def bring(engine: Engine) -> dict[str, str]:
    """Build what is missing; return the image of each app."""
    wanted = {app: tag(app) for app in PACKAGES}
    there = engine.image_ids({*wanted.values(), BASE_IMAGE})
    if BASE_IMAGE not in there:
        build_recipe(engine, BASE)
    for app, image in wanted.items():
        if image not in there:
            standins.build(engine, image, recipe(app), f"newest-{app}")
    return wanted


def stack(folder: Path, images: dict[str, str]) -> Local:
    """A stack of them in that folder."""
    text = TEXT
    for app, image in images.items():
        repository, _, version = image.rpartition(":")
        text = text.replace(app.upper(), f"{{{{repository: {repository}, tag: {version}, digest: null}}}}")
    return Local(folder, text=text, published=("qbittorrent", "sabnzbd"))
