"""From a prepared profile to what live functions take: the stack, its engine's address, and the source of its secrets."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from portable.backends.prepare import Prepared
from portable.engines.docker.address import Address, resolve
from portable.live.compose.desired import Stack, stack_of
from portable.live.taken import Taken
from portable.local.folders import home_of
from portable.model.errors import PortableError, Refused, UsageError
from portable.planning.inputs import Input
from portable.profiles.types import SecretsFacts
from portable.secrets.sources import CommandSource, EnvironmentSource, FileSource, Source

if TYPE_CHECKING:
    from portable.engines.docker.engine import EngineReader


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stack runs."""

    stack: Stack
    address: Address
    source: Source


def place_of(prepared: Prepared, environment: Mapping[str, str] | None = None) -> Place:
    """Raises Refused for a back end that has no live part yet, UsageError for an engine's address that is none."""
    profile, plan = prepared.planned.given.profile, prepared.planned.plan
    if prepared.back_end.name != "compose":
        raise Refused(
            f"profile {profile.name} runs on {prepared.back_end.name}, and portable does not drive clusters yet",
            remedy=f"apply what `portable render -p {profile.name} -o FOLDER` writes, with kubectl, oc or a GitOps controller",
        )
    found = os.environ if environment is None else environment
    home = home_of(found)
    return Place(
        stack=stack_of(plan, prepared.rendering, prepared.recipes, taken_of(prepared.planned.given)),
        address=resolve(profile.engine, found, home),
        source=source_of(profile.secrets, plan.stack, found, home),
    )


def taken_of(given: Input) -> Taken | None:
    """The newer images that a plan was made with; none where no file could say of any."""
    return Taken(file=given.images_file, images=given.images) if given.images_file else None


def tools_image(engine: "EngineReader", place: Place) -> str:
    """The image that is there for a helper on the engine's host: the tools'. Raises PortableError where `up` has not brought it yet."""
    from portable.live.compose import images
    from portable.live.compose.recipes import recipes_of

    plan = place.stack.plan
    assert plan is not None
    tools = plan.tools.image.reference
    needs = [need for need in place.stack.images if need.reference == tools]
    image = images.foresee(engine, needs, recipes_of(place.stack.recipes)).effective.get(tools, tools)
    if not engine.image_ids([image]):
        raise PortableError("the image of the tools is not there to look with: `portable up` brings it")
    return image


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
                raise UsageError(f"{path!r} is no absolute path", where="the profile's `secrets.file`", remedy="begin it with / or ~/")
            return FileSource(path=path)
