"""What the host must offer before anything starts."""

import os
import subprocess
from pathlib import Path

import pytest

from portable.engines.mounts import holding, parse, sharing
from portable.live.compose.host import check_devices, check_mounts, check_shared, shared_binds
from portable.local import commands
from portable.local.commands import carry_out, typed
from portable.model.errors import EngineError

MOUNTS = """\
22 1 254:0 / / rw,relatime {root} - ext4 /dev/vda rw
30 22 0:30 / /mnt/my\\040clouds rw {inner} - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "root", "inner", "expected"),
    [
        ("/mnt/clouds", "shared:1", "", True),
        ("/mnt/clouds", "", "shared:2", False),
        ("/mnt/my clouds/zurg", "", "shared:2", True),
        ("/mnt/my clouds", "shared:1", "master:1", False),
        ("/mnt/my clouds-beside", "shared:1", "", True),
    ],
)
def test_the_innermost_mount_decides(path: str, root: str, inner: str, expected: bool) -> None:
    mount = holding(parse(MOUNTS.format(root=root, inner=inner)), path)
    assert mount is not None
    assert mount.shared is expected


def test_only_rshared_binds_are_asked_for() -> None:
    volumes = [
        {"type": "bind", "source": "/mnt/clouds", "bind": {"propagation": "rshared"}},
        {"type": "bind", "source": "/srv", "bind": {"propagation": "rslave"}},
        {"type": "volume", "source": "cache"},
    ]
    assert list(shared_binds({"services": {"cloud": {"volumes": volumes}, "app": {}}})) == ["/mnt/clouds"]


def test_missing_devices_are_named_with_who_needs_them(tmp_path: Path) -> None:
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.touch()
    body = {"services": {"a": {"devices": [f"{there}:/dev/x", f"{gone}:/dev/y"]}, "b": {"devices": [f"{gone}:/dev/y"]}}}
    with pytest.raises(EngineError, match=r"gone \(for a, b\)") as caught:
        check_devices(body, local=True)
    assert caught.value.code == "host.device"
    check_devices(body, local=False)
    check_devices({"services": {"a": {"devices": [f"{there}:/dev/x"]}}}, local=True)


def test_who_is_not_root_is_told_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: MOUNTS.format(root="", inner="shared:1"))
    check_shared({"/mnt/my clouds/x"}, local=True)
    check_shared({"/mnt/clouds"}, local=False)
    with pytest.raises(EngineError) as raised:
        check_shared({"/mnt/a b"}, local=True)
    assert (raised.value.code, raised.value.where) == ("host.unshared", "/mnt/a b")
    assert (raised.value.remedy or "").endswith(
        ": mkdir -p '/mnt/a b' && "
        """sh -c 'mountpoint -q "$0" || mount --rbind "$0" "$0"' '/mnt/a b' && mount --make-rshared '/mnt/a b'"""
    )


def test_a_mount_that_is_there_gets_no_second_one_on_top(tmp_path: Path) -> None:
    """A run that was ended between the two commands leaves a mount that is not shared yet."""
    folder, calls = tmp_path / "clouds", tmp_path / "calls"
    (tmp_path / "mountpoint").write_text(f"#!/bin/sh\n[ -e {tmp_path}/mounted ]\n")
    (tmp_path / "mount").write_text(f'#!/bin/sh\necho "$*" >>{calls}; touch {tmp_path}/mounted\n')
    for program in ("mountpoint", "mount"):
        (tmp_path / program).chmod(0o755)
    for _ in range(2):
        for command in sharing(str(folder)):
            subprocess.run(command, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=True)
    assert calls.read_text().splitlines() == [f"--rbind {folder} {folder}", *[f"--make-rshared {folder}"] * 2]


def test_a_library_that_is_not_mounted_stops_everything(tmp_path: Path) -> None:
    body = {"x-portable-mounted": {"library": str(tmp_path), "sonarr-config": str(tmp_path)}}
    with pytest.raises(EngineError, match=str(tmp_path)) as caught:
        check_mounts(body, local=True)
    assert caught.value.code == "host.not-mounted"
    check_mounts(body, local=False)
    check_mounts({"x-portable-mounted": {"library": "/"}}, local=True)
    check_mounts({}, local=True)


def test_commands_are_run_until_one_fails(tmp_path: Path) -> None:
    """What failed is told in its own words, with all of them to type."""
    first, last = tmp_path / "first", tmp_path / "last"
    commands = [["mkdir", str(first)], ["sh", "-c", "echo it is not ours >&2; exit 1"], ["mkdir", str(last)]]
    with pytest.raises(EngineError, match="it is not ours") as raised:
        carry_out(commands, where="/x")
    assert (first.exists(), last.exists()) == (True, False)
    assert raised.value.code == "file.root-command"
    assert raised.value.remedy is not None
    assert raised.value.remedy.endswith(f"root: {typed(commands)}")


def test_a_command_that_is_not_there_or_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match=r"portable-none.*\[file\.root-command\]$"):
        carry_out([["portable-none"]], where="/x")
    monkeypatch.setattr(commands, "_SECONDS", 0.1)
    with pytest.raises(EngineError, match=r"timed out.*\[file\.root-command\]$"):
        carry_out([["sleep", "5"]], where="/x")
