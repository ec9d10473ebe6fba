"""Decides which newer images a plan's groups get, in which steps, and what the file of images contains after each step.

`updates` and `rollbacks` carry it out. Pure, except for the registry, which is queried through a function.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import msgspec

from portable.model.base import Struct
from portable.model.errors import UsageError
from portable.model.plan import Group, Plan
from portable.model.registry import Offered, not_offered, split_reference
from portable.planning import Planned
from portable.profiles.images import Images, PinnedImageFacts, Step, UpdateFacts

Asked = Literal["same", "newer", "unknown"]


class RegistryAnswer(Struct, frozen=True, kw_only=True):
    """What a registry offers for an image, or why nothing is known."""

    result: Asked
    text: str
    digest: str = ""
    """The digest under the tag; empty if unknown."""
    why: Literal["", "absent", "refused", "unknown"] = ""
    """Why it offered nothing, as in `Offered`; empty if it was not queried."""

    @property
    def silent(self) -> bool:
        """Whether the registry was queried and offered nothing; it may offer something at another time."""
        return bool(self.why)


class NewerImage(Struct, frozen=True, kw_only=True):
    """A newer image for a container."""

    app: str
    container: str
    pinned: str
    """The reference in the files."""
    image: str
    """Repository and tag."""
    before: str
    digest: str


class Update(Struct, frozen=True, kw_only=True):
    """The newer images of a group."""

    group: str
    apps: tuple[str, ...]
    """All apps of the group, in start order."""
    images: tuple[NewerImage, ...]
    kept: tuple[str, ...] = ()
    """Apps whose state is backed up first."""
    stopped: tuple[str, ...] = ()
    """Those of `kept` that are stopped while they are copied."""

    @property
    def changed(self) -> tuple[str, ...]:
        """The apps that get a newer image."""
        return tuple(app for app in self.apps if any(image.app == app for image in self.images))

    def steps(self, file: str) -> tuple[str, ...]:
        """The steps of the update in order, one sentence each."""
        running = [app for app in self.kept if app not in self.stopped]
        return (
            *(f"pull {image.image}@{image.digest} while {image.app} runs" for image in self.images),
            *([f"back up {', '.join(running)}"] if running else []),
            *(f"stop {app}, back it up, start it" for app in self.stopped),
            f"write the new images of {', '.join(self.changed)} to {file}",
            f"recreate {', '.join(self.changed)}, and wait until all of {self.group} is healthy; roll back if it is not",
        )


class RegistryQueries:
    """Queries registries for the newest image of a tag: each image once, and no registry again that did not answer."""

    def __init__(self, offered: Callable[[str], Offered]) -> None:
        """`offered` returns what a registry has under `repository:tag`."""
        self._offered = offered
        self._silent: dict[str, Offered] = {}
        self._answers: dict[str, RegistryAnswer] = {}

    def ask(self, reference: str) -> RegistryAnswer:
        """Check whether the tag of a reference has another image than the pinned one."""
        if reference not in self._answers:
            self._answers[reference] = self._ask(reference)
        return self._answers[reference]

    def _ask(self, reference: str) -> RegistryAnswer:
        tagged, _, digest = reference.partition("@")
        host = split_reference(reference)[0]
        if host == "localhost":
            return RegistryAnswer(result="unknown", text="built on this machine")
        if not digest:
            return RegistryAnswer(result="unknown", text="not pinned by digest: `portable up` keeps the image that it pulled first")
        offer = self._silent.get(host) or self._offered(tagged)
        if offer.why:
            if offer.why == "unknown":
                self._silent[host] = offer
            return RegistryAnswer(result="unknown", text=not_offered(offer, host), why=offer.why)
        if offer.digest == digest:
            return RegistryAnswer(result="same", text="up to date", digest=digest)
        return RegistryAnswer(result="newer", text="a newer image is available", digest=offer.digest)


def groups_of(plan: Plan, names: Collection[str]) -> tuple[Group, ...]:
    """Find groups by their name or that of an app (by default all), in start order. Raises UsageError for an unknown name."""
    position = {app.name: index for index, app in enumerate(plan.apps)}
    groups = sorted(plan.groups, key=lambda group: min(position.get(app, len(position)) for app in group.apps))
    known = {name for group in groups for name in (group.name, *group.apps)}
    if unknown := [name for name in names if name not in known]:
        remedy = f"use one of: {', '.join(sorted(known))}; or no name for all apps"
        text = f"unknown app or group {', '.join(unknown)} in profile {plan.profile}"
        raise UsageError(text, code="usage.unknown-app", remedy=remedy)
    return tuple(group for group in groups if not names or {group.name, *group.apps} & set(names))


def update_of(planned: Planned, group: Group, registries: RegistryQueries, *, backup: bool, stopped: Collection[str] = ()) -> Update:
    """Find the newer images of a group. With `backup`, the state of apps that change is backed up first.

    That of `stopped` is copied only while they are stopped, whatever the catalog says.
    """
    plan = planned.plan
    apps = tuple(app for app in plan.apps if app.name in group.apps)
    images: list[NewerImage] = []
    for app in apps:
        pinned = planned.chosen.apps[app.name].pinned
        for container in app.containers:
            image = container.image
            answer = registries.ask(image.reference)
            if answer.result == "newer" and image.digest is not None:
                images.append(
                    NewerImage(
                        app=app.name,
                        container=container.name,
                        pinned=pinned[container.name],
                        image=image.tagged,
                        before=image.digest,
                        digest=answer.digest,
                    )
                )
    update = Update(group=group.name, apps=tuple(app.name for app in apps), images=tuple(images))
    lasting = tuple(app for app in update.changed if keeps_state(planned, app)) if backup else ()
    return msgspec.structs.replace(
        update, kept=lasting, stopped=tuple(app for app in lasting if app in stopped or _needs_stop(planned, app))
    )


def keeps_state(planned: Planned, app: str) -> bool:
    """Whether the app keeps state that a newer program may change so that an older one cannot read it."""
    return any(volume.holds != "cache" for volume in planned.chosen.apps[app].facts.volumes.values())


def _needs_stop(planned: Planned, app: str) -> bool:
    """Whether some of its state can only be copied while it is stopped."""
    volumes = planned.chosen.apps[app].facts.volumes.values()
    return any(volume.holds != "cache" and volume.copied == "stopped" for volume in volumes)


# --- contents of the file --------------------------------------------------------------------------------------------


def in_force(planned: Planned, app: str) -> Mapping[str, PinnedImageFacts]:
    """The entries of an app that replace the images in its files now."""
    update = planned.given.images.images.get(app)
    pinned = planned.chosen.apps[app].pinned
    return {name: taken for name, taken in update.containers.items() if pinned.get(name) == taken.instead_of} if update else {}


def replaced(planned: Planned, app: str) -> Mapping[str, PinnedImageFacts]:
    """Those of them that the last update made, and that can be rolled back."""
    return {name: entry for name, entry in in_force(planned, app).items() if entry.before}


def begun(planned: Planned, update: Update, *, at: str, backups: Mapping[str, str]) -> Images:
    """Record an update as begun. Earlier entries of other containers stay, and are not part of a rollback."""
    entries: dict[str, UpdateFacts | None] = {}
    for app in update.changed:
        containers = {name: msgspec.structs.replace(taken, before=None) for name, taken in in_force(planned, app).items()}
        containers |= {
            image.container: PinnedImageFacts(instead_of=image.pinned, digest=image.digest, before=image.before)
            for image in update.images
            if image.app == app
        }
        entries[app] = UpdateFacts(at=at, backup=backups.get(app), step="taking", containers=containers)
    return planned.given.images.replaced(entries)


def taken(images: Images, apps: Sequence[str]) -> Images:
    """Record the update of these apps as complete."""
    return _at(images, apps, None)


def returning(images: Images, apps: Sequence[str], *, restored: Collection[str] = ()) -> Images:
    """Record a rollback of these apps as begun: from now on the previous images run. Those in `restored` get their previous state, once."""
    going = [app for app in apps if app in images.images and images.images[app].step != "restored"]
    return _at(_at(images, going, "going-back"), [app for app in going if app in restored], "restoring")


def put_back(images: Images, app: str) -> Images:
    """Record that the app's previous state is restored, so that it is not restored twice."""
    return _at(images, [app], "restored")


def taking_again(images: Images, apps: Sequence[str]) -> Images:
    """Record that these apps are not rolled back after all: from now on the new images run, and are not known to be healthy."""
    return _at(images, apps, "taking")


def _at(images: Images, apps: Sequence[str], step: Step | None) -> Images:
    recorded = images.images
    return images.replaced({app: msgspec.structs.replace(recorded[app], step=step) for app in apps if app in recorded})


def returned(images: Images, apps: Sequence[str]) -> Images:
    """Record the rollback of these apps as complete: remove entries equal to the files; the others cannot be rolled back further."""
    entries: dict[str, UpdateFacts | None] = {}
    for app in apps:
        if (update := images.images.get(app)) is None:
            continue
        containers = {
            name: msgspec.structs.replace(taken, digest=update.runs[name], before=None)
            for name, taken in update.containers.items()
            if taken.instead_of.rpartition("@")[2] != update.runs[name]
        }
        entries[app] = UpdateFacts(at=update.at, containers=containers) if containers else None
    return images.replaced(entries)
