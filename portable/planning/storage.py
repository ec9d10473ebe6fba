"""Step 3: storage. The library is one volume; the profile decides where an app's state and databases are."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from portable.catalog.facts import AppFacts, VolumeFacts
from portable.catalog.quantities import amount, size
from portable.model import plan as p
from portable.model.findings import Finding
from portable.model.source import Source
from portable.planning.cloud_mounts import cache_size, mounts_of
from portable.planning.inputs import Mistakes, PlanInput
from portable.planning.network import PlannedNetwork
from portable.planning.select import Selection
from portable.planning.shares import case_twins, folds_case, options_of, shares
from portable.profiles.types import ClaimFacts, PlaceFacts

LIBRARY_ID = "library"
CACHE_ROOM = 2**30
"""What the volume of a cloud's cache has beyond the cache: rclone limits it only every few seconds (docs/facts/fuse.md#cache-limits)."""


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """All volumes, the library's tree, and findings about databases."""

    volumes: tuple[p.Volume, ...]
    library: p.Library
    findings: tuple[Finding, ...]


def volume_id(app: str, volume: str) -> str:
    """The id of an app's own volume."""
    return f"{app}-{volume}"


def storage(given: PlanInput, chosen: Selection, net: PlannedNetwork, mistakes: Mistakes) -> Storage:
    """Resolve every volume to a place; a library that shares its root with state hides that folder from consumers."""
    facts = given.profile.storage
    root = _place(given, facts.library, ("library",), LIBRARY_ID, None, mistakes)
    own = list(_app_volumes(given, chosen, root, mistakes))
    own += _backups(given, chosen, root, mistakes)
    clouds = [
        p.Volume(
            id=f"cloud-{name}-cache",
            holds="cache",
            place=p.Ephemeral(size=cache_size(entry.facts, mounts_of(given, chosen, net, name)) + CACHE_ROOM),
        )
        for name, entry in sorted(chosen.clouds.items())
    ]
    library_folder = facts.library.below or p.NO_FOLDER
    bare = p.Volume(id=LIBRARY_ID, holds="library", place=root, folder=library_folder)
    tree = p.Library(
        volume=LIBRARY_ID,
        folders=_tree(chosen),
        links=tuple(p.Link(path=name, target=f"{p.CLOUDS}/{name}") for name in sorted(chosen.clouds)),
    )
    hides = {name for volume in own if (name := _hidden_folder(bare, volume)) is not None}
    _overlaps(given, bare, own, mistakes)
    tops = {folder.split("/")[0] for folder in (*tree.folders, *(link.path for link in tree.links))}
    if folds_case(root):
        tops |= {name for name in hides for top in tops if name.casefold() == top.casefold()}
    for name in sorted(hides & tops):
        text = (
            f"app state would be in {name!r}, a folder of the library; apps do not see the folder of the state, so they would lose this "
            "part of the library"
        )
        remedy = "use another folder, for example `below: config`"
        mistakes.add(given.profile_source("storage", "state"), "storage.state", text, remedy, code="volume.library-folder")
    library = msgspec.structs.replace(bare, hides=tuple(sorted(hides)))
    findings = (
        *_databases(chosen, own),
        *_owners(given, (library, *own)),
        *shares(given, chosen, mistakes),
        *case_twins(given, chosen, library, tree),
        *_split_libraries(given, chosen),
        *_small_claims(chosen, own),
    )
    return Storage(volumes=(library, *own, *clouds), library=tree, findings=findings)


def _app_volumes(given: PlanInput, chosen: Selection, root: p.Place, mistakes: Mistakes) -> Iterator[p.Volume]:
    """The volumes of apps."""
    facts = given.profile.storage
    for app, volumes in facts.apps.items():
        if app in chosen.apps:
            known = chosen.apps[app].facts.volumes
            for asked_for in volumes:
                if asked_for not in known:
                    source = given.profile_source("storage", "apps", app, asked_for)
                    mistakes.unknown(source, f"storage.apps.{app}", "volume", asked_for, tuple(known), code="volume.unknown")
    seen: set[str] = set()
    for app, entry in chosen.apps.items():
        for name, volume in sorted(entry.facts.volumes.items()):
            asked = facts.apps.get(app, {}).get(name)
            kind: Literal["cache", "state"] = "cache" if volume.holds == "cache" else "state"
            at = ("apps", app, name) if asked else (kind,)
            place_facts = asked or (facts.cache if kind == "cache" else facts.state)
            place = _place(given, place_facts, at, volume_id(app, name), volume, mistakes, root)
            if volume_id(app, name) in seen:
                text, source = f"two volumes would be called {volume_id(app, name)}", entry.document.source(("volumes", name))
                mistakes.add(source, f"volumes.{name}", text, "rename one of them", code="volume.name")
            seen.add(volume_id(app, name))
            own = name == _own_folder(entry.facts)
            yield p.Volume(id=volume_id(app, name), holds=volume.holds, place=place, folder=_folder(place, place_facts, app, name, own=own))


