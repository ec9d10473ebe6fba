"""The image that a container runs: the one of its files, or the newer one that an update chose in place of exactly that."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from portable.catalog.facts import AppFacts, ContainerFacts, ImageFacts
from portable.formats.document import Document
from portable.formats.merge import layers_of
from portable.model.findings import Finding
from portable.planning.inputs import AppEntry, PlanInput

_MOVING = frozenset(
    (
        *("alpha", "beta", "canary", "dev", "devel", "develop", "development", "edge", "head", "latest", "main", "master", "nightly"),
        *("preview", "rc", "release", "rolling", "snapshot", "stable", "testing", "tip", "trunk", "unstable"),
    )
)
"""Words of tags that a publisher moves to each new version."""


class _Pin(msgspec.Struct, kw_only=True):
    """The image of a container while the layers of overrides are read, from the lowest to the topmost."""

    name: tuple[str, str]
    """Repository and tag."""
    digest: str | None
    recipe: str | None


def own_pins(facts: AppFacts, own: Mapping[str, Any], documents: Iterable[Document]) -> AppFacts:
    """Drop digests and recipes that belong to another repository or tag.

    `own` is the data of the app's file and `documents` are the stack and the profile, whose overrides `facts` already contain. A digest
    names one build of one tag, and a recipe builds the version that its catalog entry pins: a layer that names another image
    without them has neither.
    """
    documents = tuple(documents)
    containers = {
        name: _own_pin(facts.name, name, container, _at(own, "containers", name), documents) for name, container in facts.containers.items()
    }
    return msgspec.structs.replace(facts, containers=containers)


def _own_pin(app: str, name: str, container: ContainerFacts, own: Mapping[str, Any], documents: Iterable[Document]) -> ContainerFacts:
    image = _at(own, "image")
    first = _Pin(name=(image.get("repository", ""), image.get("tag", "")), digest=image.get("digest"), recipe=own.get("recipe"))
    pin = msgspec.structs.replace(first)
    for document in documents:
        below = msgspec.structs.replace(pin)
        for layer, steps in layers_of(document):
            overrides = _at(layer.data, *steps, "override")
            if overrides.get(app, ...) is None:  # it removes the changes of the layers below
                pin = msgspec.structs.replace(below)
                continue
            _lay(pin, _at(overrides, app, "containers", name), first)
    image_facts = msgspec.structs.replace(container.image, digest=pin.digest)
    return msgspec.structs.replace(container, image=image_facts, recipe=pin.recipe)


def _lay(pin: _Pin, change: Mapping[str, Any], first: _Pin) -> None:
    """Change the pin as one layer says."""
    image = _at(change, "image")
    name = (image.get("repository") or pin.name[0], image.get("tag") or pin.name[1])
    if name != pin.name:
        same = name == first.name
        pin.name, pin.digest, pin.recipe = name, first.digest if same else None, first.recipe if same else None
    if "digest" in image:
        pin.digest = image["digest"]
    if "recipe" in change:
        pin.recipe = change["recipe"]


def _at(data: Any, *steps: str | int) -> Mapping[str, Any]:
    """The mapping at these keys; an empty one if there is none."""
    for step in steps:
        data = data.get(step) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def moving(entries: Iterable[AppEntry]) -> Iterator[Finding]:
    """Images whose tag names no version, and that no digest pins."""
    for entry in entries:
        app = entry.facts.name
        for name, container in sorted(entry.facts.containers.items()):
            image = container.image
            if image.digest is not None or not _moves(image.tag):
                continue
            yield Finding(
                field="images.tag",
                path=f"apps.{app}.containers.{name}.image.tag",
                class_="data",
                app=app,
                text=f"the tag {image.tag} of {image.repository} is not a fixed version: a later pull may bring a newer {app}, "
                f"which may change its state; older versions can then no longer read it",
                remedy=f"name a version: `override: {{{app}: {{containers: {{{name}: {{image: {{tag: VERSION}}}}}}}}}}`",
                code="image.floating",
                where=entry.document.source(("containers", name, "image", "tag")),
            )


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
    """Entries that are not used, and updates that are not finished."""
    for entry in entries:
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
            state = " --with-state" if update.step == "restoring" else ""
            again = f"`portable update {app}`" if update.step == "taking" else f"`portable rollback {app}{state}`"
            yield Finding(
                field="images.step",
                path=f"apps.{app}",
                class_="function",
                app=app,
                text=f"the {'update' if update.step == 'taking' else 'rollback from the update'} of {app} of {update.at} is not finished",
                remedy=f"run {again} to complete it",
                code="image.update-unfinished",
                where=given.images_source("images", app, "step"),
            )


def _moves(tag: str) -> bool:
    """Whether a publisher moves this tag to each new version, such as `latest` and `2-nightly`, but not `4.0.1-develop`."""
    words = re.split(r"[-_.]", tag.lower())
    numbers = [word for word in words if re.fullmatch(r"v?[0-9]+", word)]
    if len(numbers) > 1 or any(re.fullmatch(r"(?=.*[0-9])(sha)?[0-9a-f]{6,}", word) for word in words):
        return False
    return not any(character.isdigit() for character in tag) or not _MOVING.isdisjoint(words)


def _reference(image: ImageFacts) -> str:
    return f"{image.repository}:{image.tag}" + (f"@{image.digest}" if image.digest else "")
