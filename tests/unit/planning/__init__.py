"""Small stacks for tests of planning: a profile and apps as text, valid by default; a test states only what matters to it."""

import contextlib
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from portable.catalog.catalog import Catalog
from portable.formats.document import Document
from portable.formats.emit import dump
from portable.formats.load import convert, load
from portable.formats.merge import merged
from portable.model.errors import InputError
from portable.model.source import Mistake, Source
from portable.planning import Planned, make
from portable.planning.inputs import PlanInput
from portable.profiles.images import Images
from portable.profiles.load import load_profile, profile_files
from portable.profiles.types import Profile, StackFile

COMPOSE: dict[str, Any] = {
    "portable": 1,
    "name": "test",
    "back-end": "compose",
    "storage": {"library": {"folder": "/srv/library"}, "state": {"folder": "/srv/state"}},
    "devices": {"tun": {"host": {"path": "/dev/net/tun"}}, "fuse": {"host": {"path": "/dev/fuse"}}},
}
CLUSTER: dict[str, Any] = merged(
    COMPOSE,
    {
        "back-end": "kubernetes",
        "storage": {
            "library": {"folder": None, "claim": {"name": "library", "size": "1Ti", "shared": True}},
            "state": {"folder": None, "claim": {}},
        },
    },
)
VPN: dict[str, Any] = {"vpn": {"gateway": "gluetun"}}
BASE = "portable: 1\nname: base\nback-end: compose\nstorage: {library: {folder: /srv/l}, state: {folder: /srv/s}}\nvpn: {}\n"
TUN = "devices: {tun: {host: {path: /dev/net/tun}}}\n"


def port_of(name: str) -> int:
    """The web port of an app of these tests; another one for each name."""
    return 20000 + zlib.crc32(name.encode()) % 40000


def app(name: str, **changes: Any) -> dict[str, Any]:
    """A right `app.yaml` as data; changes merge, keys with `_` for `-`."""
    facts = {
        "portable": 1,
        "name": name,
        "title": name.title(),
        "about": f"the app {name}",
        "zone": "front",
        "containers": {
            "main": {
                "image": {"repository": f"registry.test/{name}", "tag": "1"},
                "identity": "user",
                "resources": {"memory": {"request": "64Mi", "limit": "128Mi"}},
            }
        },
        "ports": {"web": {"number": port_of(name), "serves": "http"}},
    }
    return merged(facts, {key.replace("_", "-"): value for key, value in changes.items()})


def cloud(name: str, **changes: Any) -> dict[str, Any]:
    """A right `cloud.yaml` as data."""
    facts = {
        "portable": 1,
        "name": name,
        "title": name,
        "about": "a cloud",
        "remote": f"{name}:",
        "known-entry": "all",
        "template": "conf.j2",
    }
    return merged(facts, {key.replace("_", "-"): value for key, value in changes.items()})


_ROUGH = {"port.lan-address", "plan.secret-store"}
"""Mistakes that point at what stands beside their path."""


def _positions(document: Document, path: str) -> set[Source]:
    """Where the value at a path of the profile begins, and all that is in it. None for the path of another file."""
    parts = [int(index) if index else key for index, key in re.findall(r"\[(\d+)\]|([^.\[\]]+)", path)]
    value: Any = document.data
    steps: list[str | int] = []
    while parts:
        count = 1
        if isinstance(value, dict):  # a key may have dots
            joined = (".".join(map(str, parts[:n])) for n in range(len(parts), 0, -1))
            count = next((len(parts) - n for n, key in enumerate(joined) if key in value), 1)
        step = parts[0] if count == 1 else ".".join(map(str, parts[:count]))
        steps, parts = [*steps, step], parts[count:]
        with contextlib.suppress(KeyError, IndexError, TypeError):
            value = value[step]
    return set(_all_in(document, tuple(steps), value)) if not steps or steps[0] in document.data else set()


def _all_in(document: Document, steps: tuple[str | int, ...], value: Any) -> Iterator[Source]:
    yield document.source(steps)
    inner: dict[Any, Any] = dict(enumerate(value)) if isinstance(value, list) else value if isinstance(value, dict) else {}
    for step, deeper in inner.items():
        yield document.key((*steps, step))
        yield from _all_in(document, (*steps, step), deeper)


