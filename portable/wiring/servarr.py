"""Sonarr and its family: root folders, and download clients with a category for each manager.

Facts: openapi.json, RootFolderController.cs and QBittorrentSettings.cs of https://github.com/Sonarr/Sonarr, RootFolderResource.cs of
https://github.com/Lidarr/Lidarr and https://github.com/Readarr/Readarr, which need default profiles for the content of a root folder.
"""

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

from portable.wiring.channel import Channel, Request
from portable.wiring.provider import enter, provided
from portable.wiring.step import Interface, Objects, Others, Shown, Step, send
from portable.wiring.wishes import DownloadClient, Peer, RootFolder, Wish

API = {"lidarr": "/api/v1", "radarr": "/api/v3", "readarr": "/api/v1", "sonarr": "/api/v3", "whisparr": "/api/v3"}
_CLIENTS = {"qbittorrent": "QBittorrent", "sabnzbd": "Sabnzbd"}


class ServarrProfile(Shown, frozen=True):
    """A quality profile or a metadata profile."""

    id: int
    name: str


def steps(line: Channel, wishes: Sequence[Wish], _others: Others) -> Iterator[Step]:
    """Yield a step for each root folder that is missing, and each download client that is missing or has other settings."""
    api = API[line.peer.speaks]
    folders = [wish.path for wish in wishes if isinstance(wish, RootFolder)]
    if folders:
        seen = {str(folder.get("path")).rstrip("/") for folder in line.get(f"{api}/rootfolder", Objects)}
        missing = [path for path in folders if path not in seen]
        defaults = _defaults(line, api) if missing and api == "/api/v1" else {}
        for path in missing:
            body = {"path": path, **defaults, **({"name": posixpath.basename(path)} if defaults else {})}
            yield send(line.peer, f"root folder {path} is missing", Request(method="POST", path=f"{api}/rootfolder", json=body))
    for wish in wishes:
        if isinstance(wish, DownloadClient):
            client = wish.client
            yield from provided(
                line,
                f"{api}/downloadclient",
                "download client",
                name=client.name,
                implementation=_CLIENTS[client.speaks],
                leads={"host": client.host_for(line.peer), "port": client.port},
                wanted={"useSsl": False, **_credentials(client), "*Category": line.peer.name},
                more={"enable": True},
            )


def _credentials(client: Peer) -> dict[str, Any]:
    return {"username": client.user, "password": client.secret} if client.user else {"apiKey": client.secret}


def _defaults(line: Channel, api: str) -> dict[str, Any]:
    return {
        "defaultQualityProfileId": first(line, f"{api}/qualityprofile").id,
        "defaultMetadataProfileId": first(line, f"{api}/metadataprofile").id,
        "defaultMonitorOption": "all",
        "defaultNewItemMonitorOption": "all",
        "defaultTags": [],
    }


def first(line: Channel, path: str) -> ServarrProfile:
    """Return the oldest profile. Raises PortableError if the app has none."""
    profiles = line.get(path, list[ServarrProfile])
    if not profiles:
        remedy = "add a profile on the app's page, then run `portable wire` again"
        raise line.trouble(f"has no profile ({path})", remedy, code="wire.no-profile")
    return min(profiles, key=lambda profile: profile.id)


INTERFACE = Interface(programs=tuple(API), enter=enter, steps=steps)