def _backups(given: PlanInput, chosen: Selection, root: p.Place, mistakes: Mistakes) -> Iterator[p.Volume]:
    """The store of the backup app, if the plan has one."""
    facts = given.profile.storage.backups
    for app, entry in chosen.apps.items():
        if not any(container.backs_up for container in entry.facts.containers.values()):
            continue
        if facts is None:
            text, remedy = f"{app} backs up all state, but `storage.backups` is not set", "set it: `backups: {folder: /srv/backups}`"
            mistakes.add(given.profile_source("storage"), "storage.backups", text, remedy, code="volume.backup-place")
            continue
        place = _place(given, facts, (p.BACKUPS,), p.BACKUPS, None, mistakes, root)
        yield p.Volume(id=p.BACKUPS, holds="backups", place=place, folder=facts.below or p.NO_FOLDER)


def _own_folder(facts: AppFacts) -> str | None:
    """The volume whose folder is named after the app: `config`, or the only persistent volume of its main container."""
    persistent = [name for name in facts.containers["main"].volumes if name in facts.volumes and facts.volumes[name].holds != "cache"]
    return "config" if "config" in facts.volumes else persistent[0] if len(persistent) == 1 else None


def _folder(place: p.Place, facts: PlaceFacts, app: str, volume: str, *, own: bool) -> str:
    """The folder of a volume below a shared place: `sonarr`, and `plex-metadata` for a second volume."""
    if isinstance(place, p.Ephemeral) or (isinstance(place, p.Claim) and facts.claim is not None and facts.claim.name is None):
        return p.NO_FOLDER
    folder = app if own else f"{app}-{volume}"
    return f"{facts.below}/{folder}" if facts.below else folder


def _place(
    given: PlanInput,
    facts: PlaceFacts,
    at: tuple[str, ...],
    volume: str,
    asks: VolumeFacts | None,
    mistakes: Mistakes,
    library: p.Place | None = None,
) -> p.Place:
    """Resolve a place, which has exactly one kind; `library` is the library's place, for `on: library`.

    After a mistake it returns some place, so that planning goes on and reports all mistakes.
    """
    if asks is not None and asks.holds == "cache" and asks.in_memory and at == ("cache",):
        return p.Ephemeral(size=size(asks.size), in_memory=True)
    ways = [w for w in (facts.folder, facts.claim, facts.scratch, facts.on) if w is not None]
    source, path = given.profile_source("storage", *at), ".".join(("storage", *at))
    if len(ways) != 1 or (facts.on and library is None):
        keys = [key for key in ("folder", "claim", "scratch", "on") if getattr(facts, key) is not None]
        text = "a place needs exactly one of folder, claim, scratch and, except for the library, `on: library`"
        remedy = "write one, for example `folder: /srv/media`"
        if len(keys) > 1:
            remedy = f"keep one of {' and '.join(keys)}; remove an inherited one with `{keys[-1]}: null`"
        mistakes.add(source, path, text, remedy, code="volume.place")
        return p.Ephemeral()
    alone = facts.scratch is not None or (facts.claim is not None and facts.claim.name is None)
    if facts.below is not None and alone and at != ("library",):
        text = "`below` has no effect on a claim or scratch space that serves one volume"
        remedy = "remove it, or name a claim that volumes share"
        mistakes.add(given.profile_source("storage", *at, "below"), f"{path}.below", text, remedy, code="volume.below")
    if facts.on is not None and library is not None:
        return library
    traits = given.profile.traits
    if facts.folder is not None:
        if not traits.has_host_folders:
            text = "a cluster has no host folder that all nodes share"
            mistakes.add(source, path, text, "use a claim, for example `claim: {size: 100Gi}`", code="volume.host-folder")
        if _is_system_folder(facts.folder):
            text, remedy = f"{facts.folder} is a system folder", "use a folder made for this, such as /srv/media"
            mistakes.add(given.profile_source("storage", *at, "folder"), f"{path}.folder", text, remedy, code="volume.system-folder")
        return p.Folder(path=facts.folder, mounted=facts.mounted)
    if facts.claim is not None:
        if not traits.has_claims:
            remedy = "use a folder, for example `folder: /srv/media`"
            mistakes.add(source, path, "Compose does not support claims", remedy, code="volume.claim-unsupported")
        return _claim(facts.claim, volume, asks, source, path, mistakes)
    if asks is None or asks.holds != "cache":
        text = f"{f'the {volume}' if asks is None else volume} would be lost on restart: scratch space is not persistent"
        mistakes.add(source, path, text, "use a folder or a claim", code="volume.not-persistent")
    bound = (facts.scratch.size if facts.scratch else None) or (asks.size if asks else None)
    return p.Ephemeral(size=size(bound) if bound else None, in_memory=bool(asks and asks.in_memory))


