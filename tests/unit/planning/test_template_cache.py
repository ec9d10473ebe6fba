"""Compiled templates are kept between commands, only in a folder that nobody else can write to."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from portable.local import folders
from portable.planning import _template_cache as cache
from portable.planning import _templates as templates

TEXT = "{% for n in range(count) %}{{ n }},{% endfor %}"


def environment(**options: object) -> jinja2.Environment:
    return ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, **options)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A cache of the test's own; the process's own templates are forgotten before and after."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for kept in (templates.template, templates._cache):
        kept.cache_clear()
    yield tmp_path / "portable"
    for kept in (templates.template, templates._cache):
        kept.cache_clear()


def files(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())


def compiles(monkeypatch: pytest.MonkeyPatch, env: jinja2.Environment) -> list[str]:
    """The texts that are compiled from now on."""
    seen: list[str] = []
    original = env.compile

    def compiling(text: str, *rest: object) -> object:
        seen.append(text)
        return original(text, *rest)  # type: ignore[call-overload]

    monkeypatch.setattr(env, "compile", compiling)
    return seen


def test_a_second_command_compiles_nothing_and_renders_the_same(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    first, second = environment(), environment()
    before = cache.compiled(first, TEXT, cache.cache_for(first)).render(count=3)
    seen = compiles(monkeypatch, second)
    assert cache.compiled(second, TEXT, cache.cache_for(second)).render(count=3) == before == "0,1,2,"
    assert seen == []
    (file,) = files(home)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_the_line_of_an_error_is_the_same_from_the_cache() -> None:
    reports: list[tuple[int, str, str]] = []
    for _ in range(2):
        assert templates.rendered("one\ntwo {{ absent.key }}\n", {}, lambda *report: reports.append(report)) == ""
        templates.template.cache_clear()
    assert reports == [(2, "'absent' is undefined", "template.undefined")] * 2


def test_an_environment_with_other_settings_has_a_cache_of_its_own(home: Path) -> None:
    class Guarded(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(("*",))

    for env in (environment(), environment(trim_blocks=True), environment(lstrip_blocks=True), Guarded()):
        cache.compiled(env, "{{ 2 * 3 }}", cache.cache_for(env))
    assert len({file.parent for file in files(home)}) == len(files(home)) == 4


def test_a_template_with_a_mistake_leaves_nothing(home: Path) -> None:
    env = environment()
    with pytest.raises(jinja2.TemplateSyntaxError):
        cache.compiled(env, "{% if %}", cache.cache_for(env))
    assert files(home) == []


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x00" * 4096])
def test_a_damaged_file_is_compiled_again(home: Path, damage: bytes) -> None:
    env = environment()
    cache.compiled(env, TEXT, cache.cache_for(env))
    (file,) = files(home)
    whole = file.read_bytes()
    for text in (damage, whole[: len(whole) // 2], whole[:30], whole[:60]):
        file.write_bytes(text)
        assert cache.compiled(env, TEXT, cache.cache_for(env)).render(count=2) == "0,1,"
        assert file.read_bytes() == whole


def test_a_folder_that_others_can_write_to_is_not_used(home: Path) -> None:
    env = environment()
    assert cache.cache_for(env) is not None
    (folder,) = (path for path in home.iterdir())
    for path in (folder, home):
        path.chmod(0o770)
        assert cache.cache_for(env) is None
        path.chmod(0o700)
    assert cache.cache_for(env) is not None


def test_the_folder_of_another_user_is_not_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = environment()
    assert cache.cache_for(env) is not None
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    assert cache.cache_for(env) is None


def test_a_symlink_to_a_folder_is_not_used(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    home.symlink_to(elsewhere)
    assert cache.cache_for(environment()) is None


def test_no_cache_without_a_home_or_with_a_file_in_its_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write_text("a file")
    assert cache.cache_for(environment()) is None
    monkeypatch.setattr(folders, "cache_home", lambda: Path("/proc/no/such/portable"))
    assert cache.cache_for(environment()) is None


def test_a_full_disk_changes_no_result(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    env = environment()
    kept = cache.cache_for(env)
    assert kept is not None

    def full(_bucket: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept, "dump_bytecode", full)
    assert cache.compiled(env, TEXT, kept).render(count=1) == "0,"
    assert files(home) == []


def test_python_is_told_to_write_no_bytecode(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    env = environment()
    assert cache.cache_for(env) is None
    assert cache.compiled(env, TEXT, None).render(count=1) == "0,"
    assert not home.exists()


def test_too_many_files_are_removed(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(cache, "MOST", 2)
    env = environment()
    for number in range(3):
        cache.compiled(env, f"{number}{{{{ x }}}}", cache.cache_for(env))
    assert len(files(home)) == 3
    assert cache.cache_for(env) is not None
    assert files(home) == []


def test_a_command_writes_its_templates_and_reads_them_again(home: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "portable", "render", "--profile", "local", "--output"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([*command, str(tmp_path / "first")], env=environ, check=True, capture_output=True, timeout=120)
    written = {file: file.stat().st_mtime_ns for file in files(home)}
    assert written
    subprocess.run([*command, str(tmp_path / "second")], env=environ, check=True, capture_output=True, timeout=120)
    assert {file: file.stat().st_mtime_ns for file in files(home)} == written
    texts = [{file.name: file.read_bytes() for file in (tmp_path / name).rglob("*") if file.is_file()} for name in ("first", "second")]
    assert texts[0] == texts[1]
