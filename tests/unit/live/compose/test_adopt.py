"""`portable secrets adopt`: a moved file of secrets, or one on a renamed machine, becomes the recorded one, unless its values differ."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from portable.cli import secrets as cli
from portable.cli import up
from portable.engines.docker.observed import ObservedContainer
from portable.live.compose.driver import SECRETS_OWNER, ComposeDriver
from portable.model.errors import PortableError, Refused, UsageError
from portable.secrets.owner import owner_in, owner_of
from portable.secrets.sources import EnvironmentSource, FileSource, Source
from tests.unit.live.compose.test_other_values import OTHER, Shared, container, source, stack

__all__ = ["source"]


def adopt(monkeypatch: pytest.MonkeyPatch, engine: Shared, where: Source) -> None:
    """Run the command on a stack on that engine."""
    place = SimpleNamespace(source=where, stack=stack())

    @contextmanager
    def opened(_place: Any) -> Iterator[ComposeDriver]:
        yield ComposeDriver(engine, stack(), where)

    monkeypatch.setattr(up, "open_place", lambda *_args, **_more: (place, SimpleNamespace(generated={"token": "hex"})))
    monkeypatch.setattr(up, "driver_of", opened)
    cli.adopt("home")


@pytest.mark.parametrize("containers", [(), ("mine-1234567890",)])
def test_a_moved_file_is_adopted(
    monkeypatch: pytest.MonkeyPatch, source: FileSource, tmp_path: Path, capsys: pytest.CaptureFixture[str], containers: tuple[str, ...]
) -> None:
    present: tuple[ObservedContainer, ...] = tuple(container(value) for value in containers)
    engine = Shared(tmp_path, *present)
    adopt(monkeypatch, engine, source)
    assert engine.owners == {SECRETS_OWNER: owner_of(source)}
    assert "before, it was that of anna@nas in /home/anna/secrets.yaml" in capsys.readouterr().out
    adopt(monkeypatch, engine, source)
    assert "before" not in capsys.readouterr().out


def test_other_values_are_not_adopted(monkeypatch: pytest.MonkeyPatch, source: FileSource, tmp_path: Path) -> None:
    engine = Shared(tmp_path, container("theirs-0987654321"))
    with pytest.raises(Refused) as caught:
        adopt(monkeypatch, engine, source)
    assert (caught.value.code, engine.owners) == ("secret.other-owner", {SECRETS_OWNER: OTHER})


def test_another_source_has_nothing_to_adopt(monkeypatch: pytest.MonkeyPatch, source: FileSource, tmp_path: Path) -> None:
    engine = Shared(tmp_path)
    with pytest.raises(UsageError) as caught:
        adopt(monkeypatch, engine, EnvironmentSource())
    assert (caught.value.code, engine.owners) == ("usage.secrets-owner", {SECRETS_OWNER: OTHER})


@pytest.mark.parametrize("text", ["plex-claim: claim\n", "token: [\n", None])
@pytest.mark.parametrize("containers", [(), ("mine-1234567890",)])
def test_a_file_without_the_values_is_not_adopted(
    monkeypatch: pytest.MonkeyPatch, source: FileSource, tmp_path: Path, text: str | None, containers: tuple[str, ...]
) -> None:
    """The next `up` would generate other values than the apps have."""
    if text is None:
        Path(source.path).unlink()
    else:
        Path(source.path).write_text(text)
    engine = Shared(tmp_path, *(container(value) for value in containers))
    if text is not None and "claim" in text and not containers:
        adopt(monkeypatch, engine, source)  # nothing is known of the values of a stack without containers
        return
    with pytest.raises(PortableError):
        adopt(monkeypatch, engine, source)
    assert engine.owners == {SECRETS_OWNER: OTHER}


def test_the_first_user_of_the_same_file_stays_and_is_named(
    monkeypatch: pytest.MonkeyPatch, source: FileSource, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = owner_in(owner_of(source))
    assert mine is not None
    first = msgspec.structs.replace(mine, user="anna")
    engine = Shared(tmp_path, owner=first.line)
    adopt(monkeypatch, engine, source)
    assert engine.owners == {SECRETS_OWNER: first.line}
    assert capsys.readouterr().out.strip() == f"demo runs on the file of {first.who} in {source.path}"
