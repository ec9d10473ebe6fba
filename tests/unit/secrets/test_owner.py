"""Whose secrets a stack runs on: a second user makes no new ones beside it."""

from pathlib import Path

import pytest

from portable.model.errors import Refused
from portable.secrets.owner import owner_of, refuse_other_owner
from portable.secrets.sources import EnvironmentSource, FileSource


def test_another_file_or_another_machine_is_refused(tmp_path: Path) -> None:
    mine = FileSource(path=str(tmp_path / "secrets.yaml"))
    own = owner_of(mine)
    assert own.endswith(f":{tmp_path}/secrets.yaml")
    host = own.partition("@")[2].partition(":")[0]
    for owner in (f"anna@{host}:/home/anna/secrets.yaml", f"root@elsewhere:{tmp_path}/secrets.yaml"):
        with pytest.raises(Refused) as caught:
            refuse_other_owner(mine, owner)
        assert (caught.value.code, caught.value.where) == ("secret.other-owner", f"{tmp_path}/secrets.yaml")
        assert owner.partition(":")[2] in str(caught.value.remedy)


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
