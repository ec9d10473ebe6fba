"""Programs that are built from Go modules: once, whole or not at all, and anew where anything of them changes."""

from pathlib import Path

import msgspec
import pytest

from tests.lab.engine import LabError
from tests.lab.go_programs import GoPrograms

GO = """#!/bin/sh
echo build >>"$BUILDS"
while [ "$1" != -o ]; do shift; done
[ "$3" != ./broken ] || { echo half >"$2"; echo "broken.go:1:1: no" >&2; exit 1; }
echo "$3" >"$2"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoPrograms:
    """Two of them, and a compiler that writes down what it was asked for."""
    monkeypatch.setenv("PORTABLE_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BUILDS", str(tmp_path / "builds"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "go").write_text(GO)
    (tmp_path / "go").chmod(0o755)
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "go.mod").write_text("module one\n")
    return GoPrograms(name="one", module=tmp_path / "module", packages={"a": "./a", "b": "./b"})


def test_they_are_built_once(programs: GoPrograms, tmp_path: Path) -> None:
    assert not programs.are_built()
    folder = programs.bring()
    assert programs.bring() == folder == programs.folder()
    assert programs.are_built()
    assert [(folder / name).read_text() for name in ("a", "b")] == ["./a\n", "./b\n"]
    assert (tmp_path / "builds").read_text() == "build\n" * 2


def test_what_the_compiler_left_half_done_is_no_program(programs: GoPrograms) -> None:
    broken = msgspec.structs.replace(programs, packages={"a": "./broken"})
    with pytest.raises(LabError, match=r"broken\.go:1:1"):
        broken.bring()
    assert [path.name for path in broken.folder().iterdir()] == [".lock"]


def test_another_version_package_or_flag_is_another_folder(programs: GoPrograms, tmp_path: Path) -> None:
    others = [
        msgspec.structs.replace(programs, packages={"a": "./a"}),
        msgspec.structs.replace(programs, link="-s"),
    ]
    keys = [programs.key(), *(other.key() for other in others)]
    (tmp_path / "module" / "go.mod").write_text("module one\n\nrequire two v1.0.0\n")
    assert len({*keys, programs.key()}) == 4
