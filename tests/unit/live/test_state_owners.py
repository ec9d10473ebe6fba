"""State that belongs to another user than its app."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from portable.live.compose.suitability import check_state
from portable.live.state_owners import StateFolder, foreign_state, state_folders
from portable.migrate import ending, personality, places
from portable.model import plan as p
from portable.model.errors import Refused
from portable.programs.backup import journal
from portable.verify.doctor import asked, examined
from portable.verify.host import Host, HostPaths, host_script, look
from tests.factories import full_plan

PLAN = full_plan("compose")
ME = os.geteuid(), os.getegid()


def folder(path: Path, uid: int) -> StateFolder:
    return StateFolder(app="seerr", path=str(path), uid=uid, gid=uid)


def plan_at(path: Path, how: str = "user", uid: int = 4321) -> tuple[p.Plan, str]:
    """The full plan with every state folder below a path, and every app running as that user; with the name of an app that has state."""
    volumes = tuple(
        msgspec.structs.replace(v, place=p.Folder(path=str(path))) if isinstance(v.place, p.Folder) else v for v in PLAN.volumes
    )
    who = p.Identity(how=how, uid=uid, gid=uid)  # type: ignore[arg-type]
    apps = tuple(
        msgspec.structs.replace(app, containers=tuple(msgspec.structs.replace(c, identity=who) for c in app.containers))
        for app in PLAN.apps
    )
    plan = msgspec.structs.replace(PLAN, volumes=volumes, apps=apps)
    return plan, next((f.app for f in state_folders(plan)), "")


def test_only_apps_that_run_as_a_user_are_asked(tmp_path: Path) -> None:
    plan, app = plan_at(tmp_path)
    assert app
    assert all(f.uid == 4321 and f.path.startswith(str(tmp_path)) for f in state_folders(plan))
    assert state_folders(plan_at(tmp_path, "puid-pgid")[0]) == ()
    assert state_folders(plan_at(tmp_path, "fixed")[0]) == ()
    assert asked(plan).states == state_folders(plan)


def test_the_first_foreign_entry_is_named_with_its_chown(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "db.sqlite3").write_text("x")
    (found,) = foreign_state([folder(tmp_path, 4321)])
    assert (found.entry, found.owner) == (str(tmp_path), "{}:{}".format(*ME))
    assert f"chown -R 4321:4321 {tmp_path}" in found.remedy
    assert list(foreign_state([folder(tmp_path, ME[0])])) == []
    assert list(foreign_state([folder(tmp_path / "none", 4321)])) == []


def test_an_empty_folder_and_what_all_may_write_are_no_problem(tmp_path: Path) -> None:
    assert list(foreign_state([folder(tmp_path, 4321)])) == []
    tmp_path.chmod(0o777)
    (tmp_path / "open").write_text("x")
    (tmp_path / "open").chmod(0o666)
    (tmp_path / "link").symlink_to("/nowhere")
    assert list(foreign_state([folder(tmp_path, 4321)])) == []
    (tmp_path / "closed").write_text("x")
    (tmp_path / "closed").chmod(0o600)
    assert [f.entry for f in foreign_state([folder(tmp_path, 4321)])] == [str(tmp_path / "closed")]


def test_files_of_the_plan_are_not_foreign(tmp_path: Path) -> None:
    """The engine copies them as root, before `init` gives the folder to the app, and again with each container."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "services.yaml").write_text("x")
    (tmp_path / "sub" / "two words.yaml").write_text("x")
    own = msgspec.structs.replace(folder(tmp_path, 4321), skipped=("services.yaml", "sub", "sub/two words.yaml"))
    assert list(foreign_state([own])) == []
    assert look(run, HostPaths(states=(own,))).foreign == {}
    (tmp_path / "sub" / "brought").write_text("x")
    tmp_path.chmod(0o777)
    assert [f.entry for f in foreign_state([own])] == [str(tmp_path / "sub" / "brought")]
    (tmp_path / "brought").write_text("x")
    assert look(run, HostPaths(states=(own,))).foreign[str(tmp_path)][0] in (str(tmp_path / "brought"), str(tmp_path / "sub" / "brought"))


