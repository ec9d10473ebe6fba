"""Rendered folders: exactly what a rendering has, nothing of others' lost, all or nothing."""

import errno
import os
from pathlib import Path

import pytest

from portable.backends.output import LEDGER, differing, findings_page, write
from portable.model.errors import Refused
from portable.model.findings import Finding

HEAD = "# Rendered by portable from profile test: change the profile, not this file.\n"
FILES = {"compose.yaml": f"{HEAD}name: x\n", "apps/one.yaml": f"{HEAD}kind: y\n", "findings.md": f"<!-- {HEAD[2:-1]} -->\n"}


def held(folder: Path) -> dict[str, str]:
    return {str(f.relative_to(folder)): f.read_text() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_a_folder_is_made_and_holds_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert write(FILES, folder, "test") == [folder / name for name in FILES]
    assert held(folder) == FILES
    assert {f.stat().st_mode & 0o777 for f in folder.rglob("*") if f.is_file()} == {0o644}


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    write(FILES, tmp_path, "test")
    before = {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*")}
    assert write(FILES, tmp_path, "test") == []
    assert {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*")} == before


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    write(FILES, tmp_path, "test")
    assert write(FILES | {"compose.yaml": f"{HEAD}name: z\n"}, tmp_path, "test") == [tmp_path / "compose.yaml"]


def test_what_is_not_rendered_any_more_goes_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    write(FILES | {"apps/gone.yaml": f"{HEAD}x: 1\n", "gone.yaml": HEAD}, tmp_path, "test")
    kept = {
        "own.yaml": "mine: true\n",
        "apps/own.yaml": "mine: true\n",
        "other.yaml": HEAD.replace("test", "other"),
        "longer.yaml": HEAD.replace("test", "test-2"),
        "deep/er/x.yaml": HEAD,
        "image.bin": "\0\1",
    }
    for name, text in kept.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "raw.bin").write_bytes(b"\xff\xfe\n")
    assert differing(FILES, tmp_path, "test") == ([], [tmp_path / "apps/gone.yaml", tmp_path / "gone.yaml"])
    assert write(FILES, tmp_path, "test") == [tmp_path / "apps/gone.yaml", tmp_path / "gone.yaml"]
    (tmp_path / "raw.bin").unlink()
    assert held(tmp_path) == FILES | kept


def test_a_rendering_that_lies_below_is_left_alone(tmp_path: Path) -> None:
    write(FILES, tmp_path / "test", "test")
    write(FILES, tmp_path, "test")
    assert held(tmp_path / "test") == FILES


def test_another_profiles_rendering_gives_way(tmp_path: Path) -> None:
    write({"compose.yaml": HEAD.replace("test", "other")}, tmp_path, "other")
    assert write(FILES, tmp_path, "test")
    assert held(tmp_path) == FILES


@pytest.mark.parametrize("content", [b"services: {}\n", b"\xff\xfe\x00", b"\n" + HEAD.encode()])
def test_a_file_of_somebody_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "compose.yaml").write_bytes(content)
    with pytest.raises(Refused) as caught:
        write(FILES, tmp_path, "test")
    assert (caught.value.code, caught.value.where) == ("render.foreign-file", str(tmp_path / "compose.yaml"))
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("compose.yaml", content)]


def test_an_empty_file_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").touch()
    write(FILES, tmp_path, "test")
    assert held(tmp_path) == FILES


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").mkdir()
    with pytest.raises(IsADirectoryError):
        write(FILES, tmp_path, "test")
    assert held(tmp_path) == {}


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(OSError, match="Not a directory") as caught:
        write(FILES, tmp_path / "out", "test")
    assert str(caught.value.filename).startswith(str(tmp_path / "out"))
    assert held(tmp_path) == {"out": "x"}


@pytest.mark.parametrize("step", range(len(FILES)))
@pytest.mark.parametrize("there", [False, True])
def test_where_one_file_finds_no_room_nothing_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, there: bool) -> None:
    folder = tmp_path / "out"
    old = {name: text + "# old\n" for name, text in FILES.items()}
    if there:
        write(old, folder, "test")
    calls = 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(FILES, folder, "test")
    assert caught.value.filename == str(folder / list(FILES)[step])
    assert held(folder) == (old if there else {})
    assert folder.exists() is there


def test_the_ledger_as_a_page() -> None:
    def finding(app: str, **changes: str) -> Finding:
        defaults = {"field": "f", "path": app, "class_": "function", "text": "a | b", "remedy": "mend it", "app": app}
        return Finding(**(defaults | changes))  # type: ignore[arg-type]

    found = (finding("z", class_="security", verdict="waived", reason="so\nit is"), finding("a"), finding("b"))
    head = [f"<!-- {HEAD[2:-1]} -->", "# Compromises in profile `test`", ""]
    table = ["", "| verdict | finding | remedy or reason |", "| --- | --- | --- |"]
    assert findings_page(found, "test").split("\n") == [
        *head,
        *("## security", *table, "| waived | a \\| b | waived: so it is |", ""),
        # What several apps share stands once.
        *("## function", *table, "| noted | a \\| b | mend it |", ""),
    ]
    assert findings_page((), "test").split("\n") == [*head, "None.", ""]


def test_folders_of_apps_and_components_go_with_their_last_file(tmp_path: Path) -> None:
    nested = {"apps/one/one.yaml": HEAD, "components/shared/network.yaml": HEAD, "apps/two/two.yaml": HEAD}
    write(FILES | nested, tmp_path, "test")
    (tmp_path / "apps/two/own.yaml").write_text("mine: true\n")
    write({"apps/three/three.yaml": HEAD}, tmp_path / "apps/three", "test")
    (tmp_path / "apps/three" / LEDGER).write_text("")
    assert write(FILES, tmp_path, "test") == [tmp_path / name for name in sorted(nested)]
    assert held(tmp_path) == FILES | {
        "apps/two/own.yaml": "mine: true\n",
        "apps/three/apps/three/three.yaml": HEAD,
        f"apps/three/{LEDGER}": "",
    }
    assert not (tmp_path / "components").exists()
    assert (tmp_path / "apps/two").is_dir()
    assert not (tmp_path / "apps/one").exists()


def test_a_rendering_moves_from_one_folder_to_folders_of_apps_and_back(tmp_path: Path) -> None:
    nested = {"apps/one/one.yaml": f"{HEAD}kind: y\n", "findings.md": FILES["findings.md"]}
    for files in (FILES, nested, FILES):
        write(files, tmp_path, "test")
        assert held(tmp_path) == files
