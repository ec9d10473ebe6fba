"""The library's root also holds other apps' state: each consumer sees an empty folder in its place, and nothing else changes."""

from portable.model import plan as p
from portable.model.rendering import Rendering
from tests.factories import app, container
from tests.factories import plan as make_plan
from tests.golden.places import library_on, pod_containers, pods, services
from tests.kinds import is_host


def plan(back_end: str) -> p.Plan:
    """Sonarr writes the library, jellyfin reads it; sonarr's state lies in it."""
    library = library_on(back_end, hides=("appdata",))
    state = p.Volume(id="sonarr-config", holds="state", place=library.place, folder="appdata/sonarr")
    return make_plan(
        app(
            "sonarr",
            containers=(container(mounts=(p.Mount(volume="sonarr-config", path="/config"), p.Mount(volume="library", path=p.LIBRARY))),),
        ),
        app("jellyfin", containers=(container(mounts=(p.Mount(volume="library", path=p.LIBRARY, access="ro"),)),)),
        library=p.Library(volume="library", folders=("downloads/torrents", "media/movies", "media/tv")),
        volumes=(library, state),
    )


def check(back_end: str, rendering: Rendering) -> None:
    """The library is mounted once, whole, and what it hides is covered by what can't be written."""
    for name in ("sonarr", "jellyfin"):
        if is_host(back_end):
            mounts = {volume["target"]: volume for volume in services(rendering)[name]["volumes"]}
            assert mounts[p.LIBRARY]["source"] == "/mnt/storage"
            assert mounts["/mnt/media/appdata"]["type"] == "tmpfs"
            assert mounts["/mnt/media/appdata"]["read_only"]
        else:
            seen = [
                m
                for c in pod_containers(pods(rendering)[name]).values()
                for m in c.get("volumeMounts", ())
                if m["mountPath"].startswith(p.LIBRARY)
            ]
            assert {mount["mountPath"] for mount in seen} == {p.LIBRARY, "/mnt/media/appdata"}
            assert all(mount.get("readOnly") for mount in seen if mount["mountPath"] != p.LIBRARY)
            assert not any("subPath" in mount for mount in seen if mount["mountPath"] == p.LIBRARY)
