"""Findings on apps that a list names by an alias: where the state of the former name is looked for."""

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from portable.catalog.catalog import Catalog
from portable.model import plan as p
from portable.model.findings import Finding
from portable.model.source import Source
from portable.planning.inputs import PlanInput
from portable.planning.select import Selection
from portable.planning.storage import Storage, volume_id


class _Move(NamedTuple):
    """The place of a volume under the app's name and under the alias, and the way from one to the other."""

    place: str
    former: str
    remedy: str


def findings(given: PlanInput, chosen: Selection, store: Storage, catalog: Catalog) -> Iterator[Finding]:
    """A new name means a new folder or claim: without the old state, the app starts empty."""
    for alias, where in _listed(given):
        app = catalog.resolve(alias) or alias
        if app == alias or app not in chosen.apps:
            continue
        moves = tuple(_moves(chosen, store, app, alias))
        if not moves:
            continue
        yield Finding(
            field="apps.alias",
            path=f"apps.{app}",
            class_="data",
            app=app,
            text=f"{alias} is {app} here: its state is looked for in {_joined(m.place for m in moves)}, not in "
            f"{_joined(m.former for m in moves)}; without that state, {app} starts empty",
            remedy=f"if there is such state, {_joined(m.remedy for m in moves)} before the first start; then write `{app}` instead of "
            f"`{alias}`",
            code="app.alias-state",
            where=where,
        )


def _listed(given: PlanInput) -> Iterator[tuple[str, Source]]:
    """The names by which the stack or the profile asks for apps."""
    if given.stack.apps is not None:
        yield from ((name, given.stack_source("apps", index)) for index, name in enumerate(given.stack.apps))
    else:
        yield from ((name, given.profile_source("apps", index)) for index, name in enumerate(given.profile.apps))
    if given.profile.vpn is not None:
        yield given.profile.vpn.gateway, given.profile_source("vpn", "gateway")


def _moves(chosen: Selection, store: Storage, app: str, alias: str) -> Iterator[_Move]:
    """The moves of all volumes of the app that keep data."""
    volumes = {volume.id: volume for volume in store.volumes}
    for name, facts in sorted(chosen.apps[app].facts.volumes.items()):
        volume = volumes[volume_id(app, name)]
        if facts.holds == "cache":
            continue
        folder = posixpath.join(posixpath.dirname(volume.folder), alias + posixpath.basename(volume.folder).removeprefix(app))
        match volume.place:
            case p.Folder(path=path):
                place, former = posixpath.join(path, volume.folder), posixpath.join(path, folder)
                yield _Move(place=place, former=former, remedy=f"run `mv {former} {place}`")
            case p.Claim(name=claim) if volume.folder:
                remedy = f"move the folder {folder} of claim {claim} to {volume.folder}"
                yield _Move(place=f"{volume.folder} of claim {claim}", former=folder, remedy=remedy)
            case p.Claim(name=claim):
                former = f"{alias}-{name}"
                remedy = f"name its claim: `storage: {{apps: {{{app}: {{{name}: {{claim: {{name: {former}, existing: true}}}}}}}}}}`"
                if claim != former:
                    yield _Move(place=f"claim {claim}", former=f"claim {former}", remedy=remedy)


def _joined(parts: Iterator[str]) -> str:
    return " and ".join(dict.fromkeys(parts))
