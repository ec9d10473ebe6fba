"""Finds apps and clouds by name in the shipped catalog and in the user's folders, and reads them on demand."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from portable.catalog.facts import AppFacts, CloudFacts, ContainerFacts
from portable.catalog.inside import links_out, refuse_outside
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
    """All apps and clouds; an app of a later folder replaces an earlier one with the same name."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        """`folders` are the user's, each with `apps/<app>/app.yaml` or `<app>/app.yaml`; they follow the shipped catalog."""
        self._apps: dict[str, Path] = {}
        self._clouds: dict[str, Path] = {}
        self.recipes: dict[str, Path] = {}
        """Image recipes: build folders by name, each of an app or of an image that several apps share."""
        self._roots = (SHIPPED, *folders)
        self._root_of: dict[Path, Path] = {}
        self._outside: dict[str, Path] = {}
        """By recipe: what of it leads out of its catalog."""
        for folder in self._roots:
            for below in (folder / "apps", folder):
                found = sorted(below.glob("*/app.yaml"))
                self._apps |= {f.parent.name: f for f in found}
                self._root_of |= {f.parent: folder for f in found if len(folder.parts) >= len(self._root_of.get(f.parent, folder).parts)}
                self._add_recipes(folder, below)
            self._clouds |= {f.parent.name: f for f in sorted((folder / "clouds").glob("*/cloud.yaml"))}
        self._read: dict[str, Document] = {}

    def _add_recipes(self, root: Path, below: Path) -> None:
        for file in sorted(below.glob("*/image/Dockerfile")):
            name = file.parent.parent.name
            outside = next(links_out(file.parent, root), None) if root != SHIPPED else None
            self.recipes.pop(name, None)
            self._outside.pop(name, None)
            if outside is None:
                self.recipes[name] = file.parent
            else:
                self._outside[name] = outside

    def overlooked(self) -> tuple[Mistake, ...]:
        """What lies in the user's folders like an app or a cloud, and is not read."""
        if len(self._roots) == 1:
            return ()
        from portable.catalog.overlooked import overlooked  # few have a catalog of their own

        return tuple(overlooked(self._roots[1:]))

    def root(self, path: Path) -> Path:
        """The folder of the catalog to which a file belongs; nothing outside of it is read."""
        folder = path.parent
        if folder not in self._root_of:
            roots = (root for root in self._roots if path.is_relative_to(root))
            self._root_of[folder] = max(roots, key=lambda root: len(root.parts))
        return self._root_of[folder]

    def names(self) -> tuple[str, ...]:
        """Every app, sorted."""
        return tuple(sorted(self._apps))

    def cloud_names(self) -> tuple[str, ...]:
        """Every cloud, sorted."""
        return tuple(sorted(self._clouds))

    def resolve(self, name: str) -> str | None:
        """The app with that name or alias; None if unknown. An alias requires reading all files, a name requires none."""
        return name if name in self._apps else self._aliases.get(name)

    def folder(self, app: str) -> Path:
        """The folder of the app's templates."""
        return self._apps[app].parent

    def cloud_folder(self, cloud: str) -> Path:
        """The folder of the cloud's template."""
        return self._clouds[cloud].parent

    def app(self, name: str, over: Iterable[Over] = ()) -> tuple[AppFacts, Document]:
        """The facts of an app, with the changes of `over` applied. Raises InputError with every mistake."""
        document = lay(self._document(name, self._apps[name]), *over)
        facts = convert(document, AppFacts)
        mistakes = [*_consistent(facts, document), *self._others(facts, document)]
        if facts.name != name:
            mistakes.append(_misnamed(document, "app", name, facts.name))
        if mistakes:
            raise InputError(tuple(mistakes))
        return facts, document

    def cloud(self, name: str) -> tuple[CloudFacts, Document]:
        """The facts of a cloud. Raises InputError with every mistake."""
        document = self._document(f"cloud:{name}", self._clouds[name])
        facts = convert(document, CloudFacts)
        mistakes = [*self._others(facts, document)]
        if facts.name != name:
            mistakes.append(_misnamed(document, "cloud", name, facts.name))
        if mistakes:
            raise InputError(tuple(mistakes))
        return facts, document

    def ports(self, name: str) -> tuple[str, ...]:
        """The names of the app's ports in its file, sorted."""
        ports = self._document(name, self._apps[name]).data.get("ports", {})
        return tuple(sorted(ports)) if isinstance(ports, Mapping) else ()

    def data(self, name: str) -> Mapping[str, Any]:
        """The content of the app's own file, without changes."""
        return self._document(name, self._apps[name]).data

    def says(self, name: str, *steps: str) -> object:
        """The value at these keys in the app's own file, without changes; None if it has none."""
        value: object = self._document(name, self._apps[name]).data
        for step in steps:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def _others(self, facts: AppFacts | CloudFacts, document: Document) -> Iterator[Mistake]:
        """Report references to unknown apps, clouds and recipes, which would otherwise be ignored silently."""
        references: list[tuple[Steps, str]] = [(("needs-apps", index), need) for index, need in enumerate(facts.needs_apps)]
        references += [(("after", index, "app"), after.app) for index, after in enumerate(facts.after)]
        if isinstance(facts, AppFacts):
            for name, container in facts.containers.items():
                if container.recipe in self._outside:
                    text = f"the recipe {container.recipe!r} reads {self._outside[container.recipe]}, which is outside the catalog's folder"
                    remedy = "copy the file into the folder of the recipe, instead of a symbolic link"
                    yield document.mistake(("containers", name, "recipe"), text, remedy, code="catalog.outside")
                elif container.recipe is not None and container.recipe not in self.recipes:
                    text = f"there is no recipe {container.recipe!r}; known: {', '.join(sorted(self.recipes))}"
                    remedy = f"create the folder {container.recipe}/image with a Dockerfile, or correct the name"
                    yield document.mistake(("containers", name, "recipe"), text, remedy, code="catalog.unknown-recipe")
            for index, cloud in enumerate(facts.clouds):
                if cloud not in self._clouds:
                    text = f"there is no cloud {cloud!r}; known: {', '.join(self.cloud_names())}"
                    yield document.mistake(("clouds", index), text, code="catalog.unknown-cloud")
        for steps, name in references:
            if name in self._apps:
                continue
            app = self.resolve(name)
            text = f"there is no app {name!r}" if app else f"there is no app {name!r}; known: {', '.join(self.names())}"
            remedy = f"write {app!r}: {name!r} is an alias of it" if app else ""
            yield document.mistake(steps, text, remedy, code="catalog.unknown-app")

    def _document(self, key: str, path: Path) -> Document:
        if key not in self._read:
            refuse_outside(path, self.root(path))
            self._read[key] = load(path)
        return self._read[key]

    @functools.cached_property
    def _aliases(self) -> dict[str, str]:
        aliases: dict[str, str] = {}
        for name, path in self._apps.items():
            try:
                listed = self._document(name, path).data.get("aliases", ())
            except InputError:
                continue  # reported when that app is loaded, and by `portable catalog check`
            aliases |= {alias: name for alias in listed if isinstance(alias, str)} if isinstance(listed, list) else {}
        return aliases