class Place:
    """A folder with apps and clouds of its own, planned with a profile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, *apps: dict[str, Any], clouds: tuple[dict[str, Any], ...] = (), templates: dict[str, str] | None = None) -> "Place":
        """Those apps and clouds; templates by `<app>/<file>`. A cloud gets an empty configuration."""
        for facts in apps:
            file = self.folder / "apps" / facts["name"] / "app.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dump(facts))
        for facts in clouds:
            file = self.folder / "clouds" / facts["name"] / "cloud.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dump(facts))
            (file.parent / "conf.j2").write_text("[remote]\n")
        for name, text in (templates or {}).items():
            (self.folder / "apps" / name).write_text(text)
        return self

    def plan(
        self, *apps: str, base: dict[str, Any] = COMPOSE, stack: str | None = None, images: str | None = None, **changes: Any
    ) -> Planned:
        """The plan of those apps; changes merge into the profile, keys with `_` for `-`. `images` are newer than its files say."""
        return make(self.given(*apps, base=base, stack=stack, images=images, **changes), Catalog([self.folder]))

    def given(
        self, *apps: str, base: dict[str, Any] = COMPOSE, stack: str | None = None, images: str | None = None, **changes: Any
    ) -> PlanInput:
        """What `plan` makes a plan of."""
        data = merged(base, {"apps": list(apps), **{key.replace("_", "-"): value for key, value in changes.items()}}, changes=("override",))
        document = load(("test.yaml", dump(data).encode()))
        stack_document = load(("portable.yaml", stack.encode())) if stack is not None else None
        images_document = load(("test.images.yaml", images.encode())) if images is not None else None
        return PlanInput(
            stack=convert(stack_document, StackFile) if stack_document else StackFile(),
            stack_document=stack_document,
            profile=convert(document, Profile),
            profile_document=document,
            images=convert(images_document, Images) if images_document else Images(),
            images_document=images_document,
        )

    def caught(self, *apps: str, **changes: Any) -> tuple[Mistake, ...]:
        """Every mistake of that plan; each has a file, a line and a column: those of its path in the profile."""
        with pytest.raises(InputError) as caught:
            self.plan(*apps, **changes)
        for mistake in caught.value.mistakes:
            assert mistake.source.file.endswith((".yaml", ".yml"))
            assert mistake.source.line >= 1
            assert mistake.source.column >= 1
        with contextlib.suppress(InputError):  # what is no profile has mistakes of its form only
            profile = self.given(*apps, **changes).profile_document
            for mistake in caught.value.mistakes:
                if mistake.source.file == profile.file and mistake.code not in _ROUGH:
                    assert mistake.source in (_positions(profile, mistake.path) or {mistake.source}), mistake
        return caught.value.mistakes

    def told(self, *apps: str, **changes: Any) -> list[tuple[str, str]]:
        """(path, code) of every mistake of that plan."""
        return [(mistake.path, mistake.code) for mistake in self.caught(*apps, **changes)]

    def refuses(self, *apps: str, wanted: Sequence[tuple[str, ...]], **changes: Any) -> None:
        """Assert that the plan has exactly these mistakes, in order: path, code, and words that its text contains."""
        caught = self.caught(*apps, **changes)
        assert [(m.path, m.code) for m in caught] == [(path, code) for path, code, *_ in wanted]
        for mistake, (_, _, *words) in zip(caught, wanted, strict=True):
            assert [word for word in words if word not in mistake.text] == [], mistake.text

    def mistakes(self, *apps: str, **changes: Any) -> str:
        """The whole report, without the folder's name."""
        return str(InputError(self.caught(*apps, **changes))).replace(f"{self.folder}/", "")


def of_files(folder: Path, sets: tuple[str, ...] = (), **files: str) -> Planned:
    """The plan of the profile `top`, of files in a folder by their names."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    profile, document = load_profile("top", profile_files([folder]), sets)
    given = PlanInput(stack=StackFile(), stack_document=None, profile=profile, profile_document=document)
    return make(given, Catalog())
