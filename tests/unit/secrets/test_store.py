"""A file of secrets that cannot be read: who is told what, and where."""

import os
from pathlib import Path
from typing import Any

import pytest

from portable.model.errors import PortableError
from portable.secrets.store import read_file


def failed(path: Path) -> tuple[str, str | None]:
    with pytest.raises(PortableError) as caught:
        read_file(path)
    return caught.value.code, caught.value.where


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert failed(tmp_path / "none.yaml") == ("secret.file-absent", str(tmp_path / "none.yaml"))
    assert read_file(tmp_path / "none.yaml", lenient=True) == {}


@pytest.mark.parametrize(
    ("error", "code"), [(PermissionError(13, "Permission denied"), "secret.file-denied"), (OSError(5, "Input"), "secret.file-unreadable")]
)
def test_a_file_that_does_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, code: str) -> None:
    def refuse(*_: Any) -> int:
        raise error

    monkeypatch.setattr(os, "open", refuse)
    assert failed(tmp_path / "s.yaml") == (code, str(tmp_path / "s.yaml"))


@pytest.mark.parametrize(
    ("raw", "code", "place"),
    [
        (b"a: \xff\n", "secret.file-encoding", ""),
        (b"a: \x07\n", "secret.file-syntax", ""),
        (b"a: [\n", "secret.file-syntax", ":2:1"),
        (b"- a\n", "secret.file-syntax", ":1:1"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, raw: bytes, code: str, place: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(raw)
    path.chmod(0o600)
    assert failed(path) == (code, f"{path}{place}")


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        (0o640, "the file of secrets is open to its group (mode 0640)"),
        (0o604, "the file of secrets is open to everybody on this machine (mode 0604)"),
    ],
)
def test_who_else_could_read_it_is_named(tmp_path: Path, mode: int, text: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("a: b\n")
    path.chmod(mode)
    with pytest.raises(PortableError) as caught:
        read_file(path)
    assert caught.value.text == text


@pytest.mark.parametrize(("text", "said"), [("a: [", "this is not valid YAML"), ("a: [b]", "expected text"), ("- a", "expected a mapping")])
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(PortableError) as caught:
        read_file(path)
    assert caught.value.text == said
