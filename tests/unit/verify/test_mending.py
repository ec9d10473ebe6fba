"""Repairs without confirmation: each safe repair with its commands, and none that could lose data."""

from typing import Any

import msgspec
import pytest

from portable.engines.mounts import Mounted
from portable.model import plan as p
from portable.verify.host import Host
from portable.verify.mending import mends
from tests.unit.verify.test_doctor import HOST, OURS, PLAN, ROOT

DEAD = "ls: cannot access: Transport endpoint is not connected"


def done(plan: p.Plan = PLAN, **changes: Any) -> dict[str, list[str]]:
    """Return the commands of each repair, by place."""
    host: Host = msgspec.structs.replace(HOST, **changes)
    return {mend.where: [" ".join(command) for command in mend.commands] for mend in mends(plan, host)}


def test_a_host_as_it_should_be_is_left_alone() -> None:
    assert done() == {}


def test_a_mount_that_stays_where_it_is_made_is_shared() -> None:
    told = done(mounts=(Mounted(path="/", kind="ext4", shared=False),))
    assert told == {
        "/mnt/clouds": [
            "mkdir -p /mnt/clouds",
            'sh -c mountpoint -q "$0" || mount --rbind "$0" "$0" /mnt/clouds',
            "mount --make-rshared /mnt/clouds",
        ],
    }


@pytest.mark.parametrize(
    ("path", "said", "cleared"),
    [
        ("/mnt/clouds/zurg", DEAD, True),
        ("/mnt/clouds/zurg", "it hangs", False),
        ("/home/somebody/mount", DEAD, False),
    ],
)
def test_only_a_dead_mount_of_a_cloud_is_cleared_away(path: str, said: str, cleared: bool) -> None:
    """A slow mount may still answer, and mounts elsewhere belong to others."""
    told = done(stale={path: said})
    assert list(told) == ([path] if cleared else [])
    assert all("umount --lazy" in command for commands in told.values() for command in commands)


def test_a_module_is_loaded_but_not_from_within_a_container() -> None:
    nodes = {"/dev/net/tun": 0, "/dev/dri/renderD128": 105}
    assert done(nodes=nodes) == {"/dev/fuse": ["modprobe fuse"]}
    assert done(nodes=nodes, contained=True) == {}
    assert done(nodes={**HOST.nodes, "/dev/dri/renderD128": 44}) == {}


def test_a_missing_folder_of_the_library_is_made() -> None:
    there = {path: place for path, place in HOST.folders.items() if path != f"{ROOT}/media/tv"}
    assert done(folders=there) == {
        f"{ROOT}/media/tv": [
            f"mkdir -p {ROOT}/media",
            f"mkdir {ROOT}/media/tv",
            f"chown --no-dereference 1000:1000 {ROOT}/media/tv",
            f"chmod 0775 {ROOT}/media/tv",
        ]
    }


def test_nothing_is_made_below_a_disk_that_is_not_mounted() -> None:
    """A new folder would lie on the host's own disk, hidden below the disk that is mounted later."""
    volumes = tuple(
        msgspec.structs.replace(v, place=msgspec.structs.replace(v.place, mounted=True)) if isinstance(v.place, p.Folder) else v
        for v in PLAN.volumes
    )
    plan = msgspec.structs.replace(PLAN, volumes=volumes)
    assert done(plan, folders={}) == {}
    mounted = (*HOST.mounts, *(Mounted(path=v.place.path, kind="btrfs", shared=True) for v in volumes if isinstance(v.place, p.Folder)))
    assert f"{ROOT}/media/tv" in done(plan, folders={}, mounts=mounted)


def test_only_an_empty_folder_is_given_to_who_writes_there() -> None:
    path = f"{ROOT}/media/tv"
    roots = {**HOST.folders, path: msgspec.structs.replace(OURS, uid=0, gid=0, mode=0o40755)}
    assert done(folders=roots) == {}
    assert done(folders=roots, empty=frozenset({path})) == {
        path: [f'sh -c found=$(ls -A "$0") && [ -z "$found" ] {path}', f"chown --no-dereference 1000:1000 {path}"]
    }
    everything = [command for commands in done(folders={}, stale={"/mnt/clouds/x": DEAD}).values() for command in commands]
    assert everything
    assert not [command for command in everything if "-R" in command or "--recursive" in command or command.startswith("rm")]
