"""The input of planning, and the list of mistakes to which every step adds, so that all of them are reported at once."""

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
from portable.profiles.types import Profile, StackFile


class AppEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of an app after overrides, with their file."""

    facts: AppFacts
    document: Document
    pinned: Mapping[str, str] = {}
    """The images of its files by container, before updates."""


class CloudEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of a cloud, with their file."""

    facts: CloudFacts
    document: Document


class PlanInput(msgspec.Struct, frozen=True, kw_only=True):
    """A stack, a profile and updated images, each with its file."""

    stack: StackFile
    stack_document: Document | None
    profile: Profile
    profile_document: Document
    images: Images = Images()
    images_document: Document | None = None
    images_file: Path | None = None
    """The file of updated images, which need not exist."""

    def stack_source(self, *path: str | int) -> Source:
        """The place of a key in the stack; the start of the profile if there is no stack file."""
        return self.stack_document.source(path) if self.stack_document else self.profile_document.source(())

    def profile_source(self, *path: str | int) -> Source:
        """The place of a key in the profile."""
        return self.profile_document.source(path)

    def images_source(self, *path: str | int) -> Source:
        """The place of a key in the file of updated images; the start of the profile if there is no such file."""
        return self.images_document.source(path) if self.images_document else self.profile_document.source(())


class Mistakes:
    """A list of mistakes; `stop()` raises all of them."""

    def __init__(self) -> None:
        self._mistakes: list[Mistake] = []

    def add(self, source: Source, path: str, text: str, remedy: str = "", *, code: Code) -> None:
        """Note one mistake."""
        self._mistakes.append(Mistake(source=source, path=path, text=text, remedy=remedy, code=code))

    def extend(self, mistakes: Iterable[Mistake]) -> None:
        """Note several mistakes."""
        self._mistakes.extend(mistakes)

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
        """Raise InputError if there is a mistake."""
        if self._mistakes:
            self.fail()

    def fail(self) -> NoReturn:
        """Raise InputError with all mistakes; for a mistake after which planning cannot go on."""
        raise InputError(tuple(dict.fromkeys(self._mistakes)))
