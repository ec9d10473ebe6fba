"""Prowlarr: the managers that get its indexers.

Facts: src/Prowlarr.Api.V1/Applications and src/NzbDrone.Core/Applications/Sonarr/SonarrSettings.cs of
https://github.com/Prowlarr/Prowlarr. An application has the name of its program, and that program's categories by default.
"""

from collections.abc import Iterator, Sequence

from portable.wiring.channel import Channel
from portable.wiring.provider import enter, provided
from portable.wiring.step import Interface, Others, Step
from portable.wiring.wishes import Manager, Wish


def steps(line: Channel, wishes: Sequence[Wish], _others: Others) -> Iterator[Step]:
    """Yield a step for each manager that is missing or has other settings."""
    for wish in wishes:
        if isinstance(wish, Manager):
            yield from provided(
                line,
                "/api/v1/applications",
                "application",
                name=wish.manager.name,
                implementation=wish.manager.speaks.capitalize(),
                leads={"baseUrl": wish.manager.url_for(line.peer)},
                wanted={"prowlarrUrl": line.peer.url_for(wish.manager), "apiKey": wish.manager.secret},
                more={"syncLevel": "fullSync"},
            )


INTERFACE = Interface(programs=("prowlarr",), enter=enter, steps=steps)
