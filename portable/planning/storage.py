"""Step 3: where bytes lie. The library is one volume; an app's state and databases lie where the profile says."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from portable.catalog.facts import VolumeFacts
from portable.catalog.quantities import size
from portable.model import plan as p
from portable.model.findings import Finding
from portable.model.source import Source
from portable.planning.inputs import Input, Mistakes
from portable.planning.select import Selection
from portable.profiles.types import ClaimFacts, PlaceFacts

LIBRARY_ID = "library"


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """All volumes, the library's tree, and findings about databases."""

    volumes: tuple[p.Volume, ...]
    library: p.Library
    findings: tuple[Finding, ...]

    def has(self, volume: str) -> bool:
        """Whether there is a volume of that id."""
        return any(v.id == volume for v in self.volumes)


def volume_id(app: str, volume: str) -> str:
    """The id of an app's own volume."""
    return f"{app}-{volume}"


def storage(given: Input, chosen: Selection, mistakes: Mistakes) -> Storage:
    """Resolve every volume to a place; a library that shares its root with state hides that folder from consumers."""
    facts = given.profile.storage
    root = _place(given, facts.library, ("library",), LIBRARY_ID, None, mistakes)
    own = list(_own(given, chosen, root, mistakes))
    clouds = [
        p.Volume(id=f"cloud-{name}-cache", holds="cache", place=p.Scratch(size=size(entry.facts.cache)))
        for name, entry in sorted(chosen.clouds.items())
    ]
    library_folder = facts.library.below or p.NO_FOLDER
    hides = sorted({hidden for volume in own if (hidden := _inside(root, library_folder, volume)) is not None})
    library = p.Volume(id=LIBRARY_ID, holds="library", place=root, folder=library_folder, hides=tuple(hides))
    links = tuple(p.Link(path=name, target=f"{p.CLOUDS}/{name}") for name in sorted(chosen.clouds))
    tree = p.Library(volume=LIBRARY_ID, folders=_tree(chosen), links=links)
    for volume in own:
        if isinstance(root, p.Folder) and isinstance(volume.place, p.Folder) and not hides and _path(volume) == _path(library):
            mistakes.add(
                given.profile_source("storage", "state"), "storage.state", "app state lies at the library's own root", "add `below: config`"
            )
    return Storage(volumes=(library, *own, *clouds), library=tree, findings=tuple(_databases(chosen, own)))


def _own(given: Input, chosen: Selection, root: p.Place, mistakes: Mistakes) -> Iterator[p.Volume]:
    """The volumes of apps."""
    facts = given.profile.storage
    for app, volumes in facts.apps.items():
        if app in chosen.apps:
            known = chosen.apps[app].facts.volumes
            for asked_for in volumes:
                if asked_for not in known:
                    source = given.profile_source("storage", "apps", app, asked_for)
                    mistakes.unknown(source, f"storage.apps.{app}", "volume", asked_for, tuple(known))
    for app, entry in chosen.apps.items():
        for name, volume in sorted(entry.facts.volumes.items()):
            asked = facts.apps.get(app, {}).get(name)
            kind: Literal["cache", "state"] = "cache" if volume.holds == "cache" else "state"
            at = ("apps", app, name) if asked else (kind,)
            place_facts = asked or (facts.cache if kind == "cache" else facts.state)
            place = root if place_facts.on == "library" else _place(given, place_facts, at, volume_id(app, name), volume, mistakes)
            yield p.Volume(id=volume_id(app, name), holds=volume.holds, place=place, folder=_folder(place, place_facts, app, name))


def _folder(place: p.Place, facts: PlaceFacts, app: str, volume: str) -> str:
    """Below a shared place every volume has a folder of its own: `sonarr`, and `plex-metadata` for a second one."""
    if isinstance(place, p.Scratch) or (isinstance(place, p.Claim) and facts.claim is not None and facts.claim.name is None):
        return p.NO_FOLDER
    own = app if volume == "config" else f"{app}-{volume}"
    return f"{facts.below}/{own}" if facts.below else own


