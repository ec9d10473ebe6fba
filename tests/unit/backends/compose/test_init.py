"""The script that prepares folders is run on folders of the test's."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from portable.backends.common import index
from portable.backends.compose.init import init
from portable.model import plan as p
from tests.factories import app, container, plan

VOLUMES = (
    p.Volume(id="library", holds="library", place=p.Folder(path="/srv"), hides=("appdata",)),
    p.Volume(id="config", holds="state", place=p.Folder(path="/srv/appdata"), folder="demo"),
    p.Volume(id="cache", holds="cache", place=p.Ephemeral()),
    p.Volume(id="memory", holds="cache", place=p.Ephemeral(in_memory=True)),
)
SEED = p.FileMount(file="seed", path="/config/deep/seed.conf", seed=True)


def prepared(uid: int = 1001, gid: int = 1002, **changes: Any) -> tuple[dict[str, Any], str]:
    """The service and its script."""
    mounts = tuple(p.Mount(volume=volume.id, path=f"/{volume.id}") for volume in VOLUMES)
    demo = app(containers=(container(identity=p.Identity(how="user", uid=uid, gid=gid), mounts=mounts, files=(SEED,)),))
    links = (p.Link(path="shelf", target="/mnt/clouds/shelf"),)
    defaults: dict[str, Any] = {
        "volumes": VOLUMES,
        "files": (p.File(id="seed", body=("first",), mode=0o400),),
        "library": p.Library(volume="library", folders=("downloads/it's here",), links=links),
    }
    found = init(index(plan(demo, **(defaults | changes))), frozenset(volume.id for volume in VOLUMES))
    return found.service.keys, found.script["init-script"]["content"]


def test_the_service_can_do_what_it_must_and_no_more() -> None:
    service, _ = prepared()
    assert service["cap_add"] == ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
    assert service["network_mode"] == "none"
    assert service["restart"] == "no"
    assert service["user"] == "0:0"
    assert [volume["target"] for volume in service["volumes"]] == ["/places/library", "/places/config", "/places/cache"]


def test_the_script_names_owners() -> None:
    _, script = prepared()
    assert script.endswith(
        """
own /places/library 1000 1000 0775
folder /places/library/appdata 0 0 0755
own /places/config 1001 1002 0750
own /places/cache 1001 1002 0750
folder /places/library/downloads 1000 1000 0775
folder '/places/library/downloads/it'"'"'s here' 1000 1000 0775
link /places/library/shelf /mnt/clouds/shelf
folder /places/config/deep 1001 1002 0750
seed /seeds/seed /places/config/deep/seed.conf 1001 1002 0600
"""
    )


def test_a_seed_that_lasts_nowhere_is_refused() -> None:
    demo = app(containers=(container(files=(p.FileMount(file="seed", path="/elsewhere", seed=True),)),))
    found = init(index(plan(demo, files=(p.File(id="seed", body=("x",)),))), frozenset())
    assert [f.path for f in found.service.findings if f.verdict == "refused"] == ["apps.demo.containers.main.files.seed@/elsewhere"]


@pytest.fixture
def places(tmp_path: Path) -> Path:
    for name in ("library", "config", "cache"):
        (tmp_path / "places" / name).mkdir(parents=True)
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds/seed").write_text("first")
    return tmp_path


def run(script: str, root: Path) -> None:
    """The script on a folder of the test's, as the user who runs the test."""
    here = script.replace(" /places", f" {root}/places").replace("'/places", f"'{root}/places").replace(" /seeds", f" {root}/seeds")
    subprocess.run(["sh", "-c", here], check=True, timeout=30)


def mine() -> tuple[dict[str, Any], str]:
    tools = container("tools", identity=p.Identity(how="user", uid=os.getuid(), gid=os.getgid()))
    volumes = (p.Volume(id="library", holds="library", place=p.Folder(path="/srv")), *VOLUMES[1:])
    return prepared(os.getuid(), os.getgid(), tools=tools, volumes=volumes)


