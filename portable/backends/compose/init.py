"""The service that prepares the host before any app starts: folders with their owners, links and seeds. It deletes nothing."""

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple, assert_never

from portable.backends.common import Index, PlacedContainer, backs_up, containers, note, refuse
from portable.backends.compose.files import digest, mounted
from portable.backends.compose.names import INIT
from portable.backends.compose.part import ServicePart, join
from portable.backends.compose.service import service
from portable.backends.compose.storage import bind, named
from portable.model.findings import Finding
from portable.model.folders import folder_in
from portable.model.plan import BACKUPS, Claim, Ephemeral, File, FileMount, Folder, Identity, Mount, Volume
from portable.model.shell import script as read_script

SCRIPT = "init-script"
_PLACES = PurePosixPath("/places")
"""Path of the volumes in `init`: one folder for each, named by its id."""
SEEDS = PurePosixPath("/seeds")
"""Path of the seed files in `init`: it copies each to an app that has none yet."""
_SCRIPT_PATH = "/init.sh"
_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
_SHARED, _OWN = "0775", "0750"


class Init(NamedTuple):
    """The service, the config with its script, and the ids of the files that it seeds."""

    service: ServicePart
    script: dict[str, Any]
    seeded: frozenset[str]


def init(index: Index, used: frozenset[str]) -> Init:
    """Return the `init` service. `used` are the volumes that some container mounts."""
    placed = PlacedContainer("tools", index.plan.tools)
    tools = service(placed, index)
    seeded = list(_seeds(index))
    script = _script(index, used, seeded)
    seen = {file.id: file for _, _, file, _ in seeded}
    inputs = [ServicePart({"volumes": [entry for volume in _prepared(index, used) for entry in _seen(volume)]})]
    inputs += [mounted(file, str(SEEDS / file.id)) for file in seen.values()]
    once = {
        **tools.keys,
        "user": "0:0",
        "entrypoint": ["/bin/sh", _SCRIPT_PATH],
        "cap_add": _CAPABILITIES,
        "restart": "no",
        "network_mode": "none",
        "configs": [*tools.keys.get("configs", ()), {"source": SCRIPT, "target": _SCRIPT_PATH}],
    }
    for key in ("healthcheck", "command"):
        once.pop(key, None)
    used_files = [
        *seen.values(),
        File(id=SCRIPT, body=(script,)),
        *(index.files[m.file] for m in placed.container.files if m.file in index.files),
    ]
    part = join((ServicePart(once, tools.findings), *inputs, digest(used_files)))
    findings = (*part.findings, *_findings(placed), *_homeless_seeds(index))
    return Init(ServicePart(part.keys, findings), {SCRIPT: {"content": script}}, frozenset(seen))


def _script(index: Index, used: frozenset[str], seeds: list[tuple[PlacedContainer, FileMount, File, PurePosixPath]]) -> str:
    lines = [*_folders(index, used), *_library(index)]
    for placed, _, file, target in seeds:
        who = placed.container.identity
        lines += [
            _line("folder", parent, *_owner(who), _OWN)
            for parent in _parents(target.relative_to(_PLACES))
            if len(parent.parts) > len(_PLACES.parts) + 1
        ]
        # From now on the app owns this file, so it must be able to write it.
        lines.append(_line("seed", SEEDS / file.id, target, *_owner(who), f"{file.mode | 0o600:04o}"))
    return read_script(__name__, "init.sh") + "\n".join(dict.fromkeys(lines)) + "\n"


def _line(*words: object) -> str:
    return shlex.join(str(word) for word in words)


def _owner(who: Identity) -> tuple[int, int]:
    return who.uid, who.gid


def _parents(inside: PurePosixPath) -> list[PurePosixPath]:
    """Return the folders above a path relative to `_PLACES`, outermost first."""
    return [_PLACES / parent for parent in reversed(inside.parents) if parent != PurePosixPath(".")]


def _prepared(index: Index, used: frozenset[str]) -> list[Volume]:
    """Return the volumes that `init` mounts: those on disk that some container mounts, and the library."""
    library = index.plan.library.volume if index.plan.library else None
    return [volume for volume in index.plan.volumes if _on_disk(volume) and (volume.id in used or volume.id == library)]


def _on_disk(volume: Volume) -> bool:
    match volume.place:
        case Folder():
            return True
        case Ephemeral(in_memory=in_memory):
            return not in_memory
        case Claim():
            return False
        case _:
            assert_never(volume.place)


def _seen(volume: Volume) -> list[dict[str, Any]]:
    target = str(_PLACES / volume.id)
    return [bind(folder_in(volume, volume.place), target) if isinstance(volume.place, Folder) else named(volume, target)]


