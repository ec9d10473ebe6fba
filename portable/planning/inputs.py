"""What planning is given, and the list of mistakes that every step adds to, so that all are told at once."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from portable.catalog.facts import AppFacts, CloudFacts
from portable.formats.document import Document
from portable.model.codes import Code
from portable.model.errors import InputError
from portable.model.source import Mistake, Source
from portable.profiles.images import Images
from portable.profiles.types import Profile, Stack


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of an app, after overrides, with the file that they come from."""

    facts: AppFacts
    document: Document
    pinned: Mapping[str, str] = {}
    """What the files themselves say of its images, by container, before any that was taken in their place."""


class CloudEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of a cloud with the file that they come from."""

    facts: CloudFacts
    document: Document


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A stack, a profile, and where each stands."""

    stack: Stack
    stack_document: Document | None
    profile: Profile
    profile_document: Document
    images: Images = Images()
    images_document: Document | None = None
    images_file: Path | None = None
    """Where the images that are newer than the files say lie, or would."""

    def stack_source(self, *path: str | int) -> Source:
        """Where a key of the stack stands; of the profile where there is no stack file."""
        return self.stack_document.source(path) if self.stack_document else self.profile_document.source(())

    def profile_source(self, *path: str | int) -> Source:
        """Where a key of the profile stands."""
        return self.profile_document.source(path)

    def images_source(self, *path: str | int) -> Source:
        """Where a key of the images stands."""
        return self.images_document.source(path) if self.images_document else self.profile_document.source(())


class Mistakes:
    """Collects mistakes; `stop()` raises them all."""

    def __init__(self) -> None:
        self._found: list[Mistake] = []

    def add(self, source: Source, path: str, text: str, remedy: str = "", *, code: Code) -> None:
        """Note one mistake and go on."""
        self._found.append(Mistake(source=source, path=path, text=text, remedy=remedy, code=code))

    def extend(self, found: Iterable[Mistake]) -> None:
        """Note those of another file."""
        self._found.extend(found)

    def unknown(
        self, source: Source, path: str, kind: str, name: str, known: Sequence[str], *, code: Code, near: str | None = None
    ) -> None:
        """Note an unknown name, with the known names and the nearest one; `near` overrides the nearest."""
        import difflib  # only for a mistake

        near = near or next(iter(difflib.get_close_matches(name, known, 1)), None)
        self.add(
            source,
            path,
            f"unknown {kind} {name!r}; known: {', '.join(sorted(known)) or 'none'}",
            f"did you mean {near!r}?" if near else "",
            code=code,
        )

    def stop(self) -> None:
        """Raise InputError where anything was noted."""
        if self._found:
            self.fail()

    def fail(self) -> NoReturn:
        """Raise InputError with all that was noted: nothing can go on without what is missing."""
        raise InputError(tuple(dict.fromkeys(self._found)))
