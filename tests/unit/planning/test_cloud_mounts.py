"""How the mounts of a cloud divide its cache, and what they are told of one another."""

from typing import Any

import pytest

from portable.model import plan as p
from portable.planning.storage import CACHE_ROOM
from tests.factories import GI
from tests.unit.planning import CLUSTER, Place, app, cloud


def planned(place: Place, readers: int, cache: str, **changes: Any) -> tuple[int, str]:
    """The size of each cache without its reserve, and the number of mounts that a template sees."""
    names = [f"app{number}" for number in range(readers)]
    environment = {"RCLONE_CONFIG": "/rclone.conf", "MOUNTS": "{{ cloud.mounts }}"}
    rclone = app("rclone", fuse_mount=True, containers={"main": {"environment": environment}})
    other = app("other")
    place.write(*(app(name, clouds=["shelf"]) for name in names), other, rclone, clouds=(cloud("shelf", cache=cache),))
    plan = place.plan(*names, "other", clouds=["shelf"], **changes).plan
    volume = next(v for v in plan.volumes if v.id == "cloud-shelf-cache")
    assert isinstance(volume.place, p.Ephemeral)
    assert volume.place.size is not None
    mounts = plan.clouds[0].fuse_mount.env["MOUNTS"]
    assert isinstance(mounts, str)
    return (volume.place.size - CACHE_ROOM) // 2**20, mounts


def test_readers_of_one_host_share_a_mount(place: Place) -> None:
    assert planned(place, 3, "6Gi") == (6 * GI // 2**20, "1")


@pytest.mark.parametrize(
    ("readers", "cache", "mebibytes"),
    [(1, "6Gi", 6144), (3, "6Gi", 2048), (12, "6Gi", 1024), (3, "512Mi", 512)],
)
def test_pods_divide_the_cache_but_each_keeps_a_gibibyte(place: Place, readers: int, cache: str, mebibytes: int) -> None:
    assert planned(place, readers, cache, base=CLUSTER) == (mebibytes, str(readers))
