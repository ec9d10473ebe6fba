"""What upkeep says of a scrub and of newer images, from what the host and registries answer."""

import shutil
import subprocess
from pathlib import Path

import pytest

from portable.live.stack import Stack
from portable.local.records import ImageRecord, read_record
from portable.model import plan as p
from portable.model.errors import PortableError
from portable.model.registry import Offered
from portable.model.shell import script
from portable.secrets.sources import EnvironmentSource
from portable.upkeep.backup import BackupRow
from portable.upkeep.tasks import TaskResult, _backed_up, newer, scrub, upkeep
from tests import factories
from tests.unit.live.fake_driver import FakeApp, FakeDriver, World

OLD, NEW = f"sha256:{'0' * 64}", f"sha256:{'1' * 64}"


def plan(*references: tuple[str, str | None]) -> p.Plan:
    """An app for each image, with its state in one folder."""
    apps = tuple(
        factories.app(f"app{n}", containers=(factories.container("main", image=p.Image(repository=repository, tag="1", digest=digest)),))
        for n, (repository, digest) in enumerate(references)
    )
    volumes = (p.Volume(id="a", holds="state", place=p.Folder(path="/srv/a")), p.Volume(id="b", holds="cache", place=p.Ephemeral()))
    return p.Plan(stack="media", profile="test", tools=factories.container("tools"), apps=apps, volumes=volumes)


@pytest.mark.parametrize(
    ("line", "result", "text"),
    [
        ("0|/srv/a|Error summary: no errors found", "done", "Error summary: no errors found"),
        ("0|/srv/a|Error summary: csum=3840 Corrected: 3840 Uncorrectable: 0 ", "done", "`btrfs device stats /srv/a` shows"),
        ("3|/srv/a|ERROR: there are 2 uncorrectable errors", "failed", "2 uncorrectable errors"),
        ("1|/srv/a|", "failed", "(exit 1)"),
        ("absent|/srv/a|", "failed", "does not exist"),
        ("missing|/srv/a|", "failed", "`apt-get install btrfs-progs`"),
        ("other|/srv/a|ext2/ext3", "not here", "ext2/ext3"),
    ],
)
def test_what_a_scrub_says(line: str, result: str, text: str) -> None:
    asked = []

    def host(script: str, folders: object) -> str:
        asked.append((script, folders))
        return f"{line}\n"

    (done,) = scrub(host, plan())
    assert (done.subject, done.result) == ("/srv/a", result)
    assert text in done.text
    assert asked == [(script(scrub.__module__, "scrub.sh"), ["/srv/a"])]


