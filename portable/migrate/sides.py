"""The two places of a move of apps: a source and a target, each a profile with its plan."""

from collections.abc import Mapping

import msgspec

from portable.backends.prepare import Prepared
from portable.live.place import Place
from portable.live.stack import Stack
from portable.model.errors import Refused
from portable.model.findings import Finding
from portable.model.plan import Plan
from portable.secrets.sources import Source

TODAY = "today both profiles must run on Docker Compose, on one engine of this machine, under two project names"


class MoveSide(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a move."""

    profile: str
    """As the person typed it."""
    plan: Plan
    place: Place
    generated: Mapping[str, str] = {}
    """The secrets that may be generated, with their kinds."""
    ledger: tuple[Finding, ...] = ()
    """The findings of its profile."""

    @property
    def stack(self) -> Stack:
        """The stack from its files."""
        return self.place.stack

    @property
    def project(self) -> str:
        """The name of the stack on its engine."""
        return self.place.stack.project

    @property
    def source(self) -> Source:
        """The source of its secrets."""
        return self.place.source


def refuse_back_ends(source: Prepared, target: Prepared) -> None:
    """Raise Refused for a pair of back ends that `migrate` does not support, before an engine is contacted."""
    if others := [one for one in (source, target) if one.back_end.name != "compose"]:
        named = " and ".join(f"{one.planned.plan.profile} ({one.back_end.name})" for one in others)
        remedy = f"{TODAY}; copy the folders by hand, or restore a backup there"
        raise Refused(f"`portable migrate` does not support {named} yet", code="migrate.pair", remedy=remedy)


def refuse_pair(source: MoveSide, target: MoveSide) -> None:
    """Raise Refused unless the two places are different projects on one engine of this machine."""
    text = ""
    if not (source.place.is_local and target.place.is_local):
        remote = source if not source.place.is_local else target
        text = f"the engine of {remote.profile} runs on another machine: {remote.place.where}"
    elif source.place.where != target.place.where:
        text = f"the two profiles use different engines: {source.place.where} and {target.place.where}"
    elif source.project == target.project:
        text = f"both profiles are the same project on the engine: {source.project}"
    if text:
        raise Refused(text, code="migrate.pair", where=f"{source.profile} to {target.profile}", remedy=TODAY)
