"""The script is run, by the shells that are there, on a plain folder."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from portable.backends.kubernetes.prepare import PLACES, SEEDS, TREE, TREE_SCRIPT, inside, script, tree_script
from portable.backends.kubernetes.scope import Scope, scope_of
from portable.model import plan as p
from tests.factories import app, container, full_plan, plan, with_cloud, with_volume
from tests.unit.backends.kubernetes.rendered import container_of, found, pod, render

SHELLS = [
    ["sh", "-c"],
    *([["busybox", "sh", "-c"]] if shutil.which("busybox") else []),
    *([["bash", "-c"]] if shutil.which("bash") else []),
]


def here(scope: Scope, group: str, root: Path) -> str:
    """The script of a pod on folders of the test's, with the library's own beside it."""

    def moved(text: str) -> str:
        for path, outside in ((PLACES, "places"), (SEEDS, "seeds"), (f"{TREE}/", "tree/")):
            text = text.replace(f" {path}", f" {root}/{outside}").replace(f"'{path}", f"'{root}/{outside}")
        return text

    (root / "tree").mkdir(exist_ok=True)
    (root / "seeds").mkdir()
    (root / "seeds" / "torrents-conf").write_text("seed")
    (root / "tree" / TREE_SCRIPT).write_text(moved(tree_script(scope) or ""))
    return moved(script(scope, scope.pods[group]))


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The places of the full plan after `init-dirs`."""
    scope = scope_of(full_plan("kubernetes"))
    text = here(scope, "gateway", tmp_path)
    for _ in range(2):
        subprocess.run([*request.param, text, "tools"], check=True, capture_output=True)
    return tmp_path / "places"


def test_it_makes_what_is_missing_and_does_it_again_without_harm(run: Path) -> None:
    assert (run / "state-claim/config/torrents").is_dir()
    assert (run / "library-claim/downloads/torrents").is_dir()
    assert (run / "library-claim/shelf").readlink() == Path("/mnt/clouds/shelf")
    seeded = run / "state-claim/config/torrents/torrents.conf"
    assert seeded.read_text() == "seed"
    assert seeded.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in seeded.parent.iterdir()] == ["torrents.conf"]


