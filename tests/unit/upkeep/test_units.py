"""The healer as a unit of systemd. No systemd runs here: a stand-in for `systemctl` writes down what it is told."""

import configparser
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from portable.model.errors import PortableError, Refused
from portable.upkeep import units as unit

WORDS = ["heal", "--watch", "--profile", "my place"]


def parsed(text: str) -> configparser.ConfigParser:
    """As an INI file; keys of units keep their case."""
    found = configparser.ConfigParser(interpolation=None, strict=False)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(text)
    return found


def test_the_unit_runs_the_same_portable_in_the_same_place() -> None:
    variables = {"HOME": "/root", "KUBECONFIG": "/k", "XDG_STATE_HOME": "/var/lib/x", "TOKEN": "hunter2"}
    text = unit.text_of("media-home", WORDS, Path("/srv/100% mine"), variables)
    service = parsed(text)["Service"]
    assert shlex.split(service["ExecStart"]) == [sys.executable, "-P", "-m", "portable", *WORDS]
    assert service["WorkingDirectory"] == "/srv/100%% mine"
    assert "Environment=HOME=/root\nEnvironment=KUBECONFIG=/k\nEnvironment=XDG_STATE_HOME=/var/lib/x\n" in text
    assert "hunter2" not in text
    assert service["Restart"] == "always"
    assert parsed(text)["Install"]["WantedBy"] == "multi-user.target"


def test_what_systemd_would_take_for_something_else_is_quoted() -> None:
    text = unit.text_of("p", ["--set", 'a=$HOME "x" \\ %i'], Path("/"), {})
    assert '"a=$$HOME \\"x\\" \\\\ %%i"' in text


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that systemd runs, as far as `unit` looks."""
    (tmp_path / "units").mkdir()
    (tmp_path / "running").mkdir()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/told\ncase "$*" in *bad*) echo "Unit is masked." >&2; exit 1 ;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setattr(unit, "_UNITS", tmp_path / "units")
    monkeypatch.setattr(unit, "_RUNNING", tmp_path / "running")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def test_it_is_installed_again_and_taken_away(systemd: Path) -> None:
    for text in ("first", "second"):
        path = unit.install("media-home", text)
        assert path.read_text() == text
    assert (path.name, path.stat().st_mode & 0o777) == ("portable-heal-media-home.service", 0o644)
    assert unit.uninstall("media-home")
    assert not path.exists()
    assert not unit.uninstall("media-home")
    told = (systemd / "told").read_text().splitlines()
    assert told[:3] == ["daemon-reload", f"enable {path.name}", f"restart {path.name}"]
    assert told[-3:] == [f"disable --now {path.name}", "daemon-reload", "daemon-reload"]


def test_upkeep_has_a_timer_once_a_month(systemd: Path) -> None:
    """What was missed is made up for; the service ends by itself, and is as kept in as the healer."""
    words = ["upkeep", "--task", "scrub", "--profile", "home"]
    timer_name = unit.timer_of("media-home")
    texts = unit.timed_of(timer_name, unit.MONTHLY, "media-home", words, Path("/srv"), {"DOCKER_HOST": "ssh://board"})
    path = unit.install_timed(timer_name, texts)
    service, timer = (parsed((systemd / "units" / f"portable-upkeep-media-home.{kind}").read_text()) for kind in ("service", "timer"))
    assert shlex.split(service["Service"]["ExecStart"]) == [sys.executable, "-P", "-m", "portable", *words]
    assert (service["Service"]["Type"], service["Service"]["Environment"]) == ("oneshot", "DOCKER_HOST=ssh://board")
    assert service["Service"]["NoNewPrivileges"] == "yes"
    assert (timer["Timer"]["OnCalendar"], timer["Timer"]["Persistent"]) == ("monthly", "yes")
    assert timer["Install"]["WantedBy"] == "timers.target"
    told = (systemd / "told").read_text().splitlines()
    assert told == ["daemon-reload", f"enable {path.name}", f"restart {path.name}"]
    assert unit.uninstall_timed(timer_name)
    assert list((systemd / "units").iterdir()) == []
    assert not unit.uninstall_timed(timer_name)


def test_the_page_has_a_timer_of_its_own_once_an_hour(systemd: Path) -> None:
    names = unit.timer_of("media-home"), unit.page_timer_of("media-home")
    for name, when in zip(names, (unit.MONTHLY, unit.HOURLY), strict=True):
        unit.install_timed(name, unit.timed_of(name, when, "media-home", ["upkeep"], Path("/srv"), {}))
    timers = [parsed((systemd / "units" / name).read_text())["Timer"]["OnCalendar"] for name in names]
    assert timers == ["monthly", "hourly"]
    assert unit.uninstall_timed(names[1])
    assert sorted(path.name for path in (systemd / "units").iterdir()) == sorted((names[0], names[0].replace(".timer", ".service")))


def test_what_systemd_says_is_told(systemd: Path) -> None:
    with pytest.raises(PortableError, match="Unit is masked") as raised:
        unit.install("bad", "text")
    assert raised.value.code == "unit.systemctl"
    assert "`journalctl -u portable-heal-bad.service`" in (raised.value.remedy or "")


def test_without_systemd_or_root_it_is_refused(systemd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Refused, match="`portable heal --watch`") as raised:
        unit.install("p", "text")
    assert raised.value.code == "unit.needs-root"
    (systemd / "running").rmdir()
    with pytest.raises(Refused, match="`portable heal --watch`") as raised:
        unit.uninstall("p")
    assert raised.value.code == "unit.no-systemd"


@pytest.mark.parametrize("left", ["service", "timer"])
def test_a_pair_of_which_one_is_left_is_taken_away(systemd: Path, left: str) -> None:
    """An earlier command was killed between the two."""
    name = unit.timer_of("media-home")
    path = unit.install_timed(name, unit.timed_of(name, unit.MONTHLY, "media-home", ["upkeep"], Path("/srv"), {}))
    path.with_suffix(".timer" if left == "service" else ".service").unlink()
    assert unit.uninstall_timed(name)
    assert list((systemd / "units").iterdir()) == []
    assert (systemd / "told").read_text().splitlines()[-1] == "daemon-reload"


def test_nothing_is_imported_from_the_folder_of_the_stack(tmp_path: Path) -> None:
    """Root runs it, and the folder may be anybody's."""
    (tmp_path / "typer.py").write_text("raise SystemExit('imported from the folder')")
    service = parsed(unit.text_of("p", ["--version"], tmp_path, {}))["Service"]
    done = subprocess.run(shlex.split(service["ExecStart"]), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
