"""Parsed files are kept between commands: the same data and the same lines, and nothing that was not parsed without a mistake."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portable.catalog.shipped import SHIPPED as CATALOG
from portable.formats import kept as module
from portable.formats import scalars
from portable.formats.document import LARGEST_FILE, Document
from portable.formats.emit import dump
from portable.formats.kept import Kept, keep_in
from portable.formats.load import load, read
from portable.formats.parse import parse
from portable.model.base import Struct
from portable.model.errors import InputError
from portable.profiles.load import SHIPPED

TEXT = "portable: 1\nnames: &names [one, 'two', {deep: 3.5}]\nagain: *names\nempty:\nblock: |\n  a\n  b\nyes: true\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "kept"
    folder.mkdir()
    keep_in(folder)
    yield folder
    keep_in(None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file.yaml"
    file.write_text(TEXT)
    return file


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are parsed from now on."""
    names: list[str] = []

    def parsing(source: Path | str | tuple[str, bytes]) -> object:
        names.append(source[0] if isinstance(source, tuple) else str(source))
        return parse(source)

    monkeypatch.setattr("portable.formats.parse.parse", parsing)
    return names


def places(document: Document, data: object, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Path, and both positions, of every value of a document."""
    yield steps, document.source(steps), document.key(steps)
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in entries:
        yield from places(document, value, (*steps, step))


def test_a_second_command_parses_nothing_and_reads_the_same(folder: Path, file: Path, parsed: list[str]) -> None:
    first, second = load(file), load(file)
    assert parsed == [str(file)]
    assert second.data == first.data == {**parse(file)[0].data}
    assert list(places(second, second.data)) == list(places(first, first.data))
    (kept,) = folder.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", [path.name for path in sorted(SHIPPED.glob("*.yaml"))])
def test_every_shipped_profile_reads_the_same(folder: Path, name: str) -> None:
    document, again = load(SHIPPED / name), load(SHIPPED / name)
    assert list(folder.iterdir()) != []
    assert again.data == document.data
    assert list(places(again, again.data)) == list(places(document, document.data))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(data=st.dictionaries(st.text(min_size=1, max_size=8), values, min_size=1, max_size=5))
def test_any_document_reads_the_same(tmp_path_factory: pytest.TempPathFactory, data: dict[str, object]) -> None:
    try:
        content = dump({"portable": 1, **data}).encode()  # type: ignore[dict-item]
    except ValueError:
        return  # half of a surrogate pair, which no file can hold
    document = parse(("a.yaml", content))[0]
    kept = Kept(tmp_path_factory.mktemp("kept"))
    kept.put(content, document.data, document.root)
    found = kept.get(content)
    assert found is not None
    assert found == (document.data, document.root)


def test_a_changed_file_is_parsed_again(folder: Path, file: Path, parsed: list[str]) -> None:
    assert load(file).data["yes"] is True
    told = file.stat()
    file.write_text(TEXT.replace("true", "null"))
    os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert load(file).data["yes"] is None
    file.write_text(TEXT)
    assert load(file).data["yes"] is True
    assert len(parsed) == len(list(folder.iterdir())) == 2


def test_a_moved_file_has_its_new_name_in_messages(folder: Path, file: Path, parsed: list[str]) -> None:
    load(file)
    moved = file.rename(file.with_name("moved.yaml"))
    assert load(moved).source(("yes",)).file == str(moved)
    assert parsed == [str(file)]
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x00" * 5000])
def test_a_damaged_file_is_parsed_again(folder: Path, file: Path, damage: bytes) -> None:
    expected = load(file).data
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    flipped = whole[:-3] + bytes((whole[-3] ^ 1,)) + whole[-2:]
    for content in (damage, whole[: len(whole) // 2], whole[:32], whole[:10], flipped):
        kept.write_bytes(content)
        assert load(file).data == expected
        assert kept.read_bytes() == whole


def test_another_parser_or_python_reads_nothing_of_it(
    folder: Path, file: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load(file)
    other = tmp_path / "scalars.py"
    other.write_text("")
    changes: tuple[tuple[object, str, object], ...] = (
        (sys.implementation, "cache_tag", "cpython-399"),
        (scalars, "__file__", str(other)),
        (module, "find_spec", lambda _name: None),
    )
    for thing, name, value in changes:
        monkeypatch.setattr(thing, name, value)
        keep_in(folder)
        load(file)
        load(file)
    assert len(parsed) == len(list(folder.iterdir())) == 4


class Numbered(Struct, frozen=True):
    """A file that must have one key."""

    portable: int


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a: 1\na: 2\n", id="a duplicate key"),
        pytest.param(b"a: [\n", id="a syntax error"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param(b"a: 1\n" + b"#" * LARGEST_FILE, id="too large"),
    ],
)
def test_a_file_with_a_mistake_is_not_kept(folder: Path, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    reports: list[str] = []
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            load(file)
        reports.append(str(caught.value.mistakes[0]))
    with pytest.raises(InputError):
        read(file, Numbered)
    assert len(set(reports)) == 1
    assert list(folder.iterdir()) == []


def test_a_mistake_of_the_type_has_its_line_from_what_is_kept(folder: Path, file: Path) -> None:
    file.write_text("# a comment\nportable: two\n")
    reports: list[tuple[object, ...]] = []
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            read(file, Numbered)
        reports.append(caught.value.mistakes)
    assert reports[0] == reports[1]
    assert len(list(folder.iterdir())) == 1


def test_a_missing_file_is_the_same_mistake(folder: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, Path("nul\0l")):
        with pytest.raises(InputError) as kept:
            load(path)
        keep_in(None)
        with pytest.raises(InputError) as plain:
            load(path)
        keep_in(folder)
        assert kept.value.mistakes == plain.value.mistakes


def test_what_was_typed_is_not_kept(folder: Path) -> None:
    assert load(("--set", b"password: hunter2")).data == {"password": "hunter2"}
    assert list(folder.iterdir()) == []


def test_a_full_disk_changes_no_result(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", full)
        assert load(file).data["yes"] is True
    assert list(folder.iterdir()) == []
    folder.rmdir()
    assert load(file).data["yes"] is True


def test_too_many_files_are_removed(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    for number in range(4):
        file.write_text(f"portable: {number}\n")
        load(file)
    assert len(list(folder.iterdir())) == 1


def _killed(*_arguments: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("moment", ["fdopen", "replace"])
def test_a_kill_in_the_middle_leaves_nothing_that_is_read(folder: Path, file: Path, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os if moment == "fdopen" else Path, moment, _killed)
        with pytest.raises(KeyboardInterrupt):
            load(file)
    assert load(file).data["yes"] is True
    assert load(file).data == parse(file)[0].data


def test_a_command_that_was_run_before_does_not_load_the_yaml_library(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    script = (
        "import os, sys\n"
        "leave = os._exit\n"
        "os._exit = lambda code: (print('yaml' in sys.modules, file=sys.stderr), sys.stderr.flush(), leave(code))\n"
        "from portable.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "render", "-p", "openshift", "-o", str(tmp_path / "out")]
    told: Callable[[], str] = lambda: subprocess.run(  # noqa: E731
        command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
    ).stderr.split()[-1]
    assert [told(), told()] == ["True", "False"]
    assert (tmp_path / "cache" / "portable" / "files").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("url", ["tcp://me:hunter2@nas:2376", "ssh://me:hunter2@nas", "https://:hunter2@g.test/x.git"])
def test_a_file_with_a_password_in_a_url_is_not_kept(folder: Path, file: Path, parsed: list[str], url: str) -> None:
    file.write_text(f"portable: 1\nengine: {url}\n")
    assert load(file).data["engine"] == load(file).data["engine"] == url
    assert (len(parsed), list(folder.iterdir())) == (2, [])


SECRETS = {
    "a variable": "environment: {DB_PASSWORD: %s}",
    "a number": "environment: {DB_PASSWORD: 1234567}",
    "a key of JSON": 'environment: {"apiKey": "%s"}',
    "an option of a mount": "options: [ro, username=me, password=%s]",
    "an argument": "command: [server, --token, %s]",
    "a script": "command:\n- sh\n- -c\n- |\n  export API_KEY=%s\n  exec server",
    "an address": "feed: https://news.test/rss?apikey=%s",
    "an escaped address": 'engine: "tcp:\\/\\/me:%s@nas:2376"',
    "a header": "probe: ['X-Api-Key: %s']",
    "a known form": "about: claim-%s",
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_a_file_with_a_secret_in_clear_text_is_not_kept(folder: Path, file: Path, parsed: list[str], text: str) -> None:
    """It would stay on the disk after its owner moved it to the file of secrets."""
    file.write_text(f"portable: 1\n{text.replace('%s', 'hunter2hunter2hunter2')}\n")
    assert load(file).data == load(file).data
    assert (len(parsed), list(folder.iterdir())) == (2, [])


def test_a_reference_to_a_secret_is_kept(folder: Path, file: Path, parsed: list[str]) -> None:
    file.write_text(
        "portable: 1\nenvironment: {DB_PASSWORD: {secret: db}, API_KEY_FILE: /run/key, PASSWORD: OPENVPN_PASSWORD_SECRETFILE}\n"
    )
    assert load(file).data == load(file).data
    assert (len(parsed), len(list(folder.iterdir()))) == (1, 1)


def test_a_file_of_secrets_that_is_named_as_a_profile_is_not_kept(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text("plex:\n  claim: hunter2\n")
    assert load(file).data == {"plex": {"claim": "hunter2"}}
    assert list(folder.iterdir()) == []


def test_every_file_of_the_catalog_is_kept(folder: Path) -> None:
    files = [file for file in sorted(CATALOG.rglob("*.yaml")) if "\nportable:" in f"\n{file.read_text()}"]
    for file in files:
        load(file)
    assert len(list(folder.iterdir())) == len(files) > 30


def test_without_the_sources_of_the_parser_nothing_is_kept(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalars, "__file__", "/nowhere/scalars.pyc")
    keep_in(folder)
    assert load(file).data["yes"] is True
    assert list(folder.iterdir()) == []
