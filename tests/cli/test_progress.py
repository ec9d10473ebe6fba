"""What a command prints of its progress: one line a step, signs of life now and then, and details in a log."""

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from portable.cli import progress
from portable.cli.errors import report
from portable.cli.guide import closing, data_folders, off_path
from portable.cli.opening import prepared_for
from portable.live.place import place_of
from portable.model.errors import EngineError
from portable.model.progress import Event
from tests.cli import environment, run


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError


@pytest.fixture
def printer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> progress.Printer:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return progress.Printer()


def beat(seconds: int) -> Event:
    return Event(what="beat", subject="demo", text=f"building ({seconds} s)")


def test_details_go_to_a_private_log_that_begins_anew(printer: progress.Printer, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(40):
        printer(Event(what="line", subject="demo", text=f"step {number}"))
    assert capsys.readouterr() == ("", "")
    assert printer.log is not None
    assert stat.S_IMODE(printer.log.stat().st_mode) == 0o600
    assert printer.tail()[-1] == "demo: step 39"
    assert len(printer.tail()) == 25
    other = progress.Printer()
    other(Event(what="line", subject="x", text="new"))
    assert printer.log.read_text() == "x: new\n"


def test_signs_of_life_are_rare_in_a_log_and_one_line_on_a_terminal(
    printer: progress.Printer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter((0.0, 15.0, 59.0, 61.0, 90.0))
    monkeypatch.setattr("portable.cli.progress.time.monotonic", lambda: next(moments))
    for seconds in (0, 15, 59, 61, 90):
        printer(beat(seconds))
    assert capsys.readouterr().err == "demo: building (61 s)\n"
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    printer(beat(1))
    printer(beat(2))
    printer(Event(what="note", subject="", text="done"))
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().endswith("\r\x1b[Kdone\n")


@pytest.mark.parametrize(("code", "is_shown"), [("build.failed", True), ("host.port", False)])
def test_the_end_of_the_log_is_shown_where_a_build_failed(
    code: str, is_shown: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def fails() -> None:
        progress.printed(Event(what="line", subject="demo", text="E: no such package"))
        raise EngineError("it failed", code=code)  # type: ignore[arg-type]

    assert report(fails) == 1
    assert ("E: no such package" in capsys.readouterr().err) == is_shown
    assert (tmp_path / "portable" / "details.log").exists()


def test_the_end_of_up_says_how_to_log_in_where_data_lies_and_how_to_remove_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    prepared = prepared_for("local")
    place, planned = place_of(prepared), prepared.planned
    lines = list(closing(place, planned))
    kinds = [line.partition(":")[0] for line in lines]
    assert kinds == ["log in", "log in", "data", "remove"]
    assert ["`portable secrets show qbittorrent-password`" in lines[0], "`portable secrets show sabnzbd-password`" in lines[1]] == [
        True,
        True,
    ]
    assert all(folder in lines[2] for folder in data_folders(planned))
    assert "/srv/portable/local/config" in lines[2]
    assert "`portable down`" in lines[3]
    assert f"{tmp_path}/.config/portable/media/secrets.yaml" in lines[3]


def test_the_end_of_up_says_where_the_program_is_unless_the_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "a place" / "bin" / "portable"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "up"])
    monkeypatch.setenv("PATH", "/usr/bin")
    assert off_path() == program.parent
    prepared = prepared_for("local")
    monkeypatch.setenv("HOME", str(tmp_path))
    first = next(iter(closing(place_of(prepared), prepared.planned)))
    assert f"`export PATH='{program.parent}':$PATH`" in first
    other = tmp_path / "other" / "portable"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{program.parent}")
    assert off_path() == program.parent
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin")
    assert off_path() is None
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "__main__.py"), "up"])
    assert off_path() is None


def test_a_secret_is_shown_on_a_terminal_only_or_by_an_explicit_word(tmp_path: Path) -> None:
    assert run("secrets", "set", "--generate", "qbittorrent-password", cwd=tmp_path).returncode == 0
    refused = run("secrets", "show", "qbittorrent-password", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "[usage.secret-terminal]" in refused.stderr
    shown = run("secrets", "show", "--reveal", "qbittorrent-password", cwd=tmp_path)
    assert shown.returncode == 0
    value = shown.stdout.strip()
    assert value in (tmp_path / ".config/portable/media/secrets.yaml").read_text()
    assert value not in shown.stderr
    parent, child = os.openpty()
    command = [sys.executable, "-m", "portable", "secrets", "show", "qbittorrent-password"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), stdout=child, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, os.read(parent, 1000).decode().strip()) == (0, value)
    for end in (parent, child):
        os.close(end)
    assert run("secrets", "show", "--reveal", "sabnzbd-password", cwd=tmp_path).returncode == 2
    assert "[usage.unknown-secret]" in run("secrets", "show", "nothing", cwd=tmp_path).stderr
