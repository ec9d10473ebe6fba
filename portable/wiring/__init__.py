"""Wiring: configures apps for each other through their own interfaces, one file for each interface. It never removes anything."""

import itertools
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Generic, TypeVar

from portable.live.network import Network
from portable.model.base import Struct
from portable.model.changes import Change
from portable.model.errors import PortableError
from portable.wiring.channel import Channel, Reveal, Waiting, Writer
from portable.wiring.prowlarr import INTERFACE as PROWLARR
from portable.wiring.qbittorrent import INTERFACE as QBITTORRENT
from portable.wiring.sabnzbd import INTERFACE as SABNZBD
from portable.wiring.seerr import INTERFACE as SEERR
from portable.wiring.servarr import INTERFACE as SERVARR
from portable.wiring.step import Interface, Step
from portable.wiring.wishes import Peer, Wish

INTERFACES = (QBITTORRENT, SABNZBD, SERVARR, PROWLARR, SEERR)
_BY_PROGRAM: dict[str, Interface] = {program: interface for interface in INTERFACES for program in interface.programs}
_Channel = TypeVar("_Channel", bound=Channel, covariant=True)


class WiringOutcome(Struct, frozen=True, kw_only=True):
    """The changes that were made or foreseen, and the errors, by app."""

    changes: tuple[Change, ...] = ()
    troubles: tuple[PortableError, ...] = ()


class Channels(Generic[_Channel]):
    """The connections to all apps, each made on first use: a `Channel` only reads, a `Writer` also writes."""

    def __init__(
        self, kind: type[_Channel], known: Sequence[Peer], network: Network, reveal: Reveal, *, seconds: float, waiting: Waiting
    ) -> None:
        """Set a deadline for all apps: `seconds` from now, they must answer."""
        self._make: Callable[[Peer], _Channel] = lambda peer: kind(
            peer,
            network,
            enter=_BY_PROGRAM[peer.speaks].enter,
            reveal=reveal,
            waiting=waiting,
            until=until,
        )
        until = time.monotonic() + seconds
        self._peers = {peer.name: peer for peer in known}
        self._made: dict[str, _Channel] = {}

    def of(self, name: str) -> _Channel:
        """Return the connection to an app."""
        if name not in self._made:
            self._made[name] = self._make(self._peers[name])
        return self._made[name]


def chosen(wishes: Sequence[Wish], apps: Collection[str]) -> tuple[Wish, ...]:
    """Return the wishes that configure those apps; all wishes if no app is named."""
    return tuple(wish for wish in wishes if not apps or wish.told.name in apps)


def foreseen(lines: Channels[Channel], wishes: Sequence[Wish]) -> WiringOutcome:
    """Return the changes that `wire` would make."""
    return _each(wishes, lambda peer, own: (step.change for step in _pending(lines, lines.of(peer.name), own)))


def wire(lines: Channels[Writer], wishes: Sequence[Wish], told: Callable[[Change], None] = lambda _: None) -> WiringOutcome:
    """Configure every app; an error of one app does not stop the others. `told` is called after each change.

    Each app is read again afterwards: an app that accepts a setting but does not save it is an error, too.
    """

    def each(peer: Peer, own: Sequence[Wish]) -> Iterator[Change]:
        line = lines.of(peer.name)
        steps = _pending(lines, line, own)
        for step in steps:
            line.send(step.request)
            told(step.change)
            yield step.change
        if steps and (pending := _pending(lines, line, own)):
            text = f"accepted a setting but did not save it: {pending[0].change.cause}"
            raise line.trouble(text, f"run `portable logs {peer.name}` for the reason", code="wire.setting-not-kept")

    return _each(wishes, each)


def _pending(lines: Channels[Channel], line: Channel, wishes: Sequence[Wish]) -> tuple[Step, ...]:
    return tuple(_BY_PROGRAM[line.peer.speaks].steps(line, wishes, lines.of))


def _each(wishes: Sequence[Wish], do: Callable[[Peer, Sequence[Wish]], Iterator[Change]]) -> WiringOutcome:
    changes: list[Change] = []
    troubles: list[PortableError] = []
    for peer, own in itertools.groupby(wishes, key=lambda wish: wish.told):
        try:
            changes.extend(do(peer, tuple(own)))
        except PortableError as error:  # of this app, or of an app that it needs, whose error may be listed already
            if str(error) not in map(str, troubles):
                troubles.append(error)
    return WiringOutcome(changes=tuple(changes), troubles=tuple(troubles))
