"""What a container sees as files."""

import msgspec

from portable.model import plan as p
from tests.factories import app, container, full_plan, plan
from tests.unit.backends.kubernetes.rendered import container_of, found, objects, pod, render


def test_state_is_a_folder_of_the_claim_and_the_library_is_whole() -> None:
    made = container_of(full_plan("kubernetes"), "player", "player")
    mounts = {mount["mountPath"]: mount for mount in made["volumeMounts"]}
    assert mounts["/config"] == {"name": "claim-state-claim", "mountPath": "/config", "subPath": "config/player"}
    assert mounts["/mnt/media"] == {"name": "claim-library-claim", "mountPath": "/mnt/media", "readOnly": True}


def test_other_apps_state_in_the_library_is_covered() -> None:
    made = pod(full_plan("kubernetes"), "player")
    player = next(c for c in made["containers"] if c["name"] == "player")
    assert {"name": "hidden", "mountPath": "/mnt/media/appdata", "readOnly": True} in player["volumeMounts"]
    assert next(v for v in made["volumes"] if v["name"] == "hidden")["emptyDir"]["medium"] == "Memory"


def test_volumes_of_one_claim_are_one_volume_of_the_pod() -> None:
    place = p.Claim(name="nas", size=1, shared=True)
    volumes = (p.Volume(id="library", holds="library", place=place), p.Volume(id="state", holds="state", place=place, folder="config/demo"))
    mounts = (p.Mount(volume="library", path=p.LIBRARY), p.Mount(volume="state", path="/config"))
    made = pod(plan(app(containers=(container(mounts=mounts),)), volumes=volumes))
    assert [v["name"] for v in made["volumes"]] == ["claim-nas"]


def test_scratch_is_bounded() -> None:
    volumes = {v["name"]: v for v in pod(full_plan("kubernetes"), "player")["volumes"]}
    assert volumes["player-transcode"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}
    assert volumes["shelf-cache"]["emptyDir"] == {"sizeLimit": "1Gi"}


def test_a_folder_of_a_node_is_refused() -> None:
    volume = p.Volume(id="state", holds="state", place=p.Folder(path="/srv/demo"))
    rendering = render(plan(app(containers=(container(mounts=(p.Mount(volume="state", path="/config"),)),)), volumes=(volume,)))
    finding = next(f for f in rendering.findings if f.field == "volumes.place")
    assert (finding.verdict, finding.class_, finding.path) == ("refused", "data", "volumes.state.place")


def test_files_are_single_and_secret_ones_are_named_after_themselves() -> None:
    made = pod(full_plan("kubernetes"), "player")
    volumes = {v["name"]: v for v in made["volumes"]}
    assert volumes["files-player"]["configMap"] == {
        "name": "player-files",
        "items": [{"key": "player-conf", "path": "player-conf", "mode": 0o444}],
    }
    assert volumes["file-shelf-rclone-conf"]["secret"] == {
        "secretName": "shelf-rclone-conf",
        "items": [{"key": "rclone.conf", "path": "shelf-rclone-conf", "mode": 0o400}],
    }
    assert volumes["secret-player-tls-player-tls"]["secret"]["optional"] is True
    assert objects(full_plan("kubernetes"), "ConfigMap")["player-files"]["data"] == {"player-conf": "listen = 32400\n"}


def test_a_secret_that_the_cluster_has_under_another_name_is_taken_by_it() -> None:
    """The plan names all three kinds: a whole file, keys as files, and a variable."""
    made = pod(full_plan("kubernetes"), "gateway")
    secrets = {v["name"]: v["secret"]["secretName"] for v in made["volumes"] if "secret" in v}
    assert secrets["file-torrents-conf"] == "torrents-config"
    (key,) = [v for c in made["initContainers"] for v in c.get("env", ()) if v["name"] == "KEY"]
    assert key["valueFrom"]["secretKeyRef"]["name"] == "tunnel-key"
    player = {v["name"]: v["secret"]["secretName"] for v in pod(full_plan("kubernetes"), "player")["volumes"] if "secret" in v}
    assert player["secret-player-tls-player-tls"] == "tls-of-player"


def test_no_secret_is_rendered() -> None:
    assert objects(full_plan("kubernetes"), "Secret") == {}


def test_a_file_that_another_user_reads_is_opened_to_it_and_said() -> None:
    rendering = render(full_plan("kubernetes"))
    assert found(rendering, "files.mode") == ["files.player-conf.mode", "files.torrents-conf.mode"]
    root = msgspec.structs.replace(full_plan("kubernetes").files[0], mode=0o444)
    files = (root, *full_plan("kubernetes").files[1:])
    assert found(render(msgspec.structs.replace(full_plan("kubernetes"), files=files)), "files.mode") == ["files.torrents-conf.mode"]
