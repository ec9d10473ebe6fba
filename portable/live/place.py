"""From a prepared profile to what live functions take: the stack, its engine's address, and the source of its secrets."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from portable.backends.prepare import Prepared
from portable.live.drivers import Opened, opener_of
from portable.live.stack import Stack
from portable.live.taken import Taken
from portable.local.folders import home_of
from portable.model.errors import Refused, UsageError
from portable.planning.inputs import Input
from portable.profiles.types import SecretsFacts
from portable.secrets.sources import CommandSource, EnvironmentSource, FileSource, Source


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stack runs."""

    source: Source
    opened: Opened

    @property
    def stack(self) -> Stack:
        """The stack, as its files say it."""
        return self.opened.stack

    @property
    def where(self) -> str:
        """The engine's address."""
        return self.opened.where

    @property
    def is_local(self) -> bool:
        """Whether the engine runs on this machine."""
        return self.opened.is_local


def place_of(prepared: Prepared, environment: Mapping[str, str] | None = None) -> Place:
    """Raises Refused for a back end that has no driver yet, UsageError for an engine's address that is not valid."""
    profile, plan = prepared.planned.given.profile, prepared.planned.plan
    if (opener := opener_of(prepared.back_end.name)) is None:
        raise Refused(
            f"portable has no driver for {prepared.back_end.name}, the back end of profile {profile.name}",
            code="up.no-driver",
            remedy=f"run `portable render -p {profile.name} -o FOLDER`, and apply the folder with kubectl, oc or a GitOps controller",
        )
    found = os.environ if environment is None else environment
    home = home_of(found)
    source = source_of(profile.secrets, plan.stack, found, home)
    return Place(source=source, opened=opener(prepared, taken_of(prepared.planned.given), found, home, source))


def taken_of(given: Input) -> Taken | None:
    """The newer images that a plan was made with; none where no file could say of any."""
    return Taken(file=given.images_file, images=given.images) if given.images_file else None


def source_of(facts: SecretsFacts, stack: str, environment: Mapping[str, str], home: Path) -> Source:
    """Where secret values come from; by default a private file of the stack, the same for all its places.

    Raises UsageError for a file that is not told in full.
    """
    match facts.source:
        case "environment":
            return EnvironmentSource()
        case "command":
            return CommandSource(command=facts.command)
        case "file" | "cluster":
            config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
            path = facts.file or str(config / "portable" / stack / "secrets.yaml")
            path = str(home / path[2:]) if path.startswith("~/") else path
            if not path.startswith("/"):  # from another working folder it would be another file, and every secret a new one
                raise UsageError(
                    f"{path!r} is not an absolute path",
                    code="secret.file-path",
                    where="the profile's `secrets.file`",
                    remedy="begin it with / or ~/",
                )
            return FileSource(path=path)
