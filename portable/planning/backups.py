"""What the app that backs up sees: the state of every other app, and the store. What it can't copy is said."""

import json
from collections.abc import Iterator

import msgspec

from portable.catalog.facts import AppFacts
from portable.model import plan as p
from portable.model.findings import Finding
from portable.planning.inputs import Input
from portable.planning.select import Selection
from portable.planning.storage import Storage, volume_id


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A volume that is backed up."""

    app: str
    name: str
    id: str
    copied: str
    """`running`, or `stopped` for what may be copied while its app is stopped only."""

    @property
    def path(self) -> str:
        """Where the container sees it."""
        return f"{p.STATE}/{self.id}"


def backs_up(facts: AppFacts) -> bool:
    """Whether it is the app that backs up the others."""
    return any(container.backs_up for container in facts.containers.values())


def seen(chosen: Selection, store: Storage) -> tuple[Seen, ...]:
    """Every volume that can be copied from a container of its own."""
    return tuple(volume for volume, place in _volumes(chosen, store) if not _unreachable(place))


def told(given: Input, chosen: Selection, store: Storage) -> str:
    """What the program reads: JSON, the same bytes for the same plan."""
    apps: dict[str, dict[str, object]] = {}
    for volume in seen(chosen, store):
        image = chosen.apps[volume.app].facts.containers["main"].image
        app = apps.setdefault(volume.app, {"image": f"{image.repository}:{image.tag}", "volumes": {}})
        app["volumes"] = {**app["volumes"], volume.name: {"at": volume.path, "copied": volume.copied}}  # type: ignore[dict-item]
    keep = msgspec.structs.asdict(given.profile.backup.keep)
    return json.dumps({"store": f"/{p.BACKUPS}", "keep": keep, "apps": apps}, indent=1, sort_keys=True)


def findings(chosen: Selection, store: Storage) -> Iterator[Finding]:
    """What is not backed up by itself, class data."""
    if not any(backs_up(entry.facts) for entry in chosen.apps.values()):
        return
    for volume, place in _volumes(chosen, store):
        if why := _unreachable(place):
            text, remedy = f"{volume.id} is not backed up: {why}", "back it up by other means, as snapshots of its storage class"
        elif volume.copied == "stopped":
            text = f"{volume.id} is left out of the backups made at times: while {volume.app} runs no copy of it would be sound"
            remedy = f"`portable backup --stop {volume.app}`, which stops {volume.app} meanwhile"
        else:
            continue
        yield Finding(field="backups", path=f"volumes.{volume.id}.holds", class_="data", app=volume.app, text=text, remedy=remedy)


def _volumes(chosen: Selection, store: Storage) -> Iterator[tuple[Seen, p.Volume]]:
    places = {volume.id: volume for volume in store.volumes}
    for app, entry in chosen.apps.items():
        for name, facts in sorted(entry.facts.volumes.items()):
            if facts.holds != "cache" and not backs_up(entry.facts):
                identifier = volume_id(app, name)
                yield Seen(app=app, name=name, id=identifier, copied=facts.copied), places[identifier]


def _unreachable(volume: p.Volume) -> str:
    """Why no other container may copy it; empty where one may."""
    if not isinstance(volume.place, p.Claim):
        return ""
    if not volume.place.shared:
        return "its claim is mounted by its own pod's node alone"
    if volume.holds == "database":
        return "a database on a shared file system can't be copied from another node: its locks don't reach there"
    return ""