def _is_system_folder(folder: str) -> bool:
    """Whether writing to the folder, or changing its owner, would break the host."""
    top = folder.split("/")[1]
    whole = ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr")
    return top in whole or folder in ("/", "/home", "/opt", "/root", "/tmp", "/var", "/var/lib", p.CLOUDS)  # noqa: S108 - refused, not used


def _claim(facts: ClaimFacts, volume: str, asks: VolumeFacts | None, source: Source, path: str, mistakes: Mistakes) -> p.Claim:
    wanted = facts.size or (asks.size if asks else None)
    if wanted is None:
        mistakes.add(source, path, "the claim has no size", "add `size: 100Gi`", code="volume.claim-size")
    asked = facts.share
    share = (
        p.Share(protocol=asked.protocol, server=asked.server, export=asked.export, options=asked.options, login=asked.login)
        if asked
        else None
    )
    return p.Claim(
        name=facts.name or volume,
        size=size(wanted or "1Gi"),
        storage_class=facts.storage_class,
        shared=facts.shared,
        existing=facts.existing,
        share=share,
    )


def _path(volume: p.Volume) -> tuple[str, str] | None:
    """The file system of a volume, as far as a plan knows it, and its path there; None if the volume has its own."""
    match volume.place:
        case p.Folder(path=path):
            return "", posixpath.normpath(posixpath.join(path, volume.folder))
        case p.Claim(name=name):
            return name, posixpath.normpath(posixpath.join("/", volume.folder))
        case p.Ephemeral():
            return None


def _hidden_folder(library: p.Volume, volume: p.Volume) -> str | None:
    """The library's top folder that contains the volume; None if the volume is outside the library."""
    root, place = _path(library), _path(volume)
    if root is None or place is None or root[0] != place[0]:
        return None
    below = posixpath.relpath(place[1], root[1])
    return None if below == "." or below.split("/")[0] == ".." else below.split("/")[0]


def _overlaps(given: PlanInput, library: p.Volume, own: list[p.Volume], mistakes: Mistakes) -> None:
    """Reject volumes in the same folder or inside each other, which two apps would change; state inside the library is allowed."""
    claims: dict[str, tuple[p.Claim, str]] = {}
    owners: dict[tuple[str, str], str] = {}
    for volume in (library, *own):
        if isinstance(volume.place, p.Claim):
            claim, first = claims.setdefault(volume.place.name, (volume.place, volume.id))
            if claim != volume.place:
                text = f"{first} and {volume.id} define claim {claim.name!r} differently"
                remedy = "give them the same size, class and other settings, or name two claims"
                mistakes.add(given.profile_source("storage"), "storage", text, remedy, code="volume.claim-conflict")
        if (at := _path(volume)) is None:
            continue
        if at in owners:
            text = f"{volume.id} and {owners[at]} would share one folder: {at[1]}"
            mistakes.add(given.profile_source("storage"), "storage", text, "give each its own folder", code="volume.overlap")
        owners.setdefault(at, volume.id)
    for (system, path), name in owners.items():
        above = path
        while (shorter := posixpath.dirname(above)) != above:
            above = shorter
            holder = owners.get((system, above or "."), LIBRARY_ID)
            if holder != LIBRARY_ID:
                text = f"{name} would be inside {holder}: {path}"
                mistakes.add(given.profile_source("storage"), "storage", text, "give each its own folder", code="volume.overlap")


def _tree(chosen: Selection) -> tuple[str, ...]:
    """Every folder that an app expects, and its parents, parents first."""
    folders: set[str] = {"downloads", "media"}
    for entry in chosen.apps.values():
        for folder in entry.facts.library.folders:
            parts = folder.split("/")
            folders |= {"/".join(parts[: n + 1]) for n in range(len(parts))}
    return tuple(sorted(folders))


