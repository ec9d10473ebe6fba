"""How values are looked up: what a row tells, what a command may do, and how to set what is missing in each source."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from portable.model.errors import PortableError, UsageError
from portable.secrets import lookup
from portable.secrets.lookup import SecretRow, examine, resolve
from portable.secrets.needs import Need
from portable.secrets.sources import CommandSource, EnvironmentSource, ExternalSource, FileSource, SopsSource, Source, place_name
from portable.secrets.store import set_secret
from portable.secrets.values import Secret

ONE = (Need(name="a", key="k", optional=False, apps=("demo",)),)
TWO = (*ONE, Need(name="b", key="value", optional=False, apps=("demo",)))


def test_a_row_tells_all_but_the_value(tmp_path: Path) -> None:
    source = FileSource(path=str(tmp_path / "s.yaml"))
    set_secret(source, "a", "k", Secret("x"))
    needs = (*ONE, Need(name="b", key="value", optional=True, apps=("one", "two")))
    assert examine(needs, source)[0] == (
        SecretRow(name="a", key="k", present=True, optional=False, apps=("demo",)),
        SecretRow(name="b", key="value", present=False, optional=True, apps=("one", "two")),
    )


@pytest.mark.parametrize(
    ("source", "one", "two"),
    [
        (
            FileSource(path="/none/s.yaml"),
            "run `portable secrets set a.k`, which asks for its value",
            "run `portable secrets set a.k`, `portable secrets set b`, which ask for their values",
        ),
        (
            EnvironmentSource(),
            "set the variable: `export PORTABLE_SECRET_A_K=VALUE`",
            "set the variables: `export PORTABLE_SECRET_A_K=VALUE PORTABLE_SECRET_B_VALUE=VALUE`",
        ),
        (
            ExternalSource(store="vault", kind="SecretStore"),
            "store it there; `portable secrets list` shows the place of a.k",
            "store them there; `portable secrets list` shows the place of a.k, b",
        ),
        (
            CommandSource(command=("false", "{name}", "{key}")),
            "make the profile's command print it: false a k",
            "make the profile's command print them: false a k; false b value",
        ),
    ],
)
def test_a_remedy_sets_all_that_is_missing(source: Source, one: str, two: str) -> None:
    for needs, remedy in ((ONE, one), (TWO, two)):
        with pytest.raises(UsageError) as caught:
            resolve(needs, source)
        assert (caught.value.code, caught.value.remedy) == ("secret.missing", remedy)


def test_all_apps_that_lack_a_secret_are_named() -> None:
    with pytest.raises(UsageError, match=r"a\.k \(for one, two\)"):
        resolve([Need(name="a", key="k", optional=False, apps=("one", "two"))], EnvironmentSource())


def test_a_value_with_a_control_character_is_told_at_its_source() -> None:
    with pytest.raises(UsageError) as caught:
        resolve(ONE, CommandSource(command=("printf", r"a\007")))
    assert (caught.value.code, caught.value.where) == ("secret.control-character", "command printf")


def test_where_nothing_is_needed_nothing_is_read(tmp_path: Path) -> None:
    for source in (FileSource(path=str(tmp_path)), SopsSource(path=str(tmp_path / "none"))):
        assert resolve((), source).of("a", "k") == ""


def test_a_variable_of_the_key_goes_before_that_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTABLE_SECRET_B", "short")
    assert resolve(TWO[1:], EnvironmentSource()).of("b") == "short"
    monkeypatch.setenv("PORTABLE_SECRET_B_VALUE", "whole")
    assert resolve(TWO[1:], EnvironmentSource()).of("b") == "whole"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (FileSource(path="s.yaml"), "s.yaml"),
        (SopsSource(path="s.yaml"), "s.yaml"),
        (EnvironmentSource(), "environment"),
        (CommandSource(command=("pass", "show")), "command pass"),
        (CommandSource(command=()), "command "),
        (ExternalSource(store="vault", kind="SecretStore"), "SecretStore vault"),
    ],
)
def test_a_source_has_a_name(source: Source, name: str) -> None:
    assert place_name(source) == name


def reason(*command: str) -> str:
    (row,), _ = examine(ONE, CommandSource(command=command))
    assert not row.present
    return row.reason


def test_why_a_command_gives_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_COMMAND_SECONDS", 0.2)
    (tmp_path / "text").write_text("x")
    assert reason("/none/pass", "show") == "the program /none/pass does not exist"
    assert reason(str(tmp_path / "text"), "show").startswith(f"{tmp_path}/text cannot be run: ")
    assert reason("sleep", "30") == "sleep did not end within 0.2 s"
    assert reason("false", "show") == "false ended with exit code 1"
    assert reason("true", "show") == "true printed nothing"
    assert reason("echo", "  ") == "echo printed nothing"
    assert reason("printf", r"\377") == "its value is not UTF-8 text"


@pytest.fixture
def typed() -> Iterator[None]:
    """A person has typed something."""
    reads, writes = os.pipe()
    os.write(writes, b"typed\n")
    os.close(writes)
    kept = os.dup(0)
    os.dup2(reads, 0)
    yield
    os.dup2(kept, 0)
    os.close(kept)
    os.close(reads)


@pytest.mark.usefixtures("typed")
def test_a_command_reads_nothing_from_the_terminal() -> None:
    assert reason("head", "-n1") == "head printed nothing"


def test_a_command_that_is_empty_is_a_mistake_of_the_profile() -> None:
    with pytest.raises(UsageError) as caught:
        resolve(ONE, CommandSource(command=()))
    assert (caught.value.code, caught.value.where) == ("secret.command-empty", "secrets")


def test_where_a_value_cannot_be_stored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    inside = tmp_path / "file" / "s.yaml"
    for source, value, found in (
        (EnvironmentSource(), "x", ("secret.read-only", "secrets")),
        (FileSource(path=str(tmp_path / "s.yaml")), "", ("secret.empty", "a.k")),
        (FileSource(path=str(tmp_path / "s.yaml")), "x\x07", ("secret.control-character", "a.k")),
        (FileSource(path=str(inside)), "x", ("file.write", str(inside))),
    ):
        with pytest.raises(PortableError) as caught:
            set_secret(source, "a", "k", Secret(value))
        assert (caught.value.code, caught.value.where) == found


def test_folders_on_the_way_to_the_file_are_made_and_the_last_is_private(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        set_secret(FileSource(path=str(tmp_path / "a" / "b" / "s.yaml")), "a", "k", Secret("x"))
    finally:
        os.umask(umask)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