def test_the_script_passes_over_what_is_no_btrfs(tmp_path: Path) -> None:
    """Run here with a `stat` that says what each folder lies on, and a `btrfs` that says what it was asked."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "stat").write_text('#!/bin/sh\ncase "$4" in */ext) echo ext2/ext3;; *) [ "$3" = %T ] && echo btrfs || echo 77;; esac\n')
    (programs / "findmnt").write_text("#!/bin/sh\necho one-and-the-same\n")
    (programs / "btrfs").write_text("#!/bin/sh\necho \"$@\" >>$LOG\necho 'Error summary:    no errors found'\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    log, shell = tmp_path / "log", shutil.which("sh") or "sh"
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "LOG": str(log)}
    run = [shell, "-c", script(scrub.__module__, "scrub.sh"), "sh", "/m", "/m/sub", "/m/ext"]
    said = subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["0|/m|Error summary: no errors found ", "other|/m/ext|ext2/ext3"]
    assert log.read_text() == "scrub start -B /m\n", "two folders of one file system are one scrub"


def test_a_file_system_that_nobody_knows_by_name_is_scrubbed_all_the_same(tmp_path: Path) -> None:
    """On a host without udev `findmnt` gives no UUID: an empty one is not one that was seen."""
    (tmp_path / "stat").write_text('#!/bin/sh\n[ "$3" = %T ] && echo btrfs || echo 77\n')
    (tmp_path / "findmnt").write_text('#!/bin/sh\ncase $2 in SOURCE) [ -z "$NAMED" ] || echo /dev/sda ;; esac\n')
    (tmp_path / "btrfs").write_text("#!/bin/sh\necho 'Error summary:    no errors found'\n")
    for program in ("stat", "findmnt", "btrfs"):
        (tmp_path / program).chmod(0o755)
    run = [shutil.which("sh") or "sh", "-c", script(scrub.__module__, "scrub.sh"), "sh", "/m", "/m/sub"]
    for named in ("", "yes"):
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "NAMED": named}
        said = subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout
        assert said.splitlines() == ["0|/m|Error summary: no errors found "], named


def test_a_host_that_says_nothing_has_not_scrubbed() -> None:
    (done,) = scrub(lambda _script, _folders: "", plan())
    assert (done.subject, done.result) == ("/srv/a", "failed")


class AskingDriver(FakeDriver):
    """A driver whose registry has a newer image under each tag."""

    def offered(self, reference: str) -> Offered:
        return Offered(digest=NEW)


def test_the_page_is_written_last_and_the_answers_of_registries_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    driver = AskingDriver(World({"app0": FakeApp()}), Stack(project="media-test"), EnvironmentSource())
    seen: list[str] = []

    def write_page() -> TaskResult:
        seen.extend(answer.digest for answer in read_record("media-test", ImageRecord).images)
        return TaskResult(task="page", subject="page.html", result="done")

    done = list(upkeep(driver, plan(("docker.io/new", OLD)), ("page", "images"), write_page=write_page))
    assert [(result.task, result.result) for result in done] == [("images", "newer"), ("page", "done")]
    assert seen == [NEW], "the page shows what the tasks before it found"
    assert read_record("media-test", ImageRecord).at

    def fails() -> TaskResult:
        raise PortableError("no space", code="file.disk-full", remedy="free some")

    (failed,) = upkeep(driver, plan(), ("page",), write_page=fails)
    assert (failed.result, failed.text) == ("failed", "no space: free some [file.disk-full]")


def test_newer_images_are_proposed_and_a_silent_registry_is_asked_once() -> None:
    asked: list[str] = []

    def offered(reference: str) -> Offered:
        asked.append(reference)
        if reference.startswith("lscr.io"):
            return Offered(why="unknown", said="dial tcp: i/o timeout")
        return Offered(digest={"docker.io/new:1": NEW}.get(reference, OLD))

    images = plan(
        ("docker.io/new", OLD),
        ("docker.io/same", OLD),
        ("lscr.io/one", OLD),
        ("lscr.io/two", OLD),
        ("localhost/x", OLD),
        ("ghcr.io/tag", None),
    )
    found = {done.subject: done for done in newer(offered, images)}
    assert {name: done.result for name, done in found.items()} == {
        "docker.io/new:1": "newer",
        "docker.io/same:1": "same",
        "lscr.io/one:1": "unknown",
        "lscr.io/two:1": "unknown",
        "localhost/x:1": "unknown",
        "ghcr.io/tag:1": "unknown",
    }
    assert found["docker.io/new:1"].lines == (f"override: {{app0: {{containers: {{main: {{image: {{digest: {NEW}}}}}}}}}}}",)
    assert asked == ["docker.io/new:1", "docker.io/same:1", "lscr.io/one:1"]


def test_an_image_that_is_gone_or_refused_does_not_count_as_a_silent_registry() -> None:
    answers = {
        "docker.io/gone:1": Offered(why="absent", said="manifest unknown"),
        "docker.io/mine:1": Offered(why="refused", said="denied: requested access to the resource is denied"),
        "docker.io/same:1": Offered(digest=OLD),
    }
    found = {done.subject: done for done in newer(answers.__getitem__, plan(*((name.removesuffix(":1"), OLD) for name in answers)))}
    assert {name: done.result for name, done in found.items()} == {
        "docker.io/gone:1": "absent",
        "docker.io/mine:1": "refused",
        "docker.io/same:1": "same",
    }
    assert "docker.io" in found["docker.io/gone:1"].text
    assert "(manifest unknown)" in found["docker.io/gone:1"].text
    assert "`docker login docker.io`" in found["docker.io/mine:1"].text


def test_what_the_keeper_did_is_told_app_by_app() -> None:
    rows = (
        BackupRow(app="a", at="2026", result="done"),
        BackupRow(app="b", result="left out", notes=("index is left out",)),
        BackupRow(app="c", result="failed", notes=("no space is left",)),
    )
    done = _backed_up(rows, "backup")
    assert (done.result, done.text) == ("failed", "1 done, 1 left out, 1 failed")
    assert done.lines == ("a: done 2026", "b: left out", "c: failed", "b: index is left out", "c: no space is left")
    assert _backed_up(rows[:2], "backup").result == "done"


def test_a_scheduled_app_that_does_not_run_on_an_engine_is_a_failure_with_its_remedy() -> None:
    driver = FakeDriver(World({"capacity": FakeApp()}), Stack(project="media-test"), EnvironmentSource())
    command = factories.container("main", command=("sh", "-c", "echo full; exit 3"))
    place = p.Plan(
        stack="media", profile="test", tools=factories.container("tools"), apps=(factories.app("capacity", containers=(command,)),)
    )

    def page() -> TaskResult:
        raise AssertionError

    (down,) = upkeep(driver, place, ("capacity",), write_page=page)
    assert (down.subject, down.result, down.text) == (
        "capacity",
        "failed",
        "not running: start it with `portable up capacity` [up.not-running]",
    )
    driver.world.start("capacity")
    (run,) = upkeep(driver, place, ("capacity",), write_page=page)
    assert (run.result, run.text, run.lines) == ("failed", "exit 3", ("full",))