def _misnamed(document: Document, kind: str, folder: str, name: str) -> Mistake:
    return document.mistake(
        ("name",), f"the {kind} in folder {folder!r} has the name {name!r}", f"write `name: {folder}`", code="catalog.name"
    )


def _paths(container: ContainerFacts, document: Document, at: Steps) -> Iterator[Mistake]:
    """Check the mount paths of a container: each path once, and none inside the library or the clouds (promise 3)."""
    seen: dict[str, str] = {}
    paths: list[tuple[Steps, str]] = [(("volumes", name), path) for name, path in container.volumes.items()]
    paths += [(("files", index, "path"), file.path) for index, file in enumerate(container.files)]
    paths += [(("secrets", name), path) for name, path in container.secrets.items()]
    for steps, path in paths:
        if any(path == tree or path.startswith(f"{tree}/") for tree in (LIBRARY, CLOUDS)):
            text = f"{path} is reserved: the library and the clouds are one mount each"
            yield document.mistake((*at, *steps), text, f"choose a path outside {LIBRARY} and {CLOUDS}", code="catalog.reserved-path")
        elif path in seen:
            text = f"{path} is already the path of {seen[path]}"
            yield document.mistake((*at, *steps), text, "choose another path", code="catalog.duplicate-path")
        else:
            seen[path] = f"{str(steps[0]).removesuffix('s')} {steps[1]}" if isinstance(steps[1], str) else "another file"