def test_what_is_kept_aside_is_not_the_apps_to_write(tmp_path: Path) -> None:
    """A restore, a rollback and a move keep such folders in the app's own, as root."""
    made = [
        tmp_path / f"{name}2026" / "deep"
        for name in (journal.STAGED, journal.BEFORE, journal.GIVEN_UP, ending.GIVEN_UP, personality.SCRATCH, places.WORK)
    ]
    for path in made:
        path.mkdir(parents=True)
        path.parent.chmod(0o700)
    here = folder(tmp_path, 4321)
    assert list(foreign_state([here])) == []
    assert look(run, HostPaths(states=(here,))).foreign == {}
    tmp_path.chmod(0o777)
    (tmp_path / ".beforehand").mkdir()
    assert [f.entry for f in foreign_state([here])] == [str(tmp_path / ".beforehand")]
    assert look(run, HostPaths(states=(here,))).foreign[str(tmp_path)][0] == str(tmp_path / ".beforehand")


def test_files_and_mount_points_of_the_plan_are_known_by_their_paths() -> None:
    files = (p.FileMount(file="a", path="/config/deep/a.yaml"), p.FileMount(file="b", path="/etc/b"))
    app = PLAN.apps[0]
    volume = next(v for v in PLAN.volumes if isinstance(v.place, p.Folder) and not PLAN.is_library(v.id))
    own = msgspec.structs.replace(
        app.containers[0],
        identity=p.Identity(how="user"),
        needs=p.Needs(),
        files=files,
        mounts=(p.Mount(volume=volume.id, path="/config"), p.Mount(volume="scratch", path="/config/Library/Cache")),
    )
    plan = msgspec.structs.replace(PLAN, apps=(msgspec.structs.replace(app, containers=(own,)),))
    assert [f.skipped for f in state_folders(plan) if f.app == app.name] == [("Library", "Library/Cache", "deep", "deep/a.yaml")]


def test_up_refuses_before_the_app_fails(tmp_path: Path) -> None:
    plan, app = plan_at(tmp_path)
    own = next(f for f in state_folders(plan) if f.app == app)
    Path(own.path).mkdir(parents=True, exist_ok=True)
    (Path(own.path) / "settings.json").write_text("{}")
    with pytest.raises(Refused, match="runs as 4321:4321 and may not write") as refused:
        check_state(plan, [app], local=True)
    assert (refused.value.code, f"chown -R 4321:4321 {own.path}" in str(refused.value.remedy)) == ("host.owner", True)
    check_state(plan, [app], local=False)
    check_state(plan, ["another"], local=True)
    check_state(None, [app], local=True)


def test_the_doctor_names_it_near_and_far(tmp_path: Path) -> None:
    plan, app = plan_at(tmp_path)
    own = next(f for f in state_folders(plan) if f.app == app)
    found = [
        d
        for d in examined(plan, Host(foreign={own.path: (f"{own.path}/db", "0:0")}), project="media-full", taken=())
        if d.check == "rights" and d.where == own.path
    ]
    assert [(d.verdict, f"chown -R 4321:4321 {own.path}" in d.remedy) for d in found] == [("broken", True)]


def run(arguments: Sequence[str]) -> str:
    """What the script prints on this machine."""
    return subprocess.run(["sh", "-c", host_script(), "sh", *arguments], capture_output=True, text=True, check=True).stdout


def test_the_script_finds_foreign_entries(tmp_path: Path) -> None:
    state, empty = tmp_path / "a b", tmp_path / "empty"
    empty.mkdir()
    (state / "db").mkdir(parents=True)
    host = look(run, HostPaths(states=(folder(state, 4321), folder(empty, 4321))))
    assert host.foreign == {str(state): (str(state), "{}:{}".format(*ME))}
    assert look(run, HostPaths(states=(folder(state, ME[0]),))).foreign == {}
    assert host.routes is not None
    assert host.first_port >= 0
