"""Images of a profile that are newer than the pinned ones: `<profile>.images.yaml`, beside the profile.

An entry replaces one pinned image. If the catalog or the profile pins another image, the entry is void, so that a person's choice wins.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from portable.catalog.facts import Facts, Name
from portable.formats.emit import dump

SUFFIX = ".images.yaml"
Step = Literal["taking", "going-back", "restoring", "restored"]
BACK = ("going-back", "restoring", "restored")
"""The steps of a rollback."""
_DIGEST = r"sha256:[0-9a-f]{64}"
_HEAD = """\
# Written by `portable update`: images that run instead of those that the catalog or the profile pins.
# It contains no secrets; commit it if you like. A rollback removes entries, and so can you; then run `portable up`.
"""
Digest = Annotated[str, Meta(pattern=rf"^{_DIGEST}$(?!\n)", description="`sha256:` and 64 hexadecimal digits")]
Pinned = Annotated[
    str,
    Meta(
        pattern=rf"^[a-z0-9][a-z0-9._/:-]*:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}@{_DIGEST}$(?!\n)",
        description="an image as the catalog or profile pins it: repository:tag@digest",
    ),
]
Moment = Annotated[
    str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$(?!\n)", description="a time in UTC, such as 2026-11-21T03:00:00Z")
]
Backup = Annotated[
    str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T[0-9.]{6,12}Z$(?!\n)", description="the name of a backup, from `portable backup --list`")
]


class PinnedImageFacts(Facts, frozen=True, kw_only=True, omit_defaults=True):
    """The image of one container."""

    instead_of: Pinned
    """The pinned image; if the files pin another one, this entry is void."""
    digest: Digest
    before: Digest | None = None
    """The digest that the last update replaced, and that a rollback restores; none if there is no earlier one."""

    @property
    def tagged(self) -> str:
        """Repository and tag."""
        return self.instead_of.partition("@")[0]


class UpdateFacts(Facts, frozen=True, kw_only=True, omit_defaults=True):
    """The update of one app, by container."""

    at: Moment
    """The time of the update."""
    backup: Backup | None = None
    """The backup of the app's state before the update."""
    step: Step | None = None
    """The unfinished step; the interrupted command completes it. All steps but `taking` are of a rollback: the previous image runs already.

    restoring: the previous state is not restored yet; restored: it is, but the previous image is not healthy with it yet.
    """
    containers: Annotated[dict[Name, PinnedImageFacts], Meta(min_length=1)]

    @property
    def runs(self) -> Mapping[str, str]:
        """The running digest of each container."""
        back = self.step in BACK
        return {name: (taken.before if back else None) or taken.digest for name, taken in self.containers.items()}


class Images(Facts, frozen=True, kw_only=True):
    """The whole file."""

    portable: Literal[1] = 1
    images: dict[Name, UpdateFacts] = {}

    def text(self) -> str:
        """The text of the file: the same bytes for the same content."""
        return _HEAD + dump({"portable": 1, "images": msgspec.to_builtins(self.images)}, first=("portable", "at", "backup", "step"))

    def replaced(self, updates: Mapping[str, UpdateFacts | None]) -> "Images":
        """A copy with other entries for those apps; None removes an entry."""
        merged = {**self.images, **updates}
        return Images(images={app: update for app, update in sorted(merged.items()) if update is not None})

    def unfinished(self, apps: Collection[str] | None = None, *steps: str) -> tuple[str, ...]:
        """Return the apps with an unfinished update: with `apps`, only among these; with `steps`, only at one of these steps."""
        current = {app: update.step for app, update in self.images.items() if (apps is None or app in apps) and update.step is not None}
        return tuple(app for app, step in current.items() if not steps or step in steps)


def file_for(profile: Path, stack_file: Path | None, *, shipped: bool) -> Path | None:
    """The images file of a profile: beside it; for a shipped profile, in `profiles` beside `portable.yaml`.

    None for a shipped profile without `portable.yaml`: other folders would not find the file, and older versions would read newer data.
    """
    name = f"{profile.stem}{SUFFIX}"
    if not shipped:
        return profile.with_name(name)
    return stack_file.parent / "profiles" / name if stack_file else None
