"""Which image a container runs: the one that its files say, or a newer one that was taken in the place of exactly that."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from portable.catalog.facts import AppFacts, ImageFacts
from portable.model.findings import Finding
from portable.planning.inputs import Entry, Input


def taken(given: Input, facts: AppFacts) -> tuple[AppFacts, Mapping[str, str]]:
    """The facts with what was taken, and what the files themselves say, by container."""
    pinned = {name: _reference(container.image) for name, container in facts.containers.items()}
    update = given.images.images.get(facts.name)
    if update is None:
        return facts, pinned
    containers = dict(facts.containers)
    for name, digest in update.runs.items():
        if pinned.get(name) == update.containers[name].instead_of:
            image = msgspec.structs.replace(containers[name].image, digest=digest)
            containers[name] = msgspec.structs.replace(containers[name], image=image)
    return msgspec.structs.replace(facts, containers=containers), pinned


def findings(given: Input, entries: Iterable[Entry]) -> Iterator[Finding]:
    """Entries that are void, and updates that are not finished: nothing is passed over in silence."""
    for entry in entries:
        app = entry.facts.name
        if (update := given.images.images.get(app)) is None:
            continue
        for name, container in sorted(update.containers.items()):
            pinned = entry.pinned.get(name)
            if pinned == container.instead_of:
                continue
            now = f"its files say {pinned} now" if pinned else f"{app} has no container {name} any more"
            yield Finding(
                field="images",
                path=f"apps.{app}.containers.{name}.image",
                class_="function",
                app=app,
                text=f"what the update of {update.at} took for {app} is not used: it was for {container.instead_of}, and {now}",
                remedy="remove the entry",
                where=given.images_source("images", app, "containers", name),
            )
        if update.step is not None:
            what = "the update" if update.step == "taking" else "going back from the update"
            state = " --with-state" if update.step == "restoring" else ""
            again = f"`portable update {app}`" if update.step == "taking" else f"`portable rollback {app}{state}`"
            yield Finding(
                field="images.step",
                path=f"apps.{app}",
                class_="function",
                app=app,
                text=f"{what} of {app} of {update.at} is not finished",
                remedy=f"{again} completes it",
                where=given.images_source("images", app, "step"),
            )


def _reference(image: ImageFacts) -> str:
    return f"{image.repository}:{image.tag}" + (f"@{image.digest}" if image.digest else "")
