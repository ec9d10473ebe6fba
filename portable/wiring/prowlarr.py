"""Prowlarr: the managers to which it hands its indexers.

Facts: src/Prowlarr.Api.V1/Applications and src/NzbDrone.Core/Applications/Sonarr/SonarrSettings.cs of
https://github.com/Prowlarr/Prowlarr. An application is called as its program is, and brings the categories of its own.
"""

from collections.abc import Iterator, Sequence

from portable.wiring.line import Line
from portable.wiring.provider import enter, provided
from portable.wiring.step import Interface, Others, Step
from portable.wiring.wishes import Manager, Wish


def steps(line: Line, wishes: Sequence[Wish], _others: Others) -> Iterator[Step]:
    """Managers that it does not know, or knows wrongly."""
    for wish in wishes:
        if isinstance(wish, Manager):
            yield from provided(
                line,
                "/api/v1/applications",
                "application",
                name=wish.manager.name,
                implementation=wish.manager.speaks.capitalize(),
                leads={"baseUrl": wish.manager.url},
                wanted={"prowlarrUrl": line.peer.url, "apiKey": wish.manager.secret},
                more={"syncLevel": "fullSync"},
            )


INTERFACE = Interface(programs=("prowlarr",), enter=enter, steps=steps)
