"""Which newer images there are for the groups of a plan, what is done to take them, and what the file says after each step.

It decides only; `updates` carries it out. Pure, but for the registry, which is asked through a function.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import msgspec

from portable.model.base import Struct
from portable.model.errors import UsageError
from portable.model.plan import Group, Plan
from portable.model.registry import Offered, not_offered, split_reference
from portable.planning import Planned
from portable.profiles.images import Images, Step, TakenFacts, UpdateFacts

Asked = Literal["same", "newer", "unknown"]


class Answer(Struct, frozen=True, kw_only=True):
    """What a registry says of an image, or why nothing is known."""

    result: Asked
    text: str
    digest: str = ""
    """What it has under the tag; empty where that is not known."""
    why: Literal["", "absent", "refused", "unknown"] = ""
    """Why it offered nothing, where it was asked: as `Offered` says it."""

    @property
    def silent(self) -> bool:
        """Whether it was asked and offered nothing, and may at another time."""
        return bool(self.why)


class Newer(Struct, frozen=True, kw_only=True):
    """A newer image for a container."""

    app: str
    container: str
    pinned: str
    """What the files say."""
    image: str
    """Repository and tag."""
    before: str
    digest: str


class Update(Struct, frozen=True, kw_only=True):
    """What there is to take for a group."""

    group: str
    apps: tuple[str, ...]
    """All of the group, in their order of start."""
    images: tuple[Newer, ...]
    kept: tuple[str, ...] = ()
    """Apps whose state is backed up first."""
    stopped: tuple[str, ...] = ()
    """Those of them that are stopped meanwhile."""

    @property
    def changed(self) -> tuple[str, ...]:
        """The apps that get another image."""
        return tuple(app for app in self.apps if any(image.app == app for image in self.images))

    def steps(self, file: str) -> tuple[str, ...]:
        """What is done, in order, each as a sentence."""
        running = [app for app in self.kept if app not in self.stopped]
        return (
            *(f"bring {image.image}@{image.digest} while {image.app} runs" for image in self.images),
            *([f"back up {', '.join(running)}"] if running else []),
            *(f"stop {app}, back it up, start it" for app in self.stopped),
            f"write what {', '.join(self.changed)} shall run to {file}",
            f"start {', '.join(self.changed)} anew, and wait until all of {self.group} is well; else put everything back",
        )


class Registries:
    """Asks for the newest of a tag. Each image once, and a registry of which nothing was heard not again."""

    def __init__(self, offered: Callable[[str], Offered]) -> None:
        """`offered` tells what a registry has under `repository:tag`."""
        self._offered = offered
        self._silent: dict[str, Offered] = {}
        self._answers: dict[str, Answer] = {}

    def ask(self, reference: str) -> Answer:
        """Whether there is another image under that reference's tag than the one that it is pinned to."""
        if reference not in self._answers:
            self._answers[reference] = self._ask(reference)
        return self._answers[reference]

    def _ask(self, reference: str) -> Answer:
        tagged, _, digest = reference.partition("@")
        host = split_reference(reference)[0]
        if host == "localhost":
            return Answer(result="unknown", text="it is built here")
        if not digest:
            return Answer(result="unknown", text="it is pinned by its tag alone: `portable up` takes what it got first")
        found = self._silent.get(host) or self._offered(tagged)
        if found.why:
            if found.why == "unknown":
                self._silent[host] = found
            return Answer(result="unknown", text=not_offered(found, host), why=found.why)
        if found.digest == digest:
            return Answer(result="same", text="it is the newest of its tag", digest=digest)
        return Answer(result="newer", text="its registry has a newer one", digest=found.digest)


def groups_of(plan: Plan, names: Collection[str]) -> tuple[Group, ...]:
    """The groups that these are, or are in (all where none is named), in start order. Raises UsageError for a name that nothing has."""
    place = {app.name: index for index, app in enumerate(plan.apps)}
    groups = sorted(plan.groups, key=lambda group: min(place.get(app, len(place)) for app in group.apps))
    known = {name for group in groups for name in (group.name, *group.apps)}
    if unknown := [name for name in names if name not in known]:
        remedy = f"known: {', '.join(sorted(known))}; without a name every app is meant"
        raise UsageError(f"there is no app or group {', '.join(unknown)} in {plan.profile}", remedy=remedy)
    return tuple(group for group in groups if not names or {group.name, *group.apps} & set(names))