def _place(given: Input, facts: PlaceFacts, at: tuple[str, ...], volume: str, asks: VolumeFacts | None, mistakes: Mistakes) -> p.Place:
    """Exactly one way, resolved; after a mistake some place, so that all others are found too."""
    ways = [w for w in (facts.folder, facts.claim, facts.scratch, facts.on) if w is not None]
    source, path = given.profile_source("storage", *at), ".".join(("storage", *at))
    if len(ways) != 1 or (facts.on and at == ("library",)):
        mistakes.add(source, path, "a place is exactly one of folder, claim, scratch and (but for the library) `on: library`")
        return p.Scratch()
    cluster = given.profile.back_end != "compose"
    if facts.folder is not None:
        if cluster:
            mistakes.add(source, path, "a cluster has no folder of a host that every node sees", "name a claim")
        return p.Folder(path=facts.folder)
    if facts.claim is not None:
        if not cluster:
            mistakes.add(source, path, "a Compose engine has no claims", "name a folder")
        return _claim(facts.claim, volume, asks, source, path, mistakes)
    if at == ("library",) or (asks is not None and asks.holds != "cache"):
        mistakes.add(
            source, path, f"{'the library' if asks is None else volume} would be lost: scratch space vanishes", "name a folder or a claim"
        )
    bound = (facts.scratch.size if facts.scratch else None) or (asks.size if asks else None)
    return p.Scratch(size=size(bound) if bound else None, in_memory=bool(asks and asks.in_memory))


def _claim(facts: ClaimFacts, volume: str, asks: VolumeFacts | None, source: Source, path: str, mistakes: Mistakes) -> p.Claim:
    wanted = facts.size or (asks.size if asks else None)
    if wanted is None:
        mistakes.add(source, path, "the size of the claim is missing", "add `size: 100Gi`")
    said = facts.share
    share = (
        p.Share(protocol=said.protocol, server=said.server, export=said.export, options=said.options, login=said.login) if said else None
    )
    return p.Claim(
        name=facts.name or volume,
        size=size(wanted or "1Gi"),
        storage_class=facts.storage_class,
        shared=facts.shared,
        existing=facts.existing,
        share=share,
    )


def _path(volume: p.Volume) -> str:
    return posixpath.join(volume.place.path if isinstance(volume.place, p.Folder) else "", volume.folder)


def _inside(root: p.Place, library_folder: str, volume: p.Volume) -> str | None:
    """The top folder of the library in which that volume lies, where it lies inside."""
    match root, volume.place:
        case p.Folder(path=library), p.Folder():
            below = posixpath.relpath(_path(volume), posixpath.join(library, library_folder))
        case p.Claim(name=name), p.Claim(name=same) if name == same:
            below = posixpath.relpath(volume.folder, library_folder or ".")
        case _:
            return None
    return None if below.startswith("..") or below == "." else below.split("/")[0]


def _tree(chosen: Selection) -> tuple[str, ...]:
    """Every folder that an app expects, with its parents, parents first."""
    folders: set[str] = {"downloads", "media"}
    for entry in chosen.apps.values():
        for folder in entry.facts.library.folders:
            parts = folder.split("/")
            folders |= {"/".join(parts[: n + 1]) for n in range(len(parts))}
    return tuple(sorted(folders))


def _databases(chosen: Selection, volumes: list[p.Volume]) -> Iterator[Finding]:
    """SQLite on SMB or NFS is corrupted sooner or later (`domain.md` 4.1): class data. A shared claim is such a file system."""
    by_id: Mapping[str, p.Volume] = {v.id: v for v in volumes}
    for app, entry in chosen.apps.items():
        for name, facts in sorted(entry.facts.volumes.items()):
            volume = by_id[volume_id(app, name)]
            if facts.holds == "database" and isinstance(volume.place, p.Claim) and volume.place.shared:
                protocol = volume.place.share.protocol.upper() if volume.place.share else "a shared file system"
                yield Finding(
                    field="storage.state",
                    path=f"volumes.{volume.id}.place",
                    class_="data",
                    app=app,
                    text=f"{app} keeps a database in {volume.id}, on {protocol}: "
                    "locks are not safe there and it is corrupted sooner or later",
                    remedy="give it a claim of its own on block storage: "
                    f"`storage.apps.{app}.{name}: {{claim: {{storage-class: ...}}}}`, or waive it with a reason",
                )