def _consistent(facts: AppFacts, document: Document) -> Iterable[Mistake]:
    """Check references inside one file, which the types cannot express."""
    if "main" not in facts.containers:
        text, remedy = "an app needs a container `main`", "name its first container `main`"
        yield document.mistake(("containers",), text, remedy, code="catalog.no-main", at_key=True)
    for port, port_facts in facts.ports.items():
        if port_facts.protocol == "tcp+udp" and f"{port}-udp" in facts.ports:
            text = f"{port}-udp is already the name of the UDP half of port {port!r}"
            yield document.mistake(("ports", f"{port}-udp"), text, "choose another name", code="catalog.port-name", at_key=True)
        if port_facts.container not in facts.containers:
            text = f"there is no container {port_facts.container!r}; known: {', '.join(facts.containers)}"
            yield document.mistake(("ports", port, "container"), text, code="catalog.unknown-container")
    if (interface := facts.interface) is not None:
        if interface.port not in facts.ports:
            yield _unknown_port(facts, document, ("interface",), interface.port)
        if interface.secret not in facts.secrets:
            yield _unknown_secret(document, ("interface", "secret"), interface.secret)
    if facts.claim is not None and facts.claim.secret not in facts.secrets:
        yield _unknown_secret(document, ("claim", "secret"), facts.claim.secret)
    for name, container in facts.containers.items():
        at = ("containers", name)
        for volume in container.volumes:
            if volume not in facts.volumes:
                text = f"there is no volume {volume!r}; known: {', '.join(facts.volumes) or 'none'}"
                remedy = f"add `{volume}:` under `volumes`"
                yield document.mistake((*at, "volumes", volume), text, remedy, code="catalog.unknown-volume", at_key=True)
        for secret in container.secrets:
            if secret not in facts.secrets:
                yield _unknown_secret(document, (*at, "secrets", secret), secret, at_key=True)
        for variable, value in container.environment.items():
            if isinstance(value, str | int):
                continue
            if value.secret not in facts.secrets:
                yield _unknown_secret(document, (*at, "environment", variable), value.secret)
            elif value.key not in (keys := facts.secrets[value.secret].keys):
                text = f"secret {value.secret!r} has no key {value.key!r}; known: {', '.join(keys)}"
                yield document.mistake((*at, "environment", variable), text, code="catalog.unknown-secret-key")
        if container.before_main and (name == "main" or container.probe is None or container.only_if_exposed):
            text = "`before-main` needs a container other than main that has a probe and always runs"
            remedy = "give it a `probe` and remove `only-if-exposed`, or remove `before-main`"
            yield document.mistake((*at, "before-main"), text, remedy, code="catalog.before-main")
        yield from _paths(container, document, at)
        memory = container.resources.memory
        if not 0 < size(memory.request) <= size(memory.limit):
            text = f"the memory request is {memory.request}, and the limit is {memory.limit}"
            remedy = "set a request that is more than 0 and at most the limit"
            yield document.mistake((*at, "resources", "memory"), text, remedy, code="catalog.memory")
        if container.only_if_exposed and container.only_if_exposed not in facts.ports:
            yield _unknown_port(facts, document, (*at, "only-if-exposed"), container.only_if_exposed)
        if (probe := container.probe) is not None:
            kinds = [kind for kind in (probe.http, probe.tcp, probe.exec) if kind is not None]
            if len(kinds) != 1:
                text, remedy = "a probe is exactly one of http, tcp and exec", "write one of the three"
                yield document.mistake((*at, "probe"), text, remedy, code="catalog.probe")
            port_name = probe.http.port if probe.http else probe.tcp
            if port_name is not None and port_name not in facts.ports:
                yield _unknown_port(facts, document, (*at, "probe"), port_name)


def _unknown_port(facts: AppFacts, document: Document, steps: Steps, port: str) -> Mistake:
    text = f"there is no port {port!r}; known: {', '.join(facts.ports) or 'none'}"
    return document.mistake(steps, text, code="catalog.unknown-port")


def _unknown_secret(document: Document, steps: Steps, secret: str, *, at_key: bool = False) -> Mistake:
    remedy = f"add `{secret}:` under `secrets`"
    return document.mistake(steps, f"there is no secret {secret!r}", remedy, code="catalog.unknown-secret", at_key=at_key)
