"""Whose secrets a stack runs on: a second user makes no new ones beside it."""

import getpass
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from portable.model.errors import Refused
from portable.secrets.owner import (
    SecretsOwner,
    is_other_owner,
    machine_digest,
    owner_in,
    owner_of,
    recordable,
    refuse_other_owner,
    refuse_other_values,
)
from portable.secrets.sources import EnvironmentSource, FileSource, Source

Refuse = Callable[[Source, str], None]
each = pytest.mark.parametrize("refuse", [refuse_other_owner, refuse_other_values])


@each
def test_another_file_or_another_machine_is_refused(refuse: Refuse, tmp_path: Path) -> None:
    mine = FileSource(path=str(tmp_path / "secrets.yaml"))
    own = owner_of(mine)
    assert own.endswith(f":{tmp_path}/secrets.yaml")
    machine = own.partition("@")[2].partition(":")[0]
    for owner in (f"anna@{machine}:/home/anna/secrets.yaml", f"root@elsewhere:{tmp_path}/secrets.yaml"):
        with pytest.raises(Refused) as caught:
            refuse(mine, owner)
        assert (caught.value.code, caught.value.where) == ("secret.other-owner", f"{tmp_path}/secrets.yaml")
        assert owner.partition(":")[2] in str(caught.value.remedy)
        assert ("`portable secrets adopt`" in str(caught.value.remedy)) == (refuse is refuse_other_owner)
        assert "#" not in caught.value.text, "the identity of the machine is for comparisons only"


@each
@pytest.mark.parametrize("name", ["secrets.yaml", "se@cr:ets.yaml"])
def test_the_same_file_is_nobody_elses_whoever_asks_and_an_unknown_one_is_no_reason(refuse: Refuse, name: str, tmp_path: Path) -> None:
    mine = FileSource(path=str(tmp_path / name))
    refuse(mine, owner_of(mine))
    refuse(mine, "sudo@" + owner_of(mine).partition("@")[2])
    refuse(mine, "")


@each
def test_a_path_with_a_colon_is_told_whole(refuse: Refuse, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        refuse(FileSource(path=str(tmp_path / "a:b.yaml")), "anna@nas:/home/anna/c:d.yaml")
    assert caught.value.where == f"{tmp_path}/a:b.yaml"
    assert "copy /home/anna/c:d.yaml here" in (caught.value.remedy or "")


@each
def test_only_a_file_has_an_owner(refuse: Refuse) -> None:
    assert owner_of(EnvironmentSource()) == ""
    refuse(EnvironmentSource(), "anna@nas:/x")


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_has_a_number(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    source = FileSource(path="/s.yaml")
    assert owner_of(source).startswith(f"{getpass.getuser()}@")

    def nameless() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert owner_of(source).startswith(f"{os.getuid()}@")


def test_a_home_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    assert owner_of(FileSource(path="~/secrets.yaml")).endswith(":/home/anna/secrets.yaml")


ID = "0123456789abcdef"
FILE = SecretsOwner(user="anna", host="nas", machine=ID, path="/s.yaml")


def owner(**changes: str) -> SecretsOwner:
    return msgspec.structs.replace(FILE, **changes)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (owner(), True),
        (owner(user="root"), True),
        (owner(host="new-name"), True),
        (owner(machine="fedcba9876543210"), False),
        (owner(machine=""), True),
        (owner(machine="", host="new-name"), False),
        (owner(path="/other.yaml"), False),
    ],
)
def test_a_machine_is_known_by_its_identity_else_by_its_name(other: SecretsOwner, is_same: bool) -> None:
    assert FILE.has_same_file(other) is other.has_same_file(FILE) is is_same


@pytest.mark.parametrize("line", ["anna@nas#0123456789abcdef:/s.yaml", "anna@nas:/s.yaml", "anna@corp@nas:/a@b:c#d.yaml", "1000@:/s.yaml"])
def test_an_owner_is_read_as_it_was_written(line: str) -> None:
    found = owner_in(line)
    assert found is not None
    assert found.line == line


def test_a_line_of_no_owner_is_none() -> None:
    assert owner_in("") is owner_in("anna") is None
    assert not is_other_owner(FileSource(path="/s.yaml"), "")


def test_the_identity_of_a_machine_is_digested(tmp_path: Path) -> None:
    names = ("absent", "empty", "zeros", "right")
    files = tuple(tmp_path / name for name in names)
    for file, text in zip(files[1:], ("uninitialized\n", "0" * 32, "b08dfa6083e7567a1921a715000001fb\n"), strict=True):
        file.write_text(text)
    digest = machine_digest(files)
    assert len(digest) == 16
    assert digest not in "b08dfa6083e7567a1921a715000001fb"
    assert machine_digest(files[:3]) == ""


def test_a_record_is_written_again_only_if_it_is_not_true(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = FileSource(path="/s.yaml")
    monkeypatch.setattr("portable.secrets.owner.machine_digest", lambda: ID)
    monkeypatch.setattr("socket.gethostname", lambda: "nas")
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    assert recordable(mine, FILE.line) == ""
    assert recordable(mine, owner(machine="").line) == FILE.line
    assert recordable(mine, owner(host="old").line) == FILE.line
    assert recordable(mine, owner(path="/other.yaml").line) == recordable(mine, "") == owner(user="root").line
    assert recordable(EnvironmentSource(), FILE.line) == ""
