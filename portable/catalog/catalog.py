"""Finds apps and clouds by name in the shipped catalog and in a person's own folders, and reads them when asked."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from portable.catalog.facts import AppFacts, CloudFacts, ContainerFacts
from portable.catalog.quantities import size
from portable.catalog.shipped import SHIPPED
from portable.formats.document import Document, Steps
from portable.formats.load import convert, load
from portable.formats.merge import Layer, lay
from portable.model.errors import InputError
from portable.model.plan import CLOUDS, LIBRARY
from portable.model.source import Mistake

Over = tuple[Layer, Mapping[str, Any]]


class Catalog:
    """All apps and clouds; a later folder's app takes the place of an earlier one of the same name."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        """`folders` are a person's own, each with `apps/<app>/app.yaml` or `<app>/app.yaml`, read after the shipped catalog."""
        self._apps: dict[str, Path] = {}
        self._clouds: dict[str, Path] = {}
        self.recipes: dict[str, Path] = {}
        """Folders from which images can be built, by name: an app's, or that of a part that several apps share."""
        for folder in (SHIPPED, *folders):
            for below in (folder / "apps", folder):
                self._apps |= {f.parent.name: f for f in sorted(below.glob("*/app.yaml"))}
                self.recipes |= {f.parent.parent.name: f.parent for f in sorted(below.glob("*/image/Dockerfile"))}
            self._clouds |= {f.parent.name: f for f in sorted((folder / "clouds").glob("*/cloud.yaml"))}
        self._read: dict[str, Document] = {}

    def names(self) -> tuple[str, ...]:
        """Every app, sorted."""
        return tuple(sorted(self._apps))

    def cloud_names(self) -> tuple[str, ...]:
        """Every cloud, sorted."""
        return tuple(sorted(self._clouds))

    def resolve(self, name: str) -> str | None:
        """The app of that name or alias; None where there is none. Aliases need all files, names need none."""
        return name if name in self._apps else self._aliases.get(name)

    def folder(self, app: str) -> Path:
        """Where the app's templates lie."""
        return self._apps[app].parent

    def cloud_folder(self, cloud: str) -> Path:
        """Where the cloud's template lies."""
        return self._clouds[cloud].parent

    def app(self, name: str, over: Iterable[Over] = ()) -> tuple[AppFacts, Document]:
        """The facts of an app with changes laid over them. Raises InputError with every mistake."""
        document = lay(self._document(name, self._apps[name]), *over)
        facts = convert(document, AppFacts)
        mistakes = [*_consistent(facts, document), *self._others(facts, document)]
        if facts.name != name:
            mistakes.append(document.mistake(("name",), f"the app in folder {name!r} calls itself {facts.name!r}", f"write `name: {name}`"))
        if mistakes:
            raise InputError(tuple(mistakes))
        return facts, document

    def cloud(self, name: str) -> tuple[CloudFacts, Document]:
        """The facts of a cloud. Raises InputError with every mistake."""
        document = self._document(f"cloud:{name}", self._clouds[name])
        facts = convert(document, CloudFacts)
        mistakes = [*self._others(facts, document)]
        if facts.name != name:
            mistakes.append(
                document.mistake(("name",), f"the cloud in folder {name!r} calls itself {facts.name!r}", f"write `name: {name}`")
            )
        if mistakes:
            raise InputError(tuple(mistakes))
        return facts, document

    def ports(self, name: str) -> tuple[str, ...]:
        """The names of the app's ports, as its file says them."""
        ports = self._document(name, self._apps[name]).data.get("ports", {})
        return tuple(sorted(ports)) if isinstance(ports, Mapping) else ()

    def says(self, name: str, *steps: str) -> object:
        """What the app's file says at these keys before anything is laid over it; None where it says nothing."""
        value: object = self._document(name, self._apps[name]).data
        for step in steps:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def _others(self, facts: AppFacts | CloudFacts, document: Document) -> Iterator[Mistake]:
        """References to other apps and to clouds: a name that nothing has would be passed over in silence."""
        named: list[tuple[Steps, str]] = [(("needs-apps", index), need) for index, need in enumerate(facts.needs_apps)]
        named += [(("after", index, "app"), after.app) for index, after in enumerate(facts.after)]
        if isinstance(facts, AppFacts):
            for name, container in facts.containers.items():
                if container.recipe is not None and container.recipe not in self.recipes:
                    remedy = f"known: {', '.join(sorted(self.recipes))}; a recipe is a folder {container.recipe}/image with a Dockerfile"
                    yield document.mistake(("containers", name, "recipe"), f"there is no recipe {container.recipe!r}", remedy)
            for index, cloud in enumerate(facts.clouds):
                if cloud not in self._clouds:
                    yield document.mistake(("clouds", index), f"there is no cloud {cloud!r}; known: {', '.join(self.cloud_names())}")
        for steps, name in named:
            if name in self._apps:
                continue
            known = self.resolve(name)
            remedy = f"write {known!r}: {name!r} is an alias of it" if known else f"known: {', '.join(self.names())}"
            yield document.mistake(steps, f"there is no app {name!r}", remedy)

    def _document(self, key: str, path: Path) -> Document:
        if key not in self._read:
            self._read[key] = load(path)
        return self._read[key]

    @functools.cached_property
    def _aliases(self) -> dict[str, str]:
        aliases: dict[str, str] = {}
        for name, path in self._apps.items():
            try:
                listed = self._document(name, path).data.get("aliases", ())
            except InputError:
                continue  # told when that app is wanted, and by `portable catalog check`
            aliases |= {alias: name for alias in listed if isinstance(alias, str)} if isinstance(listed, list) else {}
        return aliases


