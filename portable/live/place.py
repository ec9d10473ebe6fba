"""From a prepared profile to the stack, the address of its engine, and the source of its secrets."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from portable.backends.prepare import Prepared
from portable.live.drivers import OpenedStack, opener_of, unsupported_on
from portable.live.image_updates import ImageUpdates
from portable.live.stack import Stack
from portable.local.paths import home_of
from portable.model.errors import Refused, UsageError
from portable.model.gitops import Flux
from portable.planning.inputs import PlanInput
from portable.profiles.types import SecretsFacts
from portable.secrets.sources import CommandSource, EnvironmentSource, ExternalSource, FileSource, SopsSource, Source

_OF_CONTROLLERS = {
    "down": "",
    "rollback": "write the previous digests under `override` of the profile, run ",
    "up": "",
    "update": "list newer images with `portable upkeep --task images`, write their digests under `override` of the profile, run ",
}
"""The commands that change what a GitOps controller applies, each with what to do before the profile is rendered."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A stack with its engine and its source of secrets."""

    source: Source
    opened: OpenedStack

    @property
    def stack(self) -> Stack:
        """The stack from its files."""
        return self.opened.stack

    @property
    def where(self) -> str:
        """The engine's address."""
        return self.opened.where

    @property
    def is_local(self) -> bool:
        """Whether the engine runs on this machine."""
        return self.opened.is_local


def place_of(prepared: Prepared, environment: Mapping[str, str] | None = None, *, verb: str = "") -> Place:
    """Open a prepared profile for a command. Raises Refused for a back end without a driver, or whose driver does not support the command,
    and UsageError for an invalid address of the engine.
    """
    profile, plan = prepared.planned.given.profile, prepared.planned.plan
    if remedy := unsupported_on(prepared.back_end.name).get(verb):
        text = f"`portable {verb}` is not supported on clusters yet"
        raise Refused(text, code="cluster.unsupported", where=f"profile {profile.name}", remedy=remedy)
    if plan.gitops is not None and profile.traits.has_namespaces and verb in _OF_CONTROLLERS:
        tool = "Flux" if isinstance(plan.gitops.controller, Flux) else "Argo CD"
        raise Refused(
            f"{tool} applies the objects of profile {profile.name}, and would undo what `portable {verb}` does",
            code="cluster.gitops",
            where=f"profile {profile.name}",
            remedy=f"{_OF_CONTROLLERS[verb]}`portable render -p {profile.name} -o FOLDER`, then commit and push: "
            f"FOLDER is {plan.gitops.path} in the repository"
            + ("; or suspend the controller, and run `portable up --take-over`" if verb == "up" else ""),
        )
    if (opener := opener_of(prepared.back_end.name)) is None:
        raise Refused(
            f"portable has no driver for {prepared.back_end.name}, the back end of profile {profile.name}",
            code="up.no-driver",
            remedy=f"run `portable render -p {profile.name} -o FOLDER`, and apply the folder with kubectl, oc or a GitOps controller",
        )
    variables = os.environ if environment is None else environment
    home = home_of(variables)
    source = source_of(profile.secrets, plan.stack, variables, home)
    return Place(source=source, opened=opener(prepared, taken_of(prepared.planned.given), variables, home, source))


def taken_of(given: PlanInput) -> ImageUpdates | None:
    """The newer images of a plan; None if the profile has no file for them."""
    return ImageUpdates(file=given.images_file, images=given.images) if given.images_file else None


def source_of(facts: SecretsFacts, stack: str, environment: Mapping[str, str], home: Path) -> Source:
    """The source of secret values; by default a private file of the stack, common to all its profiles.

    Raises UsageError for a path that is not absolute.
    """
    match facts.source:
        case "environment":
            return EnvironmentSource()
        case "command":
            return CommandSource(command=facts.command)
        case "external-secrets":
            external = facts.external
            return ExternalSource(store=external.store if external else "", kind=external.kind if external else "SecretStore")
        case "file" | "cluster" | "sops":
            config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
            path = facts.file if facts.file is not None else str(config / "portable" / stack / "secrets.yaml")
            path = str(home / path[2:]) if path.startswith("~/") else path
            if not path.startswith("/"):  # in another working folder it would be another file, with new secrets
                raise UsageError(
                    f"{path!r} is not an absolute path",
                    code="secret.file-path",
                    where="the profile's `secrets.file`",
                    remedy="begin it with / or ~/",
                )
            return SopsSource(path=path) if facts.source == "sops" else FileSource(path=path)
