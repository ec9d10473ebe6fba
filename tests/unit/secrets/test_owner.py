"""Whose secrets a stack runs on: a second user makes no new ones beside it."""

from pathlib import Path

import msgspec
import pytest

from portable.model.errors import Refused
from portable.secrets.owner import SecretsOwner, is_other_owner, machine_digest, owner_in, owner_of, recordable, refuse_other_owner
from portable.secrets.sources import EnvironmentSource, FileSource


def test_another_file_or_another_machine_is_refused(tmp_path: Path) -> None:
    mine = FileSource(path=str(tmp_path / "secrets.yaml"))
    own = owner_of(mine)
    assert own.endswith(f":{tmp_path}/secrets.yaml")
    machine = own.partition("@")[2].partition(":")[0]
    for owner in (f"anna@{machine}:/home/anna/secrets.yaml", f"root@elsewhere:{tmp_path}/secrets.yaml"):
        with pytest.raises(Refused) as caught:
            refuse_other_owner(mine, owner)
        assert (caught.value.code, caught.value.where) == ("secret.other-owner", f"{tmp_path}/secrets.yaml")
        assert owner.partition(":")[2] in str(caught.value.remedy)
        assert "`portable secrets adopt`" in str(caught.value.remedy)
        assert "#" not in caught.value.text, "the identity of the machine is for comparisons only"


def test_the_same_file_is_nobody_elses_whoever_asks_and_an_unknown_one_is_no_reason(tmp_path: Path) -> None:
    mine = FileSource(path=str(tmp_path / "secrets.yaml"))
    refuse_other_owner(mine, owner_of(mine))
    refuse_other_owner(mine, "sudo@" + owner_of(mine).partition("@")[2])
    refuse_other_owner(mine, "")


def test_only_a_file_has_an_owner() -> None:
    assert owner_of(EnvironmentSource()) == ""
    refuse_other_owner(EnvironmentSource(), "anna@nas:/x")


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
