"""The image that a container runs: the one of its files, or the newer one that an update chose in place of exactly that."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from portable.catalog.facts import FLOATING, AppFacts, ImageFacts
from portable.model.findings import Finding
from portable.planning.inputs import AppEntry, PlanInput


def taken(given: PlanInput, facts: AppFacts) -> tuple[AppFacts, Mapping[str, str]]:
    """The facts with updated images, and by container the image that the files themselves name."""
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


def findings(given: PlanInput, entries: Iterable[AppEntry]) -> Iterator[Finding]:
    """Tags without a version, entries that are not used, and updates that are not finished."""
    for entry in entries:
        yield from _floating(entry)
        app = entry.facts.name
        if (update := given.images.images.get(app)) is None:
            continue
        for name, container in sorted(update.containers.items()):
            pinned = entry.pinned.get(name)
            if pinned == container.instead_of:
                continue
            now = f"the files now say {pinned}" if pinned else f"{app} no longer has a container {name}"
            yield Finding(
                field="images",
                path=f"apps.{app}.containers.{name}.image",
                class_="function",
                app=app,
                text=f"the image of {app} from the update of {update.at} is not used: it replaced {container.instead_of}, but {now}",
                remedy="remove the entry",
                code="image.update-unused",
                where=given.images_source("images", app, "containers", name),
            )
        if update.step is not None:
            what = "the update" if update.step == "taking" else "the rollback from the update"
            state = " --with-state" if update.step == "restoring" else ""
            again = f"`portable update {app}`" if update.step == "taking" else f"`portable rollback {app}{state}`"
            yield Finding(
                field="images.step",
                path=f"apps.{app}",
                class_="function",
                app=app,
                text=f"{what} of {app} of {update.at} is not finished",
                remedy=f"run {again} to complete it",
                code="image.update-unfinished",
                where=given.images_source("images", app, "step"),
            )


def _floating(entry: AppEntry) -> Iterator[Finding]:
    """Images that the next pull may exchange for another version, without an update that could be rolled back."""
    app = entry.facts.name
    for name, container in entry.facts.containers.items():
        if container.image.tag in FLOATING and container.image.digest is None:
            yield Finding(
                field="image.tag",
                path=f"apps.{app}.containers.{name}.image",
                class_="function",
                app=app,
                text=f"the tag `{container.image.tag}` of {app} names no version: the next pull may bring another one, and nothing is "
                "backed up before it",
                remedy=f"write the tag of a release, or add the digest of the image to `{container.image.tag}`",
                code="image.floating",
                where=entry.document.source(("containers", name, "image", "tag")),
            )


def _reference(image: ImageFacts) -> str:
    return f"{image.repository}:{image.tag}" + (f"@{image.digest}" if image.digest else "")
