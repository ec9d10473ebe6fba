"""Wiring: apps are told of one another through their own interfaces, each in a file of its own. Nothing is ever removed from an app."""

import itertools
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Generic, TypeVar

from portable.live.network import Network
from portable.model.base import Struct
from portable.model.changes import Change
from portable.model.errors import PortableError
from portable.wiring.line import Line, Pen, Reveal, Waiting
from portable.wiring.prowlarr import INTERFACE as PROWLARR
from portable.wiring.qbittorrent import INTERFACE as QBITTORRENT
from portable.wiring.sabnzbd import INTERFACE as SABNZBD
from portable.wiring.seerr import INTERFACE as SEERR
from portable.wiring.servarr import INTERFACE as SERVARR
from portable.wiring.step import Interface, Step
from portable.wiring.wishes import Peer, Wish

INTERFACES = (QBITTORRENT, SABNZBD, SERVARR, PROWLARR, SEERR)
_BY_PROGRAM: dict[str, Interface] = {program: interface for interface in INTERFACES for program in interface.programs}
_Line = TypeVar("_Line", bound=Line, covariant=True)


class Outcome(Struct, frozen=True, kw_only=True):
    """What differed, or was told, and what stood in the way, by app."""

    changes: tuple[Change, ...] = ()
    troubles: tuple[PortableError, ...] = ()


class Lines(Generic[_Line]):
    """Lines to apps, made when they are first wanted: of `Line`s that can only look, or of `Pen`s."""

    def __init__(
        self, kind: type[_Line], known: Sequence[Peer], network: Network, reveal: Reveal, *, seconds: float, waiting: Waiting
    ) -> None:
        """`seconds` is the time that apps have to answer at all, from now on."""
        self._make: Callable[[Peer], _Line] = lambda peer: kind(
            peer,
            network,
            enter=_BY_PROGRAM[peer.speaks].enter,
            reveal=reveal,
            waiting=waiting,
            until=until,
        )
        until = time.monotonic() + seconds
        self._peers = {peer.name: peer for peer in known}
        self._made: dict[str, _Line] = {}

    def of(self, name: str) -> _Line:
        """The line to an app."""
        if name not in self._made:
            self._made[name] = self._make(self._peers[name])
        return self._made[name]


def chosen(wishes: Sequence[Wish], apps: Collection[str]) -> tuple[Wish, ...]:
    """The wishes of which those apps are told; all where none is named."""
    return tuple(wish for wish in wishes if not apps or wish.told.name in apps)


def foreseen(lines: Lines[Line], wishes: Sequence[Wish]) -> Outcome:
    """What `wire` would tell."""
    return _each(wishes, lambda peer, asked: (step.change for step in _left(lines, lines.of(peer.name), asked)))


def wire(lines: Lines[Pen], wishes: Sequence[Wish], told: Callable[[Change], None] = lambda _: None) -> Outcome:
    """Tell every app what it does not know yet; one that is in trouble does not keep the others from it.

    What an app was told is looked at again: one that takes a setting and does not keep it is in trouble, too.
    """

    def each(peer: Peer, asked: Sequence[Wish]) -> Iterator[Change]:
        line = lines.of(peer.name)
        steps = _left(lines, line, asked)
        for step in steps:
            line.tell(step.request)
            told(step.change)
            yield step.change
        if steps and (left := _left(lines, line, asked)):
            raise line.trouble(f"it was told, and still {left[0].change.cause}", f"`portable logs {peer.name}` may say why")

    return _each(wishes, each)


def _left(lines: Lines[Line], line: Line, wishes: Sequence[Wish]) -> tuple[Step, ...]:
    return tuple(_BY_PROGRAM[line.peer.speaks].steps(line, wishes, lines.of))


def _each(wishes: Sequence[Wish], do: Callable[[Peer, Sequence[Wish]], Iterator[Change]]) -> Outcome:
    changes: list[Change] = []
    troubles: list[PortableError] = []
    for peer, asked in itertools.groupby(wishes, key=lambda wish: wish.told):
        try:
            changes.extend(do(peer, tuple(asked)))
        except PortableError as error:  # of this app, or of one that it needs, of which the same may have been told already
            if str(error) not in map(str, troubles):
                troubles.append(error)
    return Outcome(changes=tuple(changes), troubles=tuple(troubles))
