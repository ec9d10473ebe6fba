"""The program that backs up under what it must bear: hostile apps, little memory, a run that is killed, a restore that is given up."""

import contextlib
import json
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.lab.keeper import KEEP, SCRIPT, app, command, program, rows, tree

FILES = int(os.environ.get("PORTABLE_BACKUP_FILES", "300000"))
"""How many the full form takes, in a process that gets 200 MiB of addresses."""
may_mount = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


def together(folder: Path, *apps: Any, more: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The nightly run: all apps, none named."""
    config = folder / "all.json"
    told = {
        a.name: {
            "image": "",
            "volumes": {v: {"at": str(at), "copied": "stopped" if v in a.stopped else "running"} for v, at in a.volumes.items()},
        }
        for a in apps
    }
    config.write_text(json.dumps({"store": str(folder / "store"), "keep": KEEP, "apps": told}))
    run = [sys.executable, str(SCRIPT), "backup", "--json", "--config", str(config)]
    return subprocess.run(run, capture_output=True, text=True, check=False, env={**os.environ, **(more or {})})


# --- what an app may do to its own folder ----------------------------------------------------------------------------


def test_while_the_app_runs_nothing_is_written_where_it_could_put_a_link(tmp_path: Path) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("mine")
    program.back_up(store, player, KEEP)
    before = sorted(path.name for path in (tmp_path / "config").iterdir())
    assert program.stage(store, player)["result"] == "staged"
    assert sorted(path.name for path in (tmp_path / "config").iterdir()) == before


def test_a_folder_that_is_changed_for_a_link_under_its_hands_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should somebody write in an app's folder all the same while its backup is put there."""
    player, store, victim = app(tmp_path, "config"), tmp_path / "store", tmp_path / "victim"
    (tmp_path / "config" / "folder").mkdir()
    (tmp_path / "config" / "folder" / "file").write_text("mine")
    program.back_up(store, player, KEEP)
    victim.mkdir(mode=0o755)
    was = tree(victim)
    made, mode = os.mkdir, stat.S_IMODE(victim.stat().st_mode)

    def mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        made(path, mode, dir_fd=dir_fd)
        if str(path) == "folder":
            os.rmdir(path, dir_fd=dir_fd)
            os.symlink(victim, path, dir_fd=dir_fd)

    program.stage(store, player)
    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(program.Trouble, match="nothing was changed"):
        program.swap(store, player)
    assert (tree(victim), stat.S_IMODE(victim.stat().st_mode)) == (was, mode)
    assert (tmp_path / "config" / "folder" / "file").read_text() == "mine"
    assert not (tmp_path / "config" / program.STAGED).exists()


def test_links_swapped_in_all_the_time_lead_nowhere(tmp_path: Path) -> None:
    """A race for a second: whatever becomes of the restores, nothing outside is written, opened or removed."""
    player, store, victim = app(tmp_path, "config"), tmp_path / "store", tmp_path / "victim"
    for n in range(5):
        (tmp_path / "config" / f"folder {n}").mkdir()
        (tmp_path / "config" / f"folder {n}" / "file").write_text("mine")
    program.back_up(store, player, KEEP)
    for n in range(5):
        (victim / f"folder {n}").mkdir(parents=True)
        (victim / f"folder {n}" / "theirs").write_text("theirs")
    was, ended = tree(victim), threading.Event()
    staged, elsewhere = tmp_path / "config" / program.STAGED, tmp_path / "config" / "elsewhere"

    def race() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                staged.rename(elsewhere)
            with contextlib.suppress(OSError):
                staged.symlink_to(victim)
            with contextlib.suppress(OSError):
                elsewhere.rename(tmp_path / "config" / f"folder {len(list((tmp_path / 'config').iterdir()))}")

    racer = threading.Thread(target=race)
    racer.start()
    try:
        for _ in range(30):
            with contextlib.suppress(OSError, program.Trouble):
                program.stage(store, player)
                program.swap(store, player)
    finally:
        ended.set()
        racer.join()
    assert tree(victim) == was


def test_a_database_behind_a_folder_that_became_a_link_is_not_taken_for_the_apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player, store, victim = app(tmp_path, "config"), tmp_path / "store", tmp_path / "victim"
    for folder, text in ((tmp_path / "config" / "data", "mine"), (victim, "theirs")):
        folder.mkdir()
        with contextlib.closing(sqlite3.connect(folder / "app.db")) as opened:
            opened.execute(f"create table {text} (n)")
    copy = program.copy_database

    def swapped(source: Path, target: Path, folder: int) -> None:
        source.parent.rename(tmp_path / "config" / "elsewhere")
        source.parent.symlink_to(victim)
        copy(source, target, folder)

    monkeypatch.setattr(program, "copy_database", swapped)
    row = program.back_up(store, player, KEEP)
    assert (row["result"], "was changed for another one" in row["notes"][0]) == ("failed", True)
    assert not list((store / "player").rglob("app.db"))


_OWNERS = """
import sqlite3, sys
held = []
for path, table in zip(sys.argv[1::2], sys.argv[2::2]):
    held.append(sqlite3.connect(path, isolation_level=None))
    held[-1].execute("pragma journal_mode=wal")
    held[-1].execute(f"create table {table} (n)")
print(flush=True)
sys.stdin.read()
"""
"""Two apps, in one process of their own."""


@pytest.mark.parametrize("name", ["app.db", "app.db-wal", "app.db-journal"])
@pytest.mark.parametrize("moment", ["before it is looked at", "once it is opened", "only while it is opened"])
def test_a_database_or_its_log_that_becomes_a_link_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, moment: str
) -> None:
    """SQLite would: an app could have the database of another one in its own backup."""
    player, store, mine, victim = app(tmp_path, "config"), tmp_path / "store", tmp_path / "config", tmp_path / "victim"
    victim.mkdir()
    owners = [sys.executable, "-c", _OWNERS, str(mine / "app.db"), "mine", str(victim / "app.db"), "theirs"]
    with subprocess.Popen(owners, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        if name == "app.db-journal":
            (victim / name).write_text("theirs")
        was, copy, connect = tree(victim), program.copy_database, sqlite3.connect

        def swap() -> None:
            with contextlib.suppress(FileNotFoundError):
                (mine / name).rename(mine / "elsewhere")
            (mine / name).symlink_to(victim / name)

        def copied(*given: Any) -> None:
            if moment == "before it is looked at":
                swap()
            copy(*given)

        def connected(at: Any, *given: Any, **more: Any) -> Any:
            first = moment != "before it is looked at" and "mode=ro" in str(at) and not (mine / name).is_symlink() and "imm" not in str(at)
            if first:
                swap()
            done = connect(at, *given, **more)
            if first and moment == "only while it is opened":
                done.execute("pragma schema_version").fetchone()
                (mine / name).unlink()
                with contextlib.suppress(FileNotFoundError):
                    (mine / "elsewhere").rename(mine / name)
            return done

        monkeypatch.setattr(program, "copy_database", copied)
        monkeypatch.setattr(sqlite3, "connect", connected)
        row = program.back_up(store, player, KEEP)
        assert tree(victim) == was
    taken = [path for path in (store / "player").rglob("app.db") if b"theirs" in path.read_bytes()]
    assert not taken
    if (name, moment) != ("app.db-journal", "only while it is opened"):  # which is looked at only by who finds no log
        assert (row["result"], len(list((store / "player").rglob("app.db")))) == ("failed", 0)
        assert "is not followed" in row["notes"][0] or "was changed for another one" in row["notes"][0]


# --- memory, and one app's trouble -----------------------------------------------------------------------------------


def many(folder: Path, count: int) -> None:
    """So many entries, a third of them in one folder."""
    for n in range(count):
        there = folder / ("one" if n % 3 == 0 else f"{n // 1000}/{n // 100}")
        if n % 100 < 3:
            there.mkdir(parents=True, exist_ok=True)
        name = there / f"a name as long as those of pictures are {n:08}"
        name.write_bytes(b"%d" % n) if n % 2 else name.symlink_to("nowhere")


def test_what_it_holds_does_not_grow_with_the_files(tmp_path: Path) -> None:
    """An entry that is held takes more than 3,000 bytes: these took 10 MB."""
    player, store, count = app(tmp_path, "config"), tmp_path / "store", 3000
    many(tmp_path / "config", count)
    tracemalloc.start()
    try:
        for _ in range(2):  # the second one knows the first
            program.back_up(store, player, KEEP)
        program.check(store, player)
        program.stage(store, player)
        assert program.swap(store, player)["files"] == count // 2
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A piece of a file, the names of the largest folder, and Python's own table of names.
    assert held < 5e6


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_it_does_with_little_memory_what_the_keeper_has_to(tmp_path: Path, record_property: Any) -> None:
    player = app(tmp_path, "config")
    many(tmp_path / "config", FILES)

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))

    for name in ("backup", "backup", "check", "stage", "swap"):
        done = subprocess.run(command(tmp_path, player, name, "player"), capture_output=True, text=True, check=False, preexec_fn=little)
        assert done.returncode == 0, done.stdout + done.stderr
    record_property("backup_memory", f"{FILES} entries backed up twice, tried and put back within 200 MiB of addresses")


