"""Stand-ins for images that can't be had here, made from the plan: what the catalog says of an app is all that they know of it.

They listen where it does, answer where its health is asked, run as its user, keep a database, and import what was downloaded. Nothing that
only the real program could get wrong is proven by one.
"""

import hashlib
import io
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from portable.backends.common import PlacedContainer, containers, index
from portable.engines.docker.engine import Engine
from portable.formats.emit import dump
from portable.formats.merge import merged
from portable.live.compose.building import build_recipe
from portable.live.compose.recipes import built_reference, shipped_recipe
from portable.model.base import Struct
from portable.model.plan import Exec, Http, Image, Protocol, Sealed, Tunnel
from portable.model.progress import Event, Progress, silent
from portable.planning import Planned
from portable.planning.select import MOUNTER, TOOLS

RECIPE = "standin"
REPOSITORY = "localhost/portable-test"
IMPORTERS = "managers"
"""The zone of apps that take what was downloaded into the library."""
ELSEWHERE = ("gluetun",)
"""Apps whose image somebody else makes: the lab's gateway is a program of its own."""
Targets = Mapping[str, Sequence[str]]
"""What apps call all the time, by their name."""
NOWHERE: Targets = {}
_UNFINISHED = "incomplete"
_PROGRAM = b"\x7fELF"
"""How a program for Linux begins."""


class Listens(Struct, frozen=True, kw_only=True):
    """A port; a private one on loopback only, as profiles that waive `ports.private` say."""

    number: int
    protocol: Protocol = "tcp"
    private: bool = False


class Health(Struct, frozen=True, kw_only=True):
    """A path that is asked, and the answer that counts as healthy."""

    path: str
    status: int = 200


class Tree(Struct, frozen=True, kw_only=True):
    """The library, as one app uses it: where it writes, and the folders of finished downloads in which it has one of its own name."""

    path: str
    keeps: str = ""
    imports: tuple[str, ...] = ()


class Description(Struct, frozen=True, kw_only=True):
    """What a stand-in is told, as JSON at `/standin.json`."""

    app: str
    container: str = "main"
    identity: Literal["puid-pgid", "user", "fixed"] = "user"
    ports: tuple[Listens, ...] = ()
    health: tuple[Health, ...] = ()
    state: tuple[str, ...] = ()
    """Where its lasting volumes are mounted: a database in each."""
    caches: tuple[str, ...] = ()
    library: Tree | None = None
    gateway: str | None = None
    """The app whose network namespace is its only way out."""
    outside: tuple[str, ...] = ()
    """What it calls all the time: `tcp://address:port`, `udp://address:port`, `dns://name`."""

    @property
    def name(self) -> str:
        """What its container is called."""
        return self.app if self.container == "main" else f"{self.app}-{self.container}"


# --- what is needed: pure ---------------------------------------------------------------------------------------------


def described(planned: Planned, *, without: Collection[str] = ELSEWHERE, outside: Targets = NOWHERE) -> dict[str, Description]:
    """What stands in for each image that has no recipe, by its reference.

    Raises ValueError where two containers that need different stand-ins have one image.
    """
    found: dict[str, Description] = {}
    for placed in containers(planned.plan):
        if not placed.app or placed.container.image.recipe or placed.app.name in without:
            continue
        description = _described(planned, placed, tuple(outside.get(placed.app.name, ())))
        known = found.setdefault(placed.container.image.reference, description)
        if known != description:
            raise ValueError(f"one image would stand in for {known.name} and for {description.name}: {placed.container.image.reference}")
    return found


def local_images(planned: Planned, *, without: Collection[str] = ELSEWHERE, outside: Targets = NOWHERE) -> dict[str, str]:
    """The image on this machine for each reference of the plan: a stand-in's, or one built by a recipe; `without` those apps' own."""
    standing = {reference: tag_of(description) for reference, description in described(planned, without=without, outside=outside).items()}
    built = {image.reference: built_reference(image.recipe) or "" for image in _images(planned) if image.recipe}
    return {**built, **standing}


def tag_of(description: Description) -> str:
    """The local image of a stand-in: another one for another description or program."""
    told = hashlib.sha256(f"{built_reference(RECIPE, recipes)}\0".encode() + _json(description)).hexdigest()[:12]
    return f"{REPOSITORY}/{description.name}:{told}"


def at_registry(local: str, registry: str) -> str:
    """What a local image is called at a registry: `localhost/portable-test/sonarr:1` is `registry.lab:5000/sonarr:1`."""
    return f"{registry}/{local.rpartition('/')[2]}"


def overrides(planned: Planned, taken: Mapping[str, str]) -> dict[str, Any]:
    """The `override` of a profile that takes other images for the plan's own: `taken` are theirs by the reference of each."""
    found: dict[str, Any] = {}
    for placed in containers(planned.plan):
        if image := taken.get(placed.container.image.reference):
            app, container = (placed.app.name, placed.container.name) if placed.app else (MOUNTER if placed.cloud else TOOLS, "main")
            repository, _, tag = image.rpartition(":")
            here = {"image": {"repository": repository, "tag": tag, "digest": None}, "recipe": None}
            found.setdefault(app, {"containers": {}})["containers"][container] = here
    return found