def _databases(chosen: Selection, volumes: list[p.Volume]) -> Iterator[Finding]:
    """Databases on SMB, NFS or a shared claim: SQLite is corrupted there sooner or later. Findings of class data.

    See docs/facts/databases.md#sqlite-on-a-share.
    """
    by_id: Mapping[str, p.Volume] = {v.id: v for v in volumes}
    for app, entry in chosen.apps.items():
        for name, facts in sorted(entry.facts.volumes.items()):
            volume = by_id[volume_id(app, name)]
            if not isinstance(volume.place, p.Claim) or not (volume.place.shared or volume.place.share):
                continue
            protocol = volume.place.share.protocol.upper() if volume.place.share else "a shared file system"
            remedy = (
                "give it a claim of its own on block storage: "
                f"`storage.apps.{app}.{name}: {{claim: {{storage-class: ...}}}}`, or waive it with a reason"
            )
            if facts.owner_checked:
                yield Finding(
                    field="storage.owner",
                    path=f"volumes.{volume.id}.place",
                    class_="data",
                    verdict="refused",
                    app=app,
                    text=f"{app} keeps {volume.id} on {protocol}, but its program requires a folder that its own user owns: it fails to "
                    "start, or loses data",
                    remedy=remedy,
                    code="volume.owner-checked",
                )
            elif facts.holds == "database":
                yield Finding(
                    field="storage.state",
                    path=f"volumes.{volume.id}.place",
                    class_="data",
                    app=app,
                    text=f"{app} keeps a database in {volume.id}, on {protocol}: file locks are not safe there, and the database will be "
                    "corrupted sooner or later",
                    remedy=remedy,
                    code="volume.database-share",
                )


def _split_libraries(given: PlanInput, chosen: Selection) -> Iterator[Finding]:
    """Promise 3: apps link imported files instead of copying them. Report apps whose folders are on several file systems."""
    datasets = given.profile.storage.datasets
    for app, entry in chosen.apps.items():
        if not any(container.library == "rw" for container in entry.facts.containers.values()):
            continue
        # An app that imports files reads the downloads, even if it does not list them.
        systems = {folder: _dataset(folder, datasets) for folder in ("downloads", *entry.facts.library.folders)}
        if len(set(systems.values())) > 1:
            pairs = ", ".join(f"{folder} in {dataset or 'the library itself'}" for folder, dataset in sorted(systems.items()))
            yield Finding(
                field="storage.datasets",
                path=f"apps.{app}",
                class_="data",
                app=app,
                text=f"{app} writes to several file systems, {pairs}: files are copied between them, not linked or moved, and use twice "
                "the space",
                remedy="put its folders on one of them under `override` of the profile, or waive it with a reason",
                code="volume.library-split",
            )


def _dataset(folder: str, datasets: Iterable[str]) -> str:
    """The innermost file system of the library that contains the folder; empty for the library's own."""
    return max((d for d in datasets if folder == d or folder.startswith(d + "/")), key=len, default="")


def _small_claims(chosen: Selection, volumes: Iterable[p.Volume]) -> Iterator[Finding]:
    """Claims that are smaller than their volumes need."""
    asked: dict[str, int] = {}
    claims: dict[str, tuple[p.Claim, p.Volume]] = {}
    sizes = {volume_id(app, name): size(facts.size) for app, entry in chosen.apps.items() for name, facts in entry.facts.volumes.items()}
    for volume in volumes:
        if isinstance(volume.place, p.Claim) and not volume.place.existing:
            claims.setdefault(volume.place.name, (volume.place, volume))
            asked[volume.place.name] = asked.get(volume.place.name, 0) + sizes.get(volume.id, 0)
    for name, (claim, first) in claims.items():
        if asked[name] > claim.size:
            yield Finding(
                field="storage.size",
                path=f"volumes.{first.id}.place.size",
                class_="function",
                text=f"claim {name} has {amount(claim.size)}, but its volumes need {amount(asked[name])}",
                remedy=f"set `size: {amount(asked[name])}`",
                code="volume.claim-small",
            )


def _owners(given: PlanInput, volumes: Iterable[p.Volume]) -> Iterator[Finding]:
    """An SMB mount has one owner for all its files (docs/facts/smb.md#one-owner-for-a-mount).

    If that is not the stack's user, apps cannot write.
    """
    seen: set[str] = set()
    for volume in volumes:
        place = volume.place
        if not isinstance(place, p.Claim) or place.share is None or place.share.protocol != "smb" or place.name in seen:
            continue
        seen.add(place.name)
        options = {option.name: option.value for option in options_of(place.share.options)}
        wanted = {"uid": str(given.stack.uid), "gid": str(given.stack.gid)}
        if "noperm" not in options and any(options.get(key) != value for key, value in wanted.items()):
            has, needs = (f"{ids.get('uid', 'root')}:{ids.get('gid', 'root')}" for ids in (options, wanted))
            yield Finding(
                field="storage.share",
                path=f"volumes.{volume.id}.place.share.options",
                class_="function",
                text=f"the mount options of {place.name} give all files to {has}, but apps run as {needs}: they cannot write there",
                remedy=f"mount it with `options: [uid={wanted['uid']}, gid={wanted['gid']}, ...]`",
                code="volume.share-owner",
            )
