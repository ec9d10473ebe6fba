"""How a stack on an engine looks at folders of the host, near and far."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portable.live.compose import view as module
from portable.live.compose.view import ComposeView
from portable.live.view import HostFolder
from portable.model.errors import PortableError
from tests.factories import full_plan


def engine(*, local: bool) -> Any:
    """As much of an engine as is asked; the helper on its host is a shell of this machine, whose tree is the host's."""

    def on_host(image: str, script: str, folders: Sequence[str]) -> str:
        assert image == "tools"
        near = script.replace("ROOT=/host;", "ROOT=;")
        assert near != script
        return subprocess.run(["sh", "-c", near, "sh", *folders], capture_output=True, text=True, check=True).stdout

    return SimpleNamespace(address=SimpleNamespace(is_local=local, host="board"), on_host=on_host)


def test_folders_of_a_host_near_and_far(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    found, proc = folder.stat(), Path("/proc").stat()
    expected = {
        str(folder): HostFolder(identity=f"{found.st_dev}:{found.st_ino}"),
        "/proc": HostFolder(identity=f"{proc.st_dev}:{proc.st_ino}", mounted=True),
    }
    for local in (True, False):
        stack = ComposeView(engine(local=local), full_plan("compose"), lambda: "tools")
        assert stack.on_host(list(expected)) == expected
        assert stack.on_host([str(tmp_path / "none")])[str(tmp_path / "none")].identity == ""  # type: ignore[index]


def test_a_host_has_addresses_on_the_lan_where_it_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "lan_addresses", lambda: ("192.0.2.7",))
    assert ComposeView(engine(local=True), full_plan("compose")).lan == ("192.0.2.7",)
    assert ComposeView(engine(local=False), full_plan("compose")).lan == ()


def test_a_host_that_can_not_be_looked_at() -> None:
    """No image to look with, or nobody who says which."""

    def missing() -> str:
        raise PortableError("the image of the tools is not there")

    for helper in (None, missing):
        assert ComposeView(engine(local=False), full_plan("compose"), helper).on_host(["/"]) is None
