"""`init-dirs`: creates folders, links and seeds before any app starts. It never deletes or overwrites anything."""

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from portable.backends.kubernetes.names import Body, literal, meta
from portable.backends.kubernetes.scope import PodContainer, Scope, is_claim
from portable.backends.kubernetes.volume import Attached, attached, file_volume, place_volume
from portable.model.base import Struct
from portable.model.plan import Claim, FileMount, Mount, Volume
from portable.model.shell import script as read_script

PLACES = "/places"
SEEDS = "/seeds"
TREE = "/library"
TREE_MAP = "library-tree"
TREE_SCRIPT = "tree.sh"

# The scripts run in BusyBox's shell and any other. They avoid `$(` and `$$`, which the kubelet would expand. Several pods prepare one
# library at once, and may be killed at any moment: so each step may lose a race, or run again, without harm.
_FOLDER, _SEED = "prepare_folder.sh", "prepare_seed.sh"
_LINK = "prepare_link.sh"
"""Replaces an empty folder, which may be left from an old mount. A folder with content is an error: without the link, apps see no cloud."""


class Seed(Struct, frozen=True, kw_only=True):
    """A file that is copied into an app's state if nothing exists there."""

    part: PodContainer
    mount: FileMount
    target: str | None
    """Its path in `init-dirs`; None if no volume of its container covers that path."""


def root_of(volume: Volume) -> str:
    """Return the path in `init-dirs` of the root of a volume's storage."""
    place = volume.place
    return f"{PLACES}/{place.name}" if isinstance(place, Claim) else f"{PLACES}/{volume.id}"


def inside(volume: Volume) -> str:
    """Return the path in `init-dirs` of the volume itself."""
    return f"{root_of(volume)}/{volume.folder}".rstrip("/")


def seeds(scope: Scope, parts: tuple[PodContainer, ...]) -> Iterator[Seed]:
    """Yield the seeds of a pod."""
    for part in parts:
        for mount in part.container.files:
            if mount.seed:
                yield Seed(part=part, mount=mount, target=_target(scope, part, mount))


def tree_script(scope: Scope) -> str | None:
    """Return the script that creates the library's folders and links. All pods share it, so a new app recreates no other pod."""
    library = scope.plan.library
    volume = scope.volumes.get(library.volume) if library is not None else None
    if library is None or volume is None or not (library.folders or library.links):
        return None
    quote = shlex.quote
    lines = [f"umask {quote(scope.plan.tools.identity.umask)}"]
    lines += [f"folder {quote(f'{inside(volume)}/{folder}')}" for folder in library.folders] if is_claim(volume) else []
    lines += [f"link {quote(link.target)} {quote(f'{inside(volume)}/{link.path}')}" for link in library.links]
    return read_script(__name__, _FOLDER) + read_script(__name__, _LINK) + "\n".join(lines) + "\n"


def tree_config_map(scope: Scope) -> Iterator[Body]:
    """Yield the ConfigMap with the library's script, if any pod runs it."""
    text = tree_script(scope)
    if text is not None and any(_runs_tree(scope, parts) for parts in scope.pods.values()):
        metadata = meta(scope.own_name(TREE_MAP), scope.labels(TREE_MAP), namespace=scope.namespace)
        yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {TREE_SCRIPT: text}}


def script(scope: Scope, parts: tuple[PodContainer, ...]) -> str:
    """Return the script of `init-dirs`."""
    quote = shlex.quote
    lines = [f"umask {quote(scope.plan.tools.identity.umask)}"]
    lines += [f"sh {TREE}/{TREE_SCRIPT}"] if _runs_tree(scope, parts) else []
    lines += [f"folder {quote(path)}" for path in _folders(scope, parts)]
    for seed in seeds(scope, parts):
        file = scope.files.get(seed.mount.file)
        if seed.target is not None and file is not None:
            lines.append(f"seed {quote(f'{SEEDS}/{file.id}')} {quote(seed.target)} {file.mode | 0o200:04o}")
    return read_script(__name__, _FOLDER) + read_script(__name__, _SEED) + "\n".join(lines) + "\n"


