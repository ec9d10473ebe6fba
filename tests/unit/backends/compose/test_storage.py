"""Mounts and volumes."""

from typing import Any

import pytest

from portable.backends.common import PlacedContainer, index
from portable.backends.compose.storage import amount, mounts, named_volumes, volume_findings
from portable.model import plan as p
from tests.factories import GI, MI, app, container, plan


def seen(volume: p.Volume, **changes: Any) -> list[dict[str, Any]]:
    mount = p.Mount(**({"volume": volume.id, "path": "/data"} | changes))
    demo = app(containers=(container(mounts=(mount,)),))
    found: list[dict[str, Any]] = mounts(PlacedContainer("", demo.containers[0], app=demo), index(plan(demo, volumes=(volume,)))).keys[
        "volumes"
    ]
    return found


@pytest.mark.parametrize(("size", "text"), [(4 * GI, "4g"), (1536 * MI, "1536m"), (1024, "1k"), (1000, "1000b"), (0, "0b")])
def test_amount_is_exact(size: int, text: str) -> None:
    assert amount(size) == text


def test_a_folder_is_bound() -> None:
    volume = p.Volume(id="v", holds="state", place=p.Folder(path="/srv/"), folder="config/demo")
    [entry] = seen(volume, access="ro")
    assert entry == {
        "type": "bind",
        "source": "/srv/config/demo",
        "target": "/data",
        "read_only": True,
        "bind": {"create_host_path": True},
    }


def test_what_a_volume_hides_is_covered() -> None:
    volume = p.Volume(id="v", holds="library", place=p.Folder(path="/srv"), hides=("appdata",))
    assert seen(volume)[1] == {"type": "tmpfs", "target": "/data/appdata", "tmpfs": {"size": 4096, "mode": 0o555}, "read_only": True}


def test_scratch_is_a_volume_of_the_engine_or_memory() -> None:
    on_disk = p.Volume(id="v", holds="cache", place=p.Ephemeral(size=GI))
    assert seen(on_disk) == [{"type": "volume", "source": "v", "target": "/data", "volume": {"nocopy": True}}]
    in_memory = p.Volume(id="v", holds="cache", place=p.Ephemeral(size=GI, in_memory=True))
    assert seen(in_memory) == [{"type": "tmpfs", "target": "/data", "tmpfs": {"size": GI, "mode": 0o1777}}]
    known = index(plan(volumes=(on_disk,)))
    assert named_volumes(known, frozenset({"v"})) == {"v": {}}


def test_a_claim_is_refused_and_memory_is_not_shared() -> None:
    volumes = (
        p.Volume(id="claim", holds="state", place=p.Claim(name="c", size=GI)),
        p.Volume(id="memory", holds="cache", place=p.Ephemeral(in_memory=True)),
        p.Volume(id="unused", holds="cache", place=p.Ephemeral()),
    )
    found = volume_findings(index(plan(volumes=volumes)), {"claim": 1, "memory": 2})
    assert [f.path for f in found if f.verdict == "refused"] == ["volumes.claim.place", "volumes.memory.place.in_memory"]
    assert "volumes.unused" in [f.path for f in found if f.verdict == "noted"]
    assert seen(volumes[0]) == []


def test_an_unknown_volume_is_refused() -> None:
    demo = app(containers=(container(mounts=(p.Mount(volume="nowhere", path="/data"),)),))
    part = mounts(PlacedContainer("apps.demo.containers.main", demo.containers[0], app=demo), index(plan(demo)))
    assert [f.path for f in part.findings] == ["apps.demo.containers.main.mounts.nowhere@/data"]