def update_of(planned: Planned, group: Group, registries: Registries, *, backup: bool) -> Update:
    """What there is to take for that group; with `backup`, the state of the apps that change is backed up first."""
    plan = planned.plan
    apps = tuple(app for app in plan.apps if app.name in group.apps)
    images: list[Newer] = []
    for app in apps:
        pinned = planned.chosen.apps[app.name].pinned
        for container in app.containers:
            image = container.image
            answer = registries.ask(image.reference)
            if answer.result == "newer" and image.digest is not None:
                images.append(
                    Newer(
                        app=app.name,
                        container=container.name,
                        pinned=pinned[container.name],
                        image=image.tagged,
                        before=image.digest,
                        digest=answer.digest,
                    )
                )
    found = Update(group=group.name, apps=tuple(app.name for app in apps), images=tuple(images))
    lasting = tuple(app for app in found.changed if keeps_state(planned, app)) if backup else ()
    return msgspec.structs.replace(found, kept=lasting, stopped=tuple(app for app in lasting if _still(planned, app)))


def keeps_state(planned: Planned, app: str) -> bool:
    """Whether it keeps something that a newer program may change so that an older one can't read it."""
    return any(volume.holds != "cache" for volume in planned.chosen.apps[app].facts.volumes.values())


def _still(planned: Planned, app: str) -> bool:
    """Whether something of it may be copied only while it is stopped."""
    volumes = planned.chosen.apps[app].facts.volumes.values()
    return any(volume.holds != "cache" and volume.copied == "stopped" for volume in volumes)


# --- what the file says ----------------------------------------------------------------------------------------------


def in_force(planned: Planned, app: str) -> Mapping[str, TakenFacts]:
    """The entries of an app that are about the images that its files say."""
    update = planned.given.images.images.get(app)
    pinned = planned.chosen.apps[app].pinned
    return {name: taken for name, taken in update.containers.items() if pinned.get(name) == taken.instead_of} if update else {}


def replaced(planned: Planned, app: str) -> Mapping[str, TakenFacts]:
    """Those of them that the last update brought, and that can go back."""
    return {name: entry for name, entry in in_force(planned, app).items() if entry.before}


def begun(planned: Planned, update: Update, *, at: str, backups: Mapping[str, str]) -> Images:
    """The new images, being taken; what was taken before for other containers stays, and is not what going back is about."""
    entries: dict[str, UpdateFacts | None] = {}
    for app in update.changed:
        containers = {name: msgspec.structs.replace(taken, before=None) for name, taken in in_force(planned, app).items()}
        containers |= {
            image.container: TakenFacts(instead_of=image.pinned, digest=image.digest, before=image.before)
            for image in update.images
            if image.app == app
        }
        entries[app] = UpdateFacts(at=at, backup=backups.get(app), step="taking", containers=containers)
    return planned.given.images.replaced(entries)


def taken(images: Images, apps: Sequence[str]) -> Images:
    """The update of these apps is finished."""
    return _at(images, apps, None)


def returning(images: Images, apps: Sequence[str], *, restored: Collection[str] = ()) -> Images:
    """These apps go back: what was there before runs from here on. For those in `restored`, their state of before too, once."""
    going = [app for app in apps if app in images.images and images.images[app].step != "restored"]
    return _at(_at(images, going, "going-back"), [app for app in going if app in restored], "restoring")


def put_back(images: Images, app: str) -> Images:
    """The state of before is in its place: it is not put there a second time."""
    return _at(images, [app], "restored")


def taking_again(images: Images, apps: Sequence[str]) -> Images:
    """These apps do not go back after all: what was taken runs from here on, and is not known to be well."""
    return _at(images, apps, "taking")


def _at(images: Images, apps: Sequence[str], step: Step | None) -> Images:
    there = images.images
    return images.replaced({app: msgspec.structs.replace(there[app], step=step) for app in apps if app in there})


def returned(images: Images, apps: Sequence[str]) -> Images:
    """These apps went back: an entry that says what the files say anyway is gone, and no other can go back further."""
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
