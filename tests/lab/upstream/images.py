"""Images of kubo and rclone around the programs that are built from source, and a stack of each.

The image of kubo has the layout of its own Dockerfile: Debian's tini and gosu, BusyBox's shell programs, its own entry point.
"""

import hashlib
from pathlib import Path

from portable.catalog.catalog import Catalog
from portable.engines.docker.engine import Engine
from portable.live.compose.building import build_recipe
from portable.live.compose.recipes import built_reference
from tests.lab import standins
from tests.lab.local import Local
from tests.lab.own import SMALL
from tests.lab.upstream.programs import KUBO, RCLONE, scripts

_KUBO = """\
FROM debian:trixie-slim
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends busybox ca-certificates gosu tini && rm -rf /var/lib/apt/lists/* \\
    && ln -s /usr/bin/busybox /usr/local/bin/wget && useradd --uid 1000 --gid users --home-dir /data/ipfs --no-create-home ipfs \\
    && mkdir -p /data/ipfs /container-init.d && chown ipfs:users /data/ipfs /container-init.d
COPY ipfs start_ipfs container_init_run /usr/local/bin/
RUN chmod 755 /usr/local/bin/ipfs /usr/local/bin/start_ipfs /usr/local/bin/container_init_run
ENV IPFS_PATH=/data/ipfs
VOLUME /data/ipfs
ENTRYPOINT ["tini", "--", "/usr/local/bin/start_ipfs"]
CMD ["daemon", "--migrate=true", "--agent-version-suffix=docker"]
"""
_RCLONE = "FROM {base}\nCOPY rclone /usr/bin/rclone\nRUN chmod 755 /usr/bin/rclone\n"
CACHE = 100 * 1024**2
"""Bytes that the cloud of the stack may keep."""
_HEAD = """\
portable: 1
name: lab
about: A program of the catalog from source, at the pinned version
extends: local
storage:
  library: {{folder: {folder}/library}}
  state: {{folder: {folder}/config}}
"""
_OF_RCLONE = """\
apps: [gerbera, webdav]
clouds: [{cloud}]
exposure:
  apps:
    gerbera: {{web: {{}}}}
    webdav: {{web: {{loopback: {{number: {webdav}}}}}}}
override:
  gerbera: {{clouds: [{cloud}]}}
  webdav: {{containers: {{main: {{image: IMAGE, recipe: null, probe: {{period: 2s, timeout: 30s}}}}}}}}
  rclone: {{containers: {{main: {{image: IMAGE, recipe: null, probe: {{period: 2s, timeout: 30s}}}}}}}}
"""
_OF_KUBO = """\
apps: [ipfs]
clouds: []
exposure:
  apps:
    ipfs: {{web: {{loopback: {{number: {ipfs}}}}}}}
override:
  gerbera: null
  seal: {{containers: {{main: {{probe: {{period: 2s, timeout: 30s}}}}}}}}
  ipfs: {{egress: vpn, containers: {{main: {{image: IMAGE, probe: {{period: 2s, timeout: 30s}}}}}}}}
"""
"""Sealed, so that it calls nobody outside."""
_CLOUD = """\
portable: 1
name: {cloud}
title: Small shelf
about: The folder of the app webdav, with a small cache
remote: "{cloud}:"
known-entry: welcome.txt
needs-apps: [webdav]
after: [{{app: webdav, when: ready}}]
cache: "{cache}"
"""
_REMOTE = "[CLOUD]\ntype = webdav\nurl = {{ url('webdav') }}\nvendor = other\n"


def tags() -> dict[str, str]:
    """The image of each program, another one for another program or layout."""
    text = {"kubo": (KUBO.key(), _KUBO), "rclone": (RCLONE.key(), _RCLONE + str(built_reference("rclone")))}
    return {
        name: f"{standins.REPOSITORY}/{name}:{hashlib.sha256(''.join(parts).encode()).hexdigest()[:12]}" for name, parts in text.items()
    }


def bring_kubo(engine: Engine) -> str:
    """Return the image of kubo; build it, and the program, if it is missing. Raises LabError where the program cannot be built."""
    image = tags()["kubo"]
    if not engine.image_ids([image]):
        files = {"Dockerfile": _KUBO.encode(), "ipfs": (KUBO.bring() / "ipfs").read_bytes(), **scripts()}
        standins.build(engine, image, files, "kubo")
    return image


def bring_rclone(engine: Engine) -> str:
    """Return the image of rclone; build it, and the program, if it is missing. Raises LabError where the program cannot be built."""
    image, base = tags()["rclone"], built_reference("rclone")
    assert base
    if not engine.image_ids([image]):
        if not engine.image_ids([base]):
            build_recipe(engine, "rclone")
        files = {"Dockerfile": _RCLONE.format(base=base).encode(), "rclone": (RCLONE.bring() / "rclone").read_bytes()}
        standins.build(engine, image, files, "rclone")
    return image


def kubo(folder: Path, image: str) -> Local:
    """A stack of kubo in that folder."""
    return Local(folder, text=_text(_OF_KUBO, image), published=("ipfs",))


def rclone(folder: Path, image: str) -> Local:
    """A stack in that folder, with an app of rclone, the cloud that it serves, and a catalog of its own for that."""
    made = Local(folder, text=_text(_OF_RCLONE, image).replace("{cloud}", SMALL), published=("webdav",))
    cloud = folder / "catalog" / "clouds" / SMALL
    cloud.mkdir(parents=True)
    (cloud / "cloud.yaml").write_text(_CLOUD.format(cloud=SMALL, cache=CACHE))
    (cloud / "rclone.conf.j2").write_text(_REMOTE.replace("CLOUD", SMALL))
    made.catalog = folder / "catalog"
    return made


def _text(text: str, image: str) -> str:
    repository, _, tag = image.rpartition(":")
    return _HEAD + text.replace("IMAGE", f"{{{{repository: {repository}, tag: {tag}, digest: null}}}}")


def pinned(app: str) -> str:
    """The version of the main container of an app in the shipped catalog."""
    return Catalog().app(app)[0].containers["main"].image.tag
