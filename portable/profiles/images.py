"""The images of a place that are newer than its files say: `<profile>.images.yaml`, beside the profile.

An entry takes the place of one image, as the files say it. Where they say another one the entry is void, so a person's own word wins.
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
"""The steps of going back."""
_DIGEST = r"sha256:[0-9a-f]{64}"
_HEAD = """\
# Written by `portable update`: images that run in the place of those that the catalog or the profile pins.
# No secrets; commit it if you like. Going back takes entries out, and so may you; then `portable up`.
"""
Digest = Annotated[str, Meta(pattern=f"^{_DIGEST}$", description="`sha256:` and 64 hexadecimal digits")]
Pinned = Annotated[
    str,
    Meta(
        pattern=rf"^[a-z0-9][a-z0-9._/:-]*:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}@{_DIGEST}$",
        description="an image as the catalog or profile pins it: repository:tag@digest",
    ),
]
Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$", description="a time in UTC, such as 2026-11-21T03:00:00Z")]
Backup = Annotated[
    str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T[0-9.]{6,12}Z$", description="the name of a backup, from `portable backup --list`")
]


class TakenFacts(Facts, frozen=True, kw_only=True, omit_defaults=True):
    """The image of one container."""

    instead_of: Pinned
    """What the files say; where they say another one, this entry is void."""
    digest: Digest
    before: Digest | None = None
    """What the last update replaced, and what going back brings; none where there is nothing to go back to."""

    @property
    def tagged(self) -> str:
        """Repository and tag."""
        return self.instead_of.partition("@")[0]


class UpdateFacts(Facts, frozen=True, kw_only=True, omit_defaults=True):
    """What was taken for an app, by container."""

    at: Moment
    """When."""
    backup: Backup | None = None
    """The backup of its state that was made before."""
    step: Step | None = None
    """What is not finished; the command that was interrupted completes it. All but `taking` go back: what was there before runs already.

    restoring: its state of before is not in its place yet; restored: it is, and what ran before is not well on it yet.
    """
    containers: Annotated[dict[Name, TakenFacts], Meta(min_length=1)]

    @property
    def runs(self) -> Mapping[str, str]:
        """The digest that runs, by container."""
        back = self.step in BACK
        return {name: (taken.before if back else None) or taken.digest for name, taken in self.containers.items()}


class Images(Facts, frozen=True, kw_only=True):
    """The whole file."""

    portable: Literal[1] = 1
    images: dict[Name, UpdateFacts] = {}

    def text(self) -> str:
        """As it is written: the same bytes for the same content."""
        return _HEAD + dump({"portable": 1, "images": msgspec.to_builtins(self.images)}, first=("portable", "at", "backup", "step"))

    def replaced(self, updates: Mapping[str, UpdateFacts | None]) -> "Images":
        """With other entries for those apps, or none."""
        merged = {**self.images, **updates}
        return Images(images={app: update for app, update in sorted(merged.items()) if update is not None})

    def unfinished(self, apps: Collection[str] | None = None, *steps: str) -> tuple[str, ...]:
        """Apps (those of `apps`) that are at such a step of an update; at any where none is named."""
        there = {app: update.step for app, update in self.images.items() if (apps is None or app in apps) and update.step is not None}
        return tuple(app for app, step in there.items() if not steps or step in steps)


def file_for(profile: Path, stack_file: Path | None, *, shipped: bool) -> Path | None:
    """Where the file of a profile lies: beside it, for a shipped profile in `profiles` beside `portable.yaml`.

    None where that is not there: nothing would find it from another folder, and an older program would meet what a newer one wrote.
    """
    name = f"{profile.stem}{SUFFIX}"
    if not shipped:
        return profile.with_name(name)
    return stack_file.parent / "profiles" / name if stack_file else None
