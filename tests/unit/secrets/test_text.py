"""One line end at the end of a secret is not part of it, whatever source it comes from; control characters are refused everywhere."""

from collections.abc import Callable
from pathlib import Path

import pytest

from portable.model.errors import UsageError
from portable.secrets.generate import known_values
from portable.secrets.lookup import examine, resolve
from portable.secrets.needs import Need
from portable.secrets.sources import CommandSource, EnvironmentSource, FileSource, Source
from portable.secrets.store import set_secret
from portable.secrets.text import control_character, without_line_end
from portable.secrets.values import Secret

NEED = Need(name="key", key="value", optional=False, apps=("demo",))
Giver = Callable[[str], Source]


@pytest.fixture(params=["environment", "command"])
def giver(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Giver:
    def give(text: str) -> Source:
        if request.param == "environment":
            monkeypatch.setenv("PORTABLE_SECRET_KEY", text)
            return EnvironmentSource()
        (tmp_path / "value").write_bytes(text.encode())
        return CommandSource(command=("cat", str(tmp_path / "value")))

    return give


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("hunter2", "hunter2"),
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        ("hunter2\n\n", "hunter2\n"),
        ("hunter2\r\n\r\n", "hunter2\r\n"),
        ("a\nb\n", "a\nb"),
        ("a\r\n\tb\r\n", "a\r\n\tb"),
        ("", ""),
    ],
)
def test_one_line_end_of_either_kind_is_removed(text: str, value: str, giver: Giver) -> None:
    assert without_line_end(text) == value
    if value:
        assert resolve([NEED], giver(text)).of("key") == value


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("hunter2\r", "U+000D"),
        ("hun\rter2", "U+000D"),
        ("\x1b[31mhunter2\x1b[0m", "U+001B"),
        ("hunter2\t", "U+0009"),
        ("hunter2\x7f", "U+007F"),
        ("hunter2\x85", "U+0085"),
        ("\ufeffhunter2", "U+FEFF"),
        ("first\nsec\x07ond", "U+0007 in line 2"),
        ("first\nsec\rond", "U+000D in line 2"),
    ],
    ids=repr,
)
def test_control_characters_are_refused(text: str, where: str, giver: Giver, tmp_path: Path) -> None:
    assert control_character(text) == where
    source = giver(text)
    with pytest.raises(UsageError) as caught:
        resolve([NEED], source)
    assert caught.value.code == "secret.control-character"
    assert where in caught.value.text
    assert "hunter2" not in str(caught.value)
    (row,), _ = examine([NEED], source)
    assert (row.present, row.is_invalid) == (True, True)
    assert where in row.reason
    file = FileSource(path=str(tmp_path / "s.yaml"))
    with pytest.raises(UsageError) as caught:
        set_secret(file, "key", "value", Secret(text))
    assert caught.value.code == "secret.control-character"
    assert not Path(file.path).exists()


def test_a_file_of_secrets_is_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text('key: "hunter2\\e"\n')
    path.chmod(0o600)
    with pytest.raises(UsageError) as caught:
        resolve([NEED], FileSource(path=str(path)))
    assert caught.value.code == "secret.control-character"


def test_a_refused_value_is_still_removed_from_logs(giver: Giver) -> None:
    values = known_values([NEED], giver("hunter2\x07hunter3"))
    assert values.hide("it says hunter2\x07hunter3") == "it says <secret>"


@pytest.mark.parametrize("text", ["-----BEGIN\nMII\n-----END\n", "a\r\nb", "pässwörd ü 漢字", "a\tb\nc"], ids=repr)
def test_certificates_and_other_letters_are_fine(text: str, giver: Giver) -> None:
    assert control_character(text) is None
    assert resolve([NEED], giver(text)).of("key") == without_line_end(text)