def test_an_app_that_is_killed_or_confused_keeps_no_other_from_being_backed_up(tmp_path: Path) -> None:
    apps = [app(tmp_path, name, name=name) for name in ("a", "doomed", "odd", "z")]
    (tmp_path / "store" / "odd").mkdir()
    (tmp_path / "store" / "odd" / program.JOURNAL).write_text("not json")
    (tmp_path / "sitecustomize.py").write_text("import os, sys\nif 'doomed' in sys.argv: os.kill(os.getpid(), 9)\n")
    done = together(tmp_path, *apps, more={"PYTHONPATH": str(tmp_path)})
    found = {row["app"]: row for row in rows(done.stdout)}
    assert {name: row["result"] for name, row in found.items()} == {"a": "done", "doomed": "failed", "odd": "failed", "z": "done"}
    assert "more memory" in found["doomed"]["notes"][0]
    assert "JSONDecodeError" in found["odd"]["notes"][0]
    assert done.returncode == 1


def test_the_lock_is_an_apps_own(tmp_path: Path) -> None:
    """While the nightly run is at a large app, another one may be restored."""
    apps = [app(tmp_path, name, name=name) for name in ("large", "small")]
    for one in apps:
        program.back_up(tmp_path / "store", one, KEEP)
    with program.locked(tmp_path / "store" / "large"):
        done = subprocess.run(command(tmp_path, apps[1], "stage", "small"), capture_output=True, text=True, check=False, timeout=30)
        assert rows(done.stdout)[0]["result"] == "staged"
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(command(tmp_path, apps[0], "stage", "large"), capture_output=True, check=False, timeout=1)


