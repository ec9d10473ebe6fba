"""The difference of the two ledgers of a move: what apps lose at the new place, and what they gain there."""

import re
from typing import Literal

from portable.migrate.choosing import MoveChoice
from portable.migrate.sides import MoveSide
from portable.model.base import Struct
from portable.model.findings import CLASSES, Finding

Key = tuple[str, str, str | None, str]
_GROUP = re.compile(r"^groups\.[^.]+")
Direction = Literal["lost", "gained"]


class LedgerChange(Struct, frozen=True, kw_only=True):
    """A finding that one of the two places has, and the other does not."""

    change: Direction
    """`lost`: only the target has the finding. `gained`: only the source has it."""
    finding: Finding


def ledger_changes(source: MoveSide, target: MoveSide, choice: MoveChoice) -> tuple[LedgerChange, ...]:
    """Compare the ledgers of two places as far as they concern the moved apps or the whole place: losses first, worst class first."""
    here, there = _by_key(source, choice), _by_key(target, choice)
    lost = [LedgerChange(change="lost", finding=there[key]) for key in there.keys() - here.keys()]
    gained = [LedgerChange(change="gained", finding=here[key]) for key in here.keys() - there.keys()]
    return (*sorted(lost, key=_order), *sorted(gained, key=_order))


def _by_key(side: MoveSide, choice: MoveChoice) -> dict[Key, Finding]:
    """Findings about the moved apps, their gateways and the place, by subject, part of the plan, app and cause.

    Texts differ between places, for example by a folder's path; so do the names of groups, which are those of their gateways.
    """
    behind = side.plan.behind_gateways
    concerned = {None, *choice.apps, *(behind[app] for app in choice.apps if app in behind)}
    return {(one.field, _GROUP.sub("groups.*", one.path), one.app, one.code): one for one in side.ledger if one.app in concerned}


def _order(change: LedgerChange) -> tuple[int, str, str, str]:
    one = change.finding
    return CLASSES.index(one.class_), one.app or "", one.field, one.path
