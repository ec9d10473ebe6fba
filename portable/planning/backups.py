"""The volumes that the backup app sees: the state of all other apps, and the store. Findings name what it cannot copy."""

import json
from collections.abc import Iterable, Iterator

import msgspec

from portable.catalog.facts import AppFacts
from portable.model import plan as p
from portable.model.backups import BackedUpVolume
from portable.model.codes import Code
from portable.model.findings import Finding
from portable.planning.inputs import PlanInput
from portable.planning.select import Selection
from portable.planning.storage import Storage, volume_id


def backs_up(facts: AppFacts) -> bool:
    """Whether the app backs up the others."""
    return any(container.backs_up for container in facts.containers.values())


def seen(chosen: Selection, store: Storage) -> tuple[BackedUpVolume, ...]:
    """Every volume that the container of the schedule can copy."""
    return tuple(volume for volume, place in _volumes(chosen, store.volumes) if not _unreachable(place))


def backed_up(chosen: Selection, places: Iterable[p.Volume]) -> tuple[BackedUpVolume, ...]:
    """Every volume with state, also those that only a command by hand can copy; empty without an app that makes backups."""
    if not any(backs_up(entry.facts) for entry in chosen.apps.values()):
        return ()
    return tuple(volume for volume, place in _volumes(chosen, places) if not isinstance(place.place, p.Ephemeral))


def told(given: PlanInput, chosen: Selection, store: Storage) -> str:
    """The input of the backup program: JSON, the same bytes for the same plan."""
    apps: dict[str, dict[str, object]] = {}
    for volume in seen(chosen, store):
        image = chosen.apps[volume.app].facts.containers["main"].image
        app = apps.setdefault(volume.app, {"image": f"{image.repository}:{image.tag}", "volumes": {}})
        app["volumes"] = {**app["volumes"], volume.name: {"at": volume.path, "copied": volume.copied}}  # type: ignore[dict-item]
    keep = msgspec.structs.asdict(given.profile.backup.keep)
    return json.dumps({"store": f"/{p.BACKUPS}", "keep": keep, "apps": apps}, indent=1, sort_keys=True)


def findings(chosen: Selection, store: Storage) -> Iterator[Finding]:
    """Findings of class data on volumes that are not backed up automatically."""
    if not any(backs_up(entry.facts) for entry in chosen.apps.values()):
        return
    for volume, place in _volumes(chosen, store.volumes):
        if why := _unreachable(place):
            code: Code = "volume.not-backed-up"
            stop = "--stop " if place.holds == "database" and is_on_share(place) else ""
            text = f"scheduled backups leave out {volume.id}: {why}"
            remedy = f"run `portable backup {stop}{volume.app}` by hand, or use snapshots of its storage class"
        elif volume.copied == "stopped":
            code = "volume.backup-stopped"
            text = f"scheduled backups leave out {volume.id}: a copy made while {volume.app} runs would be inconsistent"
            remedy = f"run `portable backup --stop {volume.app}`, which stops {volume.app} during the copy"
        else:
            continue
        path = f"volumes.{volume.id}.holds"
        yield Finding(field="backups", path=path, class_="data", app=volume.app, text=text, remedy=remedy, code=code)


def _volumes(chosen: Selection, volumes: Iterable[p.Volume]) -> Iterator[tuple[BackedUpVolume, p.Volume]]:
    places = {volume.id: volume for volume in volumes}
    for app, entry in chosen.apps.items():
        for name, facts in sorted(entry.facts.volumes.items()):
            if facts.holds != "cache" and not backs_up(entry.facts):
                identifier = volume_id(app, name)
                yield BackedUpVolume(app=app, name=name, id=identifier, copied=facts.copied), places[identifier]


def is_on_share(volume: p.Volume) -> bool:
    """Whether pods of several nodes mount the volume at the same time."""
    return isinstance(volume.place, p.Claim) and volume.place.shared


def _unreachable(volume: p.Volume) -> str:
    """Why no other container can copy the volume; empty if one can."""
    if isinstance(volume.place, p.Claim) and not volume.place.shared:
        return "only the node of its own pod can mount its claim"
    if volume.holds == "database" and is_on_share(volume):
        return "its database is on a shared file system, and another node does not see the locks of that database"
    return ""
