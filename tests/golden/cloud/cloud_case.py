"""A remote store as files: mounted once, seen by its readers through the folder above the mount, so that they see it come back."""

from portable.model import plan as p
from portable.model.devices import Devices
from portable.model.rendering import Rendering
from portable.model.secret_refs import SecretRef
from tests.factories import GI, app, container, image
from tests.factories import plan as make_plan
from tests.golden.places import devices_on, library_on, pod_containers, pods, services
from tests.kinds import is_host


def plan(back_end: str) -> p.Plan:
    """A cloud behind zurg, read by plex through a link in the library."""
    library = p.Mount(volume="library", path=p.LIBRARY, access="ro")
    fuse_mount = container(
        "zurg",
        image=image(repository="registry.test/rclone"),
        command=("sh", "/scripts/mount.sh"),
        env={"CLOUD": "zurg", "REMOTE": "zurg:", "KNOWN_ENTRY": "__all__"},
        files=(p.FileMount(file="mount", path="/scripts/mount.sh"), p.FileMount(file="zurg-rclone", path="/config/rclone/rclone.conf")),
        mounts=(p.Mount(volume="zurg-cache", path="/cache"),),
        identity=p.Identity(how="fixed", uid=0, gid=0),
        needs=p.Needs(fuse=True),
        probes=p.Probes(startup=p.Check(how=p.Exec(command=("sh", "/scripts/mount.sh", "health")), period=2, timeout=10, failures=60)),
        stop_grace=30,
    )
    return make_plan(
        app("zurg", ports=(p.Port(name="web", number=9999, serves="http"),)),
        app("plex", clouds=("zurg",), containers=(container(mounts=(library,)),)),
        devices=Devices(fuse=devices_on(back_end).fuse),
        library=p.Library(volume="library", folders=("stream",), links=(p.Link(path="zurg", target="/mnt/clouds/zurg"),)),
        volumes=(library_on(back_end), p.Volume(id="zurg-cache", holds="cache", place=p.Ephemeral(size=10 * GI))),
        clouds=(p.Cloud(id="zurg", known_entry="__all__", after=(p.After(app="zurg", when="started"),), fuse_mount=fuse_mount),),
        files=(
            p.File(id="mount", body=('#!/bin/sh\nexec rclone mount "$REMOTE" "/mnt/clouds/$CLOUD"\n',), mode=0o555),
            p.File(
                id="zurg-rclone",
                body=("[zurg]\ntype = webdav\nurl = http://zurg:9999/dav\npass = ", SecretRef(name="zurg-login", key="pass"), "\n"),
                mode=0o400,
            ),
        ),
    )


def check(back_end: str, rendering: Rendering) -> None:
    """Only what mounts may mount; the reader sees mounts come, and can't write below them."""
    if is_host(back_end):
        reader, fuse_mount = services(rendering)["plex"], services(rendering)["cloud-zurg"]
        [seen] = [volume for volume in reader["volumes"] if volume["target"] == p.CLOUDS]
        [made] = [volume for volume in fuse_mount["volumes"] if volume["target"] == p.CLOUDS]
        assert (seen["bind"]["propagation"], made["bind"]["propagation"]) == ("rslave", "rshared")
        assert seen["read_only"]
        assert "cap_add" not in reader
        assert "SYS_ADMIN" in fuse_mount["cap_add"]
        assert reader["depends_on"]["cloud-zurg"]["condition"] == "service_healthy"
    else:
        ways = {
            name: mount.get("mountPropagation")
            for name, container in pod_containers(pods(rendering)["plex"]).items()
            for mount in container.get("volumeMounts", ())
            if mount["mountPath"] == p.CLOUDS
        }
        assert sorted(way or "" for way in ways.values()) == ["Bidirectional", "HostToContainer"]
