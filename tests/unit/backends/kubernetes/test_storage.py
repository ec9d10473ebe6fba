"""Claims and the static volumes behind them."""

from typing import Any

import msgspec
import pytest

from portable.model import plan as p
from tests.factories import GI, app, container, plan
from tests.unit.backends.kubernetes.rendered import found, objects, render


def made(*places: p.Claim) -> p.Plan:
    volumes = tuple(p.Volume(id=f"v{n}", holds="state", place=place, folder=f"f{n}") for n, place in enumerate(places))
    mounts = tuple(p.Mount(volume=v.id, path=f"/{v.id}") for v in volumes)
    return plan(app(containers=(container(mounts=mounts),)), volumes=volumes, namespace="media-test")


def test_a_claim_that_exists_is_never_written() -> None:
    given = made(p.Claim(name="nas", size=GI, existing=True))
    assert objects(given, "PersistentVolumeClaim") == {}
    assert found(render(given), "volumes.existing") == ["volumes.v0.place"]


def test_a_claim_of_a_class_is_provisioned_once() -> None:
    claim = p.Claim(name="nas", size=10 * GI, storage_class="fast", shared=True)
    (body,) = objects(made(claim, claim), "PersistentVolumeClaim").values()
    assert body["spec"] == {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "10Gi"}}, "storageClassName": "fast"}


def test_the_clusters_own_class_where_none_is_named() -> None:
    (body,) = objects(made(p.Claim(name="disk", size=GI)), "PersistentVolumeClaim").values()
    assert "storageClassName" not in body["spec"]
    assert body["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_a_share_of_smb_is_a_static_volume_that_is_kept() -> None:
    share = p.Share(protocol="smb", server="192.0.2.1", export="media", options=("nobrl",), login="smb-login")
    given = made(p.Claim(name="nas", size=GI, shared=True, share=share))
    spec = objects(given, "PersistentVolume")["media-test-nas"]["spec"]
    assert spec["persistentVolumeReclaimPolicy"] == "Retain"
    assert spec["mountOptions"] == ["nobrl"]
    assert spec["csi"] == {
        "driver": "smb.csi.k8s.io",
        "volumeHandle": "192.0.2.1/media#media-test-nas",
        "volumeAttributes": {"source": "//192.0.2.1/media"},
        "nodeStageSecretRef": {"name": "smb-login", "namespace": "media-test"},
    }
    claim = objects(given, "PersistentVolumeClaim")["nas"]["spec"]
    assert (claim["volumeName"], claim["storageClassName"]) == ("media-test-nas", "")


def test_two_volumes_of_one_share_have_handles_of_their_own() -> None:
    share = p.Share(protocol="smb", server="192.0.2.1", export="media")
    claims = [p.Claim(name=name, size=GI, shared=True, share=share) for name in ("one", "two")]
    handles = {v["spec"]["csi"]["volumeHandle"] for v in objects(made(*claims), "PersistentVolume").values()}
    assert len(handles) == 2


def test_a_share_of_nfs_needs_no_driver() -> None:
    share = p.Share(protocol="nfs", server="192.0.2.1", export="/mnt/tank/media", options=("nfsvers=4.1",), login="unused")
    given = made(p.Claim(name="nas", size=GI, shared=True, share=share))
    assert objects(given, "PersistentVolume")["media-test-nas"]["spec"]["nfs"] == {"server": "192.0.2.1", "path": "/mnt/tank/media"}
    assert found(render(given), "volumes.share.login") == ["volumes.v0.place.share.login"]


def test_a_claim_described_twice_and_differently_is_refused() -> None:
    claim = p.Claim(name="nas", size=GI)
    rendering = render(made(claim, msgspec.structs.replace(claim, size=2 * GI)))
    assert [f.path for f in rendering.findings if f.verdict == "refused"] == ["volumes.v1.place"]


def test_a_disk_of_one_node_in_two_pods_is_noted() -> None:
    volume = p.Volume(id="disk", holds="state", place=p.Claim(name="disk", size=GI))
    apps = [app(name, containers=(container(mounts=(p.Mount(volume="disk", path="/config"),)),)) for name in ("one", "two")]
    assert found(render(plan(*apps, volumes=(volume,))), "volumes.shared") == ["volumes.disk.place.shared"]


@pytest.mark.parametrize(
    ("changes", "access", "how", "told"),
    [
        ({"shared": True}, "rw", "fixed", True),
        ({"shared": True, "share": p.Share(protocol="nfs", server="nas", export="/x")}, "rw", "fixed", True),
        ({"shared": True, "share": p.Share(protocol="smb", server="nas", export="x")}, "rw", "fixed", False),
        ({"shared": True}, "ro", "fixed", False),
        ({}, "rw", "fixed", False),
        ({"shared": True}, "rw", "puid-pgid", False),
    ],
)
def test_root_that_writes_to_a_share_is_told(changes: dict[str, Any], access: Any, how: Any, told: bool) -> None:
    volume = p.Volume(id="v", holds="state", place=p.Claim(name="c", size=1, **changes))
    mounts = (p.Mount(volume="v", path="/data", access=access),)
    demo = app(containers=(container(mounts=mounts, identity=p.Identity(how=how, uid=0, gid=0)),))
    expected = ["apps.demo.containers.main.identity.uid"] if told else []
    assert found(render(plan(demo, volumes=(volume,))), "containers.identity.root") == expected