def test_who_names_an_app_of_which_nothing_can_be_taken_is_told_so_by_the_exit_code(tmp_path: Path) -> None:
    search = app(tmp_path, "index", name="search", stopped=["index"])
    named = subprocess.run(command(tmp_path, search, "backup", "search"), capture_output=True, text=True, check=False)
    assert (named.returncode, rows(named.stdout)[0]["result"]) == (1, "failed")
    assert "`portable backup --stop search` takes it" in rows(named.stdout)[0]["notes"][0]
    at_night = together(tmp_path, search, app(tmp_path, "config"))
    assert (at_night.returncode, [row["result"] for row in rows(at_night.stdout)]) == (0, ["done", "left out"])


def test_a_name_that_is_no_text_ends_no_run(tmp_path: Path) -> None:
    player = app(tmp_path, "config")
    os.mkfifo(tmp_path / "config" / os.fsdecode(b"pipe \xff"))
    run = [part for part in command(tmp_path, player, "backup") if part != "--json"]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stderr
    assert "is no file" in done.stdout


def test_a_backup_of_the_first_format_is_put_back_and_built_upon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_TICK", 0)
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("mine")
    old = store / "player" / program.back_up(store, player, KEEP)["at"]
    told = json.loads((old / "manifest.json").read_text())
    entries = [json.loads(line) for line in (old / "config.files.jsonl").read_text().splitlines()]
    told |= {"format": 1, "volumes": {"config": {"entries": entries, "notes": [], "failures": []}}}
    (old / "manifest.json").write_text(json.dumps(told))
    (old / "config.files.jsonl").unlink()
    new = store / "player" / program.back_up(store, player, KEEP)["at"]
    assert (new / "config" / "file").samefile(old / "config" / "file")
    (tmp_path / "config" / "file").write_text("changed")
    assert program.check(store, player, old.name)["result"] == "done"
    program.stage(store, player, old.name)
    program.swap(store, player)
    assert (tmp_path / "config" / "file").read_text() == "mine"
    assert [row["files"] for row in program.listed(store, "player")] == [1, 1]


