"""Seerr: the managers that get its requests.

Facts: server/routes/settings/sonarr.ts and radarr.ts, server/middleware/auth.ts and server/lib/settings/index.ts of
https://github.com/seerr-team/seerr. Its key acts for its first user. Only a person can create that user, by a sign-in with a media server.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from portable.wiring.channel import Channel, Credentials, Request
from portable.wiring.servarr import API, first
from portable.wiring.step import Interface, Objects, Others, Step, differences, send
from portable.wiring.wishes import Manager, Wish

_MORE: dict[str, dict[str, Any]] = {
    "sonarr": {"enableSeasonFolders": True, "seriesType": "standard", "animeSeriesType": "standard"},
    "radarr": {"minimumAvailability": "released"},
}


def enter(line: Channel) -> Credentials:
    """Return the API key, which works only after the first sign-in. Raises PortableError before that."""
    if '"initialized":false' in "".join(line.probe(Request(path="/api/v1/settings/public")).text.split()):
        raise line.trouble(
            "needs a first sign-in: before that, its API key does not work",
            "open its page (`portable status` shows the address), sign in with your media server, then run `portable wire` again",
            code="wire.sign-in-needed",
        )
    return Credentials(headers={"X-Api-Key": line.peer.secret})


def steps(line: Channel, wishes: Sequence[Wish], others: Others) -> Iterator[Step]:
    """Yield a step for each manager that is missing or differs. Profile and folder of an existing one stay: a person chose them."""
    defaults: set[str] = set()
    for wish in wishes:
        if not isinstance(wish, Manager):
            continue
        manager = wish.manager
        path = f"/api/v1/settings/{manager.speaks}"
        seen = line.get(path, Objects)
        if any(s.get("isDefault") and not s.get("is4k") for s in seen):
            defaults.add(manager.speaks)
        leads = {"hostname": manager.host_for(line.peer), "port": manager.port}
        wanted = {**leads, "useSsl": False, "apiKey": manager.secret}
        server = next((s for s in seen if s.get("name") == manager.name), None)
        if server is not None:
            if changes := differences(line, wanted, server):
                body = {key: value for key, value in {**server, **wanted}.items() if key != "id"}
                request = Request(method="PUT", path=f"{path}/{server.get('id')}", json=body)
                yield send(line.peer, f"server {manager.name}: {changes}", request)
        elif not any(all(s.get(key) == value for key, value in leads.items()) for s in seen):
            profile = first(others(manager.name), f"{API[manager.speaks]}/qualityprofile")
            body = {
                **wanted,
                "name": manager.name,
                "activeProfileId": profile.id,
                "activeProfileName": profile.name,
                "activeDirectory": manager.folders[0] if manager.folders else "",
                "is4k": False,
                "isDefault": manager.speaks not in defaults,
                "syncEnabled": True,
                "preventSearch": False,
                "tags": [],
                **_MORE[manager.speaks],
            }
            defaults.add(manager.speaks)
            yield send(line.peer, f"server {manager.name} is missing", Request(method="POST", path=path, json=body))


INTERFACE = Interface(programs=("seerr",), enter=enter, steps=steps)