def _folders(index: Index, used: frozenset[str]) -> Iterator[str]:
    """Yield a line for the folder of each volume. The stack's user owns the library; the first container that writes to it owns any other.

    Compose copies files into containers when it creates them, so files in a volume exist before its folder has an owner.
    """
    owners: dict[str, Identity] = {}
    copied: dict[str, set[str]] = {}
    everywhere = tuple(containers(index.plan))
    mounts = [(mount, placed) for placed in everywhere for mount in placed.container.mounts]
    for mount, placed in sorted(mounts, key=lambda pair: pair[0].access == "ro"):
        if not backs_up(placed.container) or mount.volume == BACKUPS:
            owners.setdefault(mount.volume, placed.container.identity)
    for placed in everywhere:
        for file in placed.container.files:
            if not file.seed and (home := _home(file.path, placed.container.mounts, index)):
                inside, name = home.relative_to(_PLACES).parts[:2]
                copied.setdefault(inside, set()).add(name)
    for volume in _prepared(index, used):
        if volume.holds == "library":
            yield _line("own", _PLACES / volume.id, *_owner(index.plan.tools.identity), _SHARED)
        else:
            owner = _owner(owners.get(volume.id, index.plan.tools.identity))
            yield _line("own", _PLACES / volume.id, *owner, _OWN, *sorted(copied.get(volume.id, ())))
        for hidden in volume.hides:
            for parent in _parents(PurePosixPath(volume.id, hidden, "-"))[1:]:
                yield _line("folder", parent, 0, 0, "0755")


def _library(index: Index) -> Iterator[str]:
    library = index.plan.library
    volume = index.volumes.get(library.volume) if library else None
    if not library or not volume or not _on_disk(volume):
        return
    user = _owner(index.plan.tools.identity)
    for name in library.folders:
        for parent in _parents(PurePosixPath(volume.id, name, "-"))[1:]:
            yield _line("folder", parent, *user, _SHARED)
    for link in library.links:
        for parent in _parents(PurePosixPath(volume.id, link.path))[1:]:
            yield _line("folder", parent, *user, _SHARED)
        yield _line("link", _PLACES / volume.id / link.path, link.target)


def _home(path: str, mounts: tuple[Mount, ...], index: Index) -> PurePosixPath | None:
    """Return the path in `init` of a container's path; None if it is not on a persistent volume."""
    inside = [mount for mount in mounts if path.startswith(f"{mount.path.rstrip('/')}/")]
    if not inside:
        return None
    mount = max(inside, key=lambda mount: len(mount.path))
    volume = index.volumes.get(mount.volume)
    return _PLACES / volume.id / path[len(mount.path) :].lstrip("/") if volume and _on_disk(volume) else None


def _seeds(index: Index) -> Iterator[tuple[PlacedContainer, FileMount, File, PurePosixPath]]:
    for placed in containers(index.plan):
        for mount in placed.container.files:
            file = index.files.get(mount.file)
            if mount.seed and file and (home := _home(mount.path, placed.container.mounts, index)):
                yield placed, mount, file, home


def seeds(index: Index) -> tuple[File, ...]:
    """Return the seed files, each once."""
    return tuple({file.id: file for _, _, file, _ in _seeds(index)}.values())


def _homeless_seeds(index: Index) -> Iterator[Finding]:
    for placed in containers(index.plan):
        for mount in placed.container.files:
            if mount.seed and not _home(mount.path, placed.container.mounts, index):
                path = f"{placed.path}.files.{mount.file}@{mount.path}"
                text = f"{mount.path} is not on a persistent volume, so the seed file has nowhere to go."
                remedy = "mount a volume there, or remove `seed` from the file"
                yield refuse("files.seed", path, "function", text, remedy, code="storage.seed", app=placed.about)


def _findings(placed: PlacedContainer) -> Iterator[Finding]:
    """Settings of the tools' container that have no effect on a service that runs once, as root."""
    tools, path = placed.container, placed.path

    def ignored(field: str, at: str, text: str) -> Finding:
        return note(f"tools.{field}", f"{path}.{at}", "cosmetic", text, code="config.tools-ignored")

    yield ignored("identity", "identity.how", f"{INIT} runs as root; it prepares folders for this user and group.")
    if tools.identity.how != "user":
        yield ignored("identity", "identity.umask", f"{INIT} ignores the umask: it sets the mode of each folder.")
    for field, value in (("command", tools.command), ("args", tools.args)):
        if value is not None:
            yield ignored(field, field, f"{INIT} ignores `{field}`: it runs its own script.")
    for name in ("startup", "ready", "live"):
        if getattr(tools.probes, name):
            yield ignored("probes", f"probes.{name}", f"{INIT} ignores probes: it ends by itself.")
    if tools.needs.root_start or tools.needs.net_admin:
        yield ignored("needs", "needs", f"{INIT} ignores `needs`: it has exactly {len(_CAPABILITIES)} capabilities.")