# --- giving up, and what is in the way -------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the program runs after it."""


@contextlib.contextmanager
def killed_before(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[Callable[[], int]]:
    """The program ends before its so-manieth rename, write of its journal, or removal; tells how many there were."""
    done = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*given: Any, **more: Any) -> Any:
            nonlocal done
            done += 1
            if done > step:
                raise Killed
            return call(*given, **more)

        return instead

    with monkeypatch.context() as patched:
        for name in ("rename", "rmdir", "symlink"):
            patched.setattr(os, name, counted(getattr(os, name)))
        patched.setattr(program, "_write", counted(program._write))
        yield lambda: done


def test_a_restore_is_given_up_from_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before each of its steps, and the giving up killed too before each of its own, then run again: the state is what it was."""
    number = tried = 0
    reached: set[str] = set()
    ended = False
    while not ended:
        for again in range(number % 3, 100, 3):
            folder = tmp_path / f"{number} {again}"
            folder.mkdir()
            player, store = app(folder, "config", "metadata"), folder / "store"
            for volume in ("config", "metadata"):
                (folder / volume / "same").write_text("as backed up")
                (folder / volume / "link").symlink_to("nowhere")
            program.back_up(store, player, KEEP)
            for volume in ("config", "metadata"):
                (folder / volume / "same").write_text("as it is")
                (folder / volume / "later").mkdir()
                (folder / volume).chmod(0o750)
            was = {volume: (tree(folder / volume), (folder / volume).stat().st_mode) for volume in ("config", "metadata")}
            program.stage(store, player)
            try:
                with killed_before(monkeypatch, number):
                    program.swap(store, player)
                ended = True
                break
            except Killed:
                pass
            reached.add(json.loads((store / "player" / program.JOURNAL).read_text())["step"])
            try:
                with killed_before(monkeypatch, again):
                    program.abort(store, player, stopped=True)
                ended_giving_up = True
            except Killed:
                ended_giving_up = False
                if json.loads((store / "player" / program.JOURNAL).read_text())["step"] in ("out", "back"):
                    with pytest.raises(program.Trouble, match="restore --abort"):
                        program.stage(store, player)
                    with pytest.raises(program.Trouble, match="restore --abort"):
                        program.swap(store, player)
                    with pytest.raises(program.Trouble, match="restore --abort"):
                        program.back_up(store, player, KEEP)
                assert program.abort(store, player, stopped=True)["result"] == "given up"
            for volume, (what, mode) in was.items():
                now = {name: facts for name, facts in tree(folder / volume).items() if not name.startswith(program.GIVEN_UP)}
                assert (now, (folder / volume).stat().st_mode) == (what, mode), (number, again)
                assert not [p for p in (folder / volume).iterdir() if p.name.startswith((program.STAGED, program.BEFORE))]
            tried += 1
            assert program.back_up(store, player, KEEP)["result"] == "done"
            assert program.abort(store, player, stopped=True)["result"] == "not begun"
            if ended_giving_up:
                break
        number += 1
    assert reached == {"staged", "aside", "in"}
    assert tried > 50


def half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, *, before: int) -> tuple[Any, Path]:
    """An app with two files and the store of its backup, whose restore was killed before that step."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    for name in ("one", "two"):
        (tmp_path / "config" / name).write_text(content)
    program.back_up(store, player, KEEP)
    program.stage(store, player)
    with pytest.raises(Killed), killed_before(monkeypatch, before):
        program.swap(store, player)
    return player, store


def test_half_way_it_is_given_up_only_of_an_app_that_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player, store = half_way(tmp_path, monkeypatch, "mine", before=2)
    half = tree(tmp_path / "config")
    assert program.abort(store, player, stopped=False)["result"] == "half"
    assert tree(tmp_path / "config") == half