def _paths(container: ContainerFacts, document: Document, at: Steps) -> Iterator[Mistake]:
    """What a container sees: one thing at a path, and nothing but the library and the clouds where these lie (promise 3)."""
    seen: dict[str, str] = {}
    paths: list[tuple[Steps, str]] = [(("volumes", name), path) for name, path in container.volumes.items()]
    paths += [(("files", index, "path"), file.path) for index, file in enumerate(container.files)]
    paths += [(("secrets", name), path) for name, path in container.secrets.items()]
    for steps, path in paths:
        if any(path == tree or path.startswith(f"{tree}/") for tree in (LIBRARY, CLOUDS)):
            yield document.mistake(
                (*at, *steps), f"{path} belongs to the library and the clouds, which are one mount each", "choose another path"
            )
        elif path in seen:
            yield document.mistake((*at, *steps), f"{seen[path]} lies at {path} already", "choose another path")
        else:
            seen[path] = str(steps[0]).removesuffix("s") + (f" {steps[1]}" if isinstance(steps[1], str) else "")


def _consistent(facts: AppFacts, document: Document) -> Iterable[Mistake]:
    """What the types can't say: references inside one file."""
    if "main" not in facts.containers:
        yield document.mistake(("containers",), "an app needs a container `main`", "name its first container `main`", at_key=True)
    for port, port_facts in facts.ports.items():
        if port_facts.protocol == "tcp+udp" and f"{port}-udp" in facts.ports:
            yield document.mistake(("ports", f"{port}-udp"), f"the name is taken: the other half of {port!r} is called so", at_key=True)
        if port_facts.container not in facts.containers:
            yield document.mistake(
                ("ports", port, "container"), f"no container {port_facts.container!r}; known: {', '.join(facts.containers)}"
            )
    if (interface := facts.interface) is not None:
        if interface.port not in facts.ports:
            known = ", ".join(facts.ports) or "none"
            yield document.mistake(("interface",), f"no port {interface.port!r}; known: {known}")
        if interface.secret not in facts.secrets:
            yield document.mistake(("interface", "secret"), f"no secret {interface.secret!r}", "add it under `secrets`")
    for name, container in facts.containers.items():
        at = ("containers", name)
        for volume in container.volumes:
            if volume not in facts.volumes:
                known = ", ".join(facts.volumes) or "none"
                yield document.mistake(
                    (*at, "volumes", volume), f"no volume {volume!r}; known: {known}", "add it under `volumes`", at_key=True
                )
        for secret in container.secrets:
            if secret not in facts.secrets:
                yield document.mistake((*at, "secrets", secret), f"no secret {secret!r}", "add it under `secrets`", at_key=True)
        for variable, value in container.environment.items():
            if isinstance(value, str | int):
                continue
            if value.secret not in facts.secrets:
                yield document.mistake((*at, "environment", variable), f"no secret {value.secret!r}", "add it under `secrets`")
            elif value.key not in (keys := facts.secrets[value.secret].keys):
                yield document.mistake(
                    (*at, "environment", variable), f"secret {value.secret!r} has no key {value.key!r}; known: {', '.join(keys)}"
                )
        if container.before_main and (name == "main" or container.probe is None or container.only_if_exposed):
            text = "only what is beside main, is always there and has a probe can be ready before it"
            yield document.mistake((*at, "before-main"), text, "give it a probe, or remove `before-main`")
        yield from _paths(container, document, at)
        memory = container.resources.memory
        if not 0 < size(memory.request) <= size(memory.limit):
            text = f"asks for {memory.request} of memory, and its limit is {memory.limit}"
            yield document.mistake((*at, "resources", "memory"), text, "the request is more than 0 and at most the limit")
        if container.only_if_exposed and container.only_if_exposed not in facts.ports:
            yield document.mistake((*at, "only-if-exposed"), f"no port {container.only_if_exposed!r}")
        if (probe := container.probe) is not None:
            ways = [w for w in (probe.http, probe.tcp, probe.exec) if w is not None]
            if len(ways) != 1:
                yield document.mistake((*at, "probe"), "a probe is exactly one of http, tcp and exec")
            asked = probe.http.port if probe.http else probe.tcp
            if asked is not None and asked not in facts.ports:
                yield document.mistake((*at, "probe"), f"no port {asked!r}; known: {', '.join(facts.ports) or 'none'}")