def profile(planned: Planned, taken: Mapping[str, str], name: str, more: Mapping[str, Any] | None = None) -> str:
    """The text of a profile that extends the plan's own and takes those images; `more` goes over that."""
    own = merged({"override": overrides(planned, taken)}, {"override": (more or {}).get("override", {})}, changes=("override",))
    own["waive"] = [*(more or {}).get("waive", msgspec.to_builtins(planned.given.profile.waive)), *_of_gateways(planned, taken)]
    head: dict[str, Any] = {
        "portable": 1,
        "name": name,
        "extends": planned.plan.profile,
        "about": "With stand-ins for images that can't be had",
    }
    return dump({**head, **(more or {}), **own}, first=("portable", "name", "about", "extends"))


def _of_gateways(planned: Planned, taken: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The acceptance of another image for the gateway: a list takes the place of the inherited one, so the profile's own go with it."""
    for app in planned.plan.apps:
        gateway = planned.chosen.apps[app.name].facts.gateway
        if gateway and any(container.image.reference in taken for container in app.containers):
            reason = "Nothing of this place is anybody's own: its gateway is a stand-in."
            yield {"field": "gateway.image", "class": "security", "apps": [app.name], "reason": reason}


def _images(planned: Planned) -> Iterator[Image]:
    return (placed.container.image for placed in containers(planned.plan))


def _described(planned: Planned, placed: PlacedContainer, outside: tuple[str, ...]) -> Description:
    app, container = placed.app, placed.container
    assert app
    volumes = index(planned.plan).volumes
    egress = index(planned.plan).group_of[app.name].egress
    mounted = [(volumes[mount.volume], mount) for mount in container.mounts if mount.access == "rw"]
    return Description(
        app=app.name,
        container=container.name,
        identity=container.identity.how,
        ports=tuple(
            Listens(number=port.number, protocol=port.protocol, private=port.private)
            for port in app.ports
            if port.container == container.name
        ),
        health=tuple(dict.fromkeys(_health(placed))),
        state=tuple(mount.path for volume, mount in mounted if volume.holds in ("state", "database")),
        caches=tuple(mount.path for volume, mount in mounted if volume.holds == "cache"),
        library=_tree(planned, placed),
        gateway=egress.gateway if isinstance(egress, Tunnel | Sealed) else None,
        outside=outside,
    )


def _health(placed: PlacedContainer) -> Iterator[Health]:
    """What probes ask by HTTP, those of commands too: `wget http://127.0.0.1:80/health`."""
    probes = placed.container.probes
    for check in (probes.startup, probes.ready, probes.live):
        match check.how if check else None:
            case Http(path=path, ok=ok):
                yield Health(path=urlsplit(path).path, status=ok[0])
            case Exec(command=command):
                for word in " ".join(command).replace('"', " ").split():
                    if word.startswith("http://127.0.0.1:"):
                        yield Health(path="/" + word.removeprefix("http://").partition("/")[2])


def _tree(planned: Planned, placed: PlacedContainer) -> Tree | None:
    library, app = planned.plan.library, placed.app
    mount = next((m for m in placed.container.mounts if library and m.volume == library.volume), None)
    if not library or not app or not mount:
        return None
    if mount.access == "ro":
        return Tree(path=mount.path)
    keeps = next((folder for folder in planned.chosen.apps[app.name].facts.library.folders if folder.startswith("media/")), "")
    downloads = [folder for folder in library.folders if folder.startswith("downloads/") and _UNFINISHED not in folder.split("/")]
    leaves = [folder for folder in downloads if not any(other.startswith(f"{folder}/") for other in downloads)]
    return Tree(path=mount.path, keeps=keeps, imports=tuple(leaves) if app.zone == IMPORTERS else ())


def _json(description: Description) -> bytes:
    return msgspec.json.encode(description, order="sorted")


# --- images on an engine ----------------------------------------------------------------------------------------------


def recipes(name: str) -> Path | None:
    """The recipe of the program lies with the tests, all others with the catalog."""
    return Path(__file__).parent / "standin" if name == RECIPE else shipped_recipe(name)


def bring(
    engine: Engine,
    planned: Planned,
    *,
    without: Collection[str] = ELSEWHERE,
    outside: Targets = NOWHERE,
    progress: Progress = silent,
) -> dict[str, str]:
    """Build what is missing of `local_images`, and return that; no registry is asked for any of them."""
    wanted = local_images(planned, without=without, outside=outside)
    there = engine.image_ids(set(wanted.values()))
    for recipe in sorted({image.recipe for image in _images(planned) if image.recipe and wanted[image.reference] not in there}):
        build_recipe(engine, recipe, progress=progress)
    for reference, description in described(planned, without=without, outside=outside).items():
        if wanted[reference] not in there:
            _build(engine, description, progress)
    return wanted


def _build(engine: Engine, description: Description, progress: Progress) -> None:
    base = built_reference(RECIPE, recipes)
    assert base
    if not engine.image_ids([base]):
        build_recipe(engine, RECIPE, recipes=recipes, progress=progress)
    files = {"Dockerfile": f"FROM {base}\nCOPY standin.json /\n".encode(), "standin.json": _json(description)}
    build(engine, tag_of(description), files, description.name)
    progress(Event(what="done", subject=tag_of(description), text="a stand-in is made"))


def build(engine: Engine, tag: str, files: Mapping[str, bytes], name: str) -> None:
    """Build an image from the files of its recipe; its label says what it stands in for."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755 if content.startswith(_PROGRAM) else 0o644
            tar.addfile(entry, io.BytesIO(content))
    context.seek(0)
    engine.build(context, tag, {"portable.standin": name}, {}, lambda line: None)