def test_what_was_put_in_place_is_kept_when_it_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have started the app on it meanwhile."""
    player, store = half_way(tmp_path, monkeypatch, "old", before=5)
    (tmp_path / "config" / "one").write_text("written meanwhile")
    done = program.abort(store, player, stopped=True)
    (there,) = (tmp_path / "config").glob(f"{program.GIVEN_UP}*")
    assert (there / "one").read_text() == "written meanwhile"
    assert there.name in done["notes"][0]
    assert program.back_up(store, player, KEEP)["files"] == 2


@pytest.mark.parametrize("given_up", [False, True])
def test_where_the_disk_fails_after_the_last_step_it_is_done_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_up: bool
) -> None:
    """It was told that nothing was changed, and not where the state of before lies."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("old")
    program.back_up(store, player, KEEP)
    (tmp_path / "config" / "file").write_text("new")
    program.stage(store, player)
    if given_up:
        with pytest.raises(Killed), killed_before(monkeypatch, 4):
            program.swap(store, player)
    synced = program._synced

    def failing(folder: Path) -> None:
        if not (store / "player" / program.JOURNAL).exists():
            raise OSError(5, "Input/output error", str(folder))
        synced(folder)

    monkeypatch.setattr(program, "_synced", failing)
    row = program.abort(store, player, stopped=True) if given_up else program.swap(store, player)
    assert row["result"] == ("given up" if given_up else "done")
    assert "Input/output error" in row["notes"][-1]
    assert (tmp_path / "config" / "file").read_text() == ("new" if given_up else "old")
    if not given_up:
        assert (tmp_path / "config" / row["before"] / "file").read_text() == "new"


@pytest.mark.parametrize("kept", [False, True])
def test_only_what_changed_nothing_is_told_to_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """The journal that says that the state is put aside can't be written; or it is, and its disk does not say so."""
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_text("mine")
    program.back_up(store, player, KEEP)
    program.stage(store, player)
    was, write = tree(tmp_path / "config"), program._write

    def failing(path: Path, value: Any) -> None:
        if kept:
            write(path, value)
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(program, "_write", failing)
        with pytest.raises(OSError if kept else program.Unchanged, match=r"[Nn]o space"):
            program.swap(store, player)
    if kept:  # it goes on from there
        assert program.swap(store, player)["result"] == "done"
    else:
        assert tree(tmp_path / "config") == was


@pytest.mark.skipif(not may_mount, reason="mounts, which this user may not")
def test_what_is_mounted_meanwhile_is_told_and_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player, store, state = app(tmp_path, "config"), tmp_path / "store", tmp_path / "config"
    (state / "mnt").mkdir()
    (state / "file").write_text("mine")
    program.back_up(store, player, KEEP)
    program.stage(store, player)
    was = tree(state)

    def mounted(*arguments: str) -> dict[str, Any]:
        run = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$0" && exec "$@"', str(state / "mnt")]
        done = subprocess.run([*run, *command(tmp_path, player, *arguments)], capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        return rows(done.stdout)[0]

    found = mounted("swap", "player")
    assert (found["result"], found["unchanged"]) == ("failed", True)
    assert f"{state}/mnt can't be put aside: something is mounted there; unmount it first" in found["notes"][0]
    assert tree(state) == was
    program.stage(store, player)
    with pytest.raises(Killed), killed_before(monkeypatch, 2):
        program.swap(store, player)
    found = mounted("swap", "player")  # it appeared while the state was put aside
    assert (found["result"], "unchanged" in found) == ("failed", False)
    assert "unmount it, and run the same command again, or `portable restore --abort`" in found["notes"][0]
    assert mounted("abort", "player", "--stopped")["result"] == "given up"
    assert tree(state) == was


def test_what_does_not_fit_is_told_while_the_app_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player, store = app(tmp_path, "config"), tmp_path / "store"
    (tmp_path / "config" / "file").write_bytes(b"x" * 100_000)
    program.back_up(store, player, KEEP)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=10, f_frsize=4096))
    with pytest.raises(program.Trouble, match="it takes 0 MB beside what is there, and 0 MB are left"):
        program.stage(store, player)