def test_it_makes_what_is_missing_twice_the_same(places: Path) -> None:
    _, script = mine()
    for _ in range(2):
        run(script, places)
        assert (places / "places/library/downloads/it's here").is_dir()
        assert (places / "places/library/shelf").readlink() == Path("/mnt/clouds/shelf")
        assert (places / "places/config/deep/seed.conf").read_text() == "first"
        assert (places / "places/config/deep/seed.conf").stat().st_mode & 0o777 == 0o600


def test_it_leaves_what_is_there(places: Path) -> None:
    library, config = places / "places/library", places / "places/config"
    (config / "deep").mkdir(mode=0o711)
    (config / "deep/seed.conf").write_text("the app's own")
    (library / "downloads").symlink_to(places / "elsewhere")
    _, script = mine()
    run(script, places)  # a link where a folder belongs: nothing is made on the other side
    assert not (places / "elsewhere").exists()
    (library / "downloads").unlink()
    run(script, places)
    assert (config / "deep/seed.conf").read_text() == "the app's own"
    assert (config / "deep").stat().st_mode & 0o777 == 0o711


def test_what_is_in_the_way_of_a_cloud_stays_and_is_told(places: Path) -> None:
    shelf = places / "places/library/shelf"
    shelf.mkdir()
    (shelf / "film").write_text("kept")
    with pytest.raises(subprocess.CalledProcessError):
        run(mine()[1], places)
    assert (shelf / "film").read_text() == "kept"
    (shelf / "film").unlink()
    run(mine()[1], places)
    assert shelf.is_symlink(), "an empty folder makes way"


def test_a_link_that_leads_elsewhere_is_a_persons_own(places: Path) -> None:
    (places / "places/library/shelf").symlink_to("/old/place")
    run(mine()[1], places)
    assert (places / "places/library/shelf").readlink() == Path("/old/place")


def test_links_of_an_app_do_not_lead_it_elsewhere(places: Path) -> None:
    library, config = places / "places/library", places / "places/config"
    (library / "others").mkdir()
    (config / "deep").symlink_to(library / "others")
    run(mine()[1], places)
    assert list((library / "others").iterdir()) == []


def test_a_trap_beside_a_seed_is_removed_and_not_followed(places: Path) -> None:
    library, config = places / "places/library", places / "places/config"
    (library / "precious").write_text("kept")
    (config / "deep").mkdir()
    (config / "deep/seed.conf.portable-new").symlink_to(library / "precious")
    run(mine()[1], places)
    assert (library / "precious").read_text() == "kept"
    assert (config / "deep/seed.conf").read_text() == "first"


def owned(script: str, root: Path) -> list[str]:
    """The folders that the script would give away if it were root's and the engine had made them."""
    log = root / "owned"
    log.write_text("")
    run(f'stat() {{ echo 0:0; }}\nchmod() {{ :; }}\nchown() {{ echo "$2" >>{log}; }}\n{script}', root)
    return [line.removeprefix(f"{root}/places/") for line in log.read_text().splitlines()]


def test_a_folder_gets_its_owner_though_the_engine_copied_files_into_it(places: Path) -> None:
    """Else an app could write nothing beside the files that it is given, as Homepage, which makes its other settings itself."""
    given = (p.FileMount(file="page", path="/config/pages/one.yaml"), p.FileMount(file="page", path="/config/two words.yaml"))
    mounts = (p.Mount(volume="config", path="/config"),)
    demo = app(containers=(container(identity=p.Identity(how="user", uid=1001, gid=1002), mounts=mounts, files=given),))
    seen = index(plan(demo, volumes=VOLUMES[1:2], files=(p.File(id="page", body=("x",)),)))
    script = init(seen, frozenset({"config"})).script["init-script"]["content"]
    assert "own /places/config 1001 1002 0750 pages 'two words.yaml'" in script
    config = places / "places/config"
    (config / "pages").mkdir()
    (config / "two words.yaml").write_text("x")
    assert owned(script, places) == ["config"]
    (config / "words.yaml").write_text("of a person")
    assert owned(script, places) == [], "what has content of somebody's keeps its owner"