def lay(path: Path, what: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "file":
        path.write_text("mine")
    elif what == "dead-link":
        path.symlink_to("/nowhere")
    else:
        path.mkdir()
        if what == "folder":
            (path / "film").write_text("mine")


@pytest.mark.parametrize("what", ["file", "folder", "dead-link"])
def test_it_never_replaces_a_file_of_an_app(tmp_path: Path, what: str) -> None:
    text = here(scope_of(full_plan("kubernetes")), "gateway", tmp_path)
    path = tmp_path / "places/state-claim/config/torrents/torrents.conf"
    lay(path, what)
    subprocess.run(["sh", "-c", text, "tools"], check=True)
    assert {"file": path.is_file(), "folder": path.is_dir(), "dead-link": path.is_symlink() and not path.exists()}[what]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_in_the_way_of_a_cloud_stays_and_is_told(tmp_path: Path, what: str) -> None:
    text = here(scope_of(full_plan("kubernetes")), "gateway", tmp_path)
    path = tmp_path / "places/library-claim/shelf"
    lay(path, what)
    done = subprocess.run(["sh", "-c", text, "tools"], check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert str(path) in done.stderr
    assert (path if what == "file" else path / "film").read_text() == "mine"


@pytest.mark.parametrize("what", ["empty folder", "dead-link"])
def test_an_empty_folder_makes_way_for_a_cloud(tmp_path: Path, what: str) -> None:
    text = here(scope_of(full_plan("kubernetes")), "gateway", tmp_path)
    path = tmp_path / "places/library-claim/shelf"
    lay(path, what)
    subprocess.run(["sh", "-c", text, "tools"], check=True)
    assert str(path.readlink()) == ("/nowhere" if what == "dead-link" else "/mnt/clouds/shelf")


def test_the_script_reaches_the_shell_as_it_is() -> None:
    made = container_of(full_plan("kubernetes"), "init-dirs", "gateway")
    assert made["command"] == ["sh", "-c"]
    assert "$(" not in made["args"][0]
    assert "$$" not in made["args"][0]


def test_it_runs_as_the_owner_of_the_folders_whatever_the_tools_need() -> None:
    tools = container("tools", identity=p.Identity(how="fixed", uid=1234, gid=99), needs=p.Needs(root_start=True, net_admin=True))
    volume = p.Volume(id="state", holds="state", place=p.Claim(name="state", size=1), folder="demo")
    made = container_of(
        plan(app(containers=(container(mounts=(p.Mount(volume="state", path="/config"),)),)), volumes=(volume,), tools=tools), "init-dirs"
    )
    assert made["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsUser": 1234,
        "runAsGroup": 99,
        "runAsNonRoot": True,
    }


def test_arguments_of_the_tools_follow_the_script_literally() -> None:
    made = container_of(
        with_volume(p.Claim(name="disk", size=1), within={"plan": {"tools": container("tools", args=("a", "$(B)"))}}), "init-dirs"
    )
    assert made["args"][1:] == ["tools", "a", "$$(B)"]


def test_seeds_lie_beside_the_files_of_all_containers_of_their_owner() -> None:
    seed, plain = p.FileMount(file="conf", path="/config/conf", seed=True), p.FileMount(file="plain", path="/etc/plain")
    keeping: dict[str, Any] = {"files": (seed,), "mounts": (p.Mount(volume="state", path="/config"),)}
    within = {
        "volumes": (p.Volume(id="state", holds="state", place=p.Claim(name="state", size=1)),),
        "files": tuple(p.File(id=name, body=("x",)) for name in ("conf", "plain")),
    }
    both = plan(app(containers=(container(**keeping), container("side", role="sidecar", files=(plain,)))), **within)
    cloud = structs.replace(with_cloud(**keeping), **within)
    for made, name, keys in ((both, "files-demo", ["conf", "plain"]), (cloud, "files-cloud-shelf", ["conf"])):
        (volume,) = (v for v in pod(made)["volumes"] if v["name"] == name)
        assert [item["key"] for item in volume["configMap"]["items"]] == keys


def test_names_with_blanks_and_quotes_are_quoted(tmp_path: Path) -> None:
    odd = "it's $HOME; rm -rf `x`"
    volume = p.Volume(id="library", holds="library", place=p.Claim(name="library", size=1))
    mounts = (p.Mount(volume="library", path=p.LIBRARY),)
    made = plan(app(containers=(container(mounts=mounts),)), volumes=(volume,), library=p.Library(volume="library", folders=(odd,)))
    scope = scope_of(made)
    subprocess.run(["sh", "-c", here(scope, "demo", tmp_path)], check=True)
    assert [path.name for path in (tmp_path / "places/library").iterdir()] == [odd]


def test_an_app_that_comes_with_folders_changes_no_other_pod() -> None:
    volume = p.Volume(id="library", holds="library", place=p.Claim(name="library", size=1))
    one = app(containers=(container(mounts=(p.Mount(volume="library", path=p.LIBRARY),)),))
    before, after = (
        pod(plan(one, volumes=(volume,), library=p.Library(volume="library", folders=folders)))
        for folders in (("media",), ("media", "media/music"))
    )
    assert before == after


@pytest.mark.parametrize(
    ("place", "folder", "path"),
    [
        (p.Claim(name="disk", size=1), "", "disk"),
        (p.Claim(name="disk", size=1), "config/appX", "disk/config/appX"),
        (p.Ephemeral(), "", "state"),
        (p.Ephemeral(), "cache/", "state/cache"),
    ],
)
def test_where_a_volume_is_in_what_prepares_it(place: p.Place, folder: str, path: str) -> None:
    assert inside(p.Volume(id="state", holds="state", place=place, folder=folder)) == f"{PLACES}/{path}"


def test_a_pod_with_nothing_to_prepare_has_no_init_container() -> None:
    assert "initContainers" not in pod(plan())


def test_a_seed_without_a_volume_is_refused() -> None:
    mount = p.FileMount(file="conf", path="/etc/conf", seed=True)
    made = plan(app(containers=(container(files=(mount,)),)), files=(p.File(id="conf", body=("x",)),))
    assert found(render(made), "files.seed") == ["apps.demo.containers.main.files.conf@/etc/conf"]
