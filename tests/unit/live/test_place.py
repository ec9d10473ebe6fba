"""What a place is told by the environment: folders and the file of secrets."""

import os
import pwd
import re
from pathlib import Path

import pytest

from portable.live.place import source_of
from portable.local.paths import home_of, state_home
from portable.model.errors import UsageError
from portable.profiles.types import SecretsFacts
from portable.secrets.sources import FileSource


@pytest.mark.parametrize(
    ("file", "path"), [(None, "/me/.config/portable/media/secrets.yaml"), ("/etc/s.yaml", "/etc/s.yaml"), ("~/s.yaml", "/me/s.yaml")]
)
def test_the_file_of_secrets(file: str | None, path: str) -> None:
    assert source_of(SecretsFacts(file=file), "media", {}, Path("/me")) == FileSource(path=path)


@pytest.mark.parametrize("file", ["", "secrets.yaml", "./secrets.yaml", "~nobody-here/s.yaml"])
def test_a_file_of_secrets_that_would_depend_on_the_working_folder(file: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(file))) as caught:
        source_of(SecretsFacts(file=file), "media", {}, Path("/me"))
    assert caught.value.code == "secret.file-path"


def test_without_home_the_user_database_tells_and_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_home({"HOME": "/me"}) == Path("/me/.local/state/portable")
    assert home_of({}) == home_of({"HOME": ""}) == Path(pwd.getpwuid(os.getuid()).pw_dir)
    monkeypatch.setattr(os, "getuid", lambda: 3_000_000_000)
    with pytest.raises(UsageError, match=r"HOME.* user 3000000000 .*\[file\.home\]$"):
        state_home({})