def init_attached(scope: Scope, part: PodContainer, parts: tuple[PodContainer, ...]) -> Iterator[Attached]:
    """Yield the mounts of `init-dirs`: the root of each storage that it prepares, the seeds, and the tools' own mounts."""
    yield from attached(scope, part)
    for volume in _prepared(scope, parts):
        body = place_volume(volume)
        yield body, {"name": body["name"], "mountPath": root_of(volume)}
    if _runs_tree(scope, parts):
        items = [{"key": TREE_SCRIPT, "path": TREE_SCRIPT}]
        tree: Body = {"name": TREE_MAP, "configMap": {"name": scope.own_name(TREE_MAP), "items": items}}
        yield tree, {"name": TREE_MAP, "mountPath": TREE, "readOnly": True}
    for seed in seeds(scope, parts):
        containers = seed.part.app.containers if seed.part.app else (seed.part.container,)
        yield from file_volume(scope, seed.part.owner, containers, seed.mount, at=f"{SEEDS}/{seed.mount.file}")


def command(scope: Scope, parts: tuple[PodContainer, ...]) -> Body:
    """Return the command of `init-dirs`: the tools' own command is the shell, and their arguments follow the script."""
    tools = scope.plan.tools
    shell = [literal(word) for word in tools.command or ("sh", "-c")]
    # The argument after the script is `$0`, which begins the shell's error messages.
    return {"command": shell, "args": [literal(script(scope, parts)), tools.name, *(literal(word) for word in tools.args or ())]}


def _mounted(scope: Scope, parts: tuple[PodContainer, ...]) -> list[Volume]:
    names = dict.fromkeys(mount.volume for part in parts for mount in part.container.mounts)
    return [scope.volumes[name] for name in names if name in scope.volumes]


def _prepared(scope: Scope, parts: tuple[PodContainer, ...]) -> list[Volume]:
    """Return the volumes to prepare: claims, and volumes with a seed; one for each storage."""
    seeded = {_holder(scope, seed.part, seed.mount) for seed in seeds(scope, parts)}
    volumes = [volume for volume in _mounted(scope, parts) if is_claim(volume) or volume.id in seeded]
    return list({root_of(volume): volume for volume in volumes}.values())


def _folders(scope: Scope, parts: tuple[PodContainer, ...]) -> list[str]:
    """Return the folders of volumes, and the hidden ones: a runtime cannot create a mount point in a read-only mount."""
    folders: list[str] = []
    for volume in _mounted(scope, parts):
        if not is_claim(volume):
            continue
        if volume.folder:
            folders.append(inside(volume))
        folders += [f"{inside(volume)}/{folder}" for folder in volume.hides]
    return list(dict.fromkeys(folders))


def _runs_tree(scope: Scope, parts: tuple[PodContainer, ...]) -> bool:
    """Return whether a pod mounts the library, and so creates its folders."""
    library = scope.plan.library
    if library is None or not (library.folders or library.links):
        return False
    return any(volume.id == library.volume for volume in _mounted(scope, parts))


def _covering(part: PodContainer, mount: FileMount) -> Mount | None:
    """Return the deepest mount of the container that contains the file's path."""
    path = PurePosixPath(mount.path)
    return max((m for m in part.container.mounts if path.is_relative_to(m.path)), key=lambda m: len(m.path), default=None)


def _holder(scope: Scope, part: PodContainer, mount: FileMount) -> str | None:
    cover = _covering(part, mount)
    return cover.volume if cover is not None and cover.volume in scope.volumes else None


def _target(scope: Scope, part: PodContainer, mount: FileMount) -> str | None:
    cover = _covering(part, mount)
    if cover is None or cover.volume not in scope.volumes:
        return None
    return f"{inside(scope.volumes[cover.volume])}/{PurePosixPath(mount.path).relative_to(cover.path)}"
