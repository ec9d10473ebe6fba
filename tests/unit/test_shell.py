"""Shell scripts: shellcheck reads every one, and none hides in a string of Python."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import portable
from portable.backends.prepare import prepare
from portable.model.shell import filled, script
from portable.planning.content import slug

PACKAGE = Path(portable.__file__).parent
CHECKOUT = PACKAGE.parent
SCRIPTS = sorted(file for pattern in ("portable/**/*.sh", "tests/**/*.sh", ".ci/*") for file in CHECKOUT.glob(pattern) if file.is_file())
TEMPLATES = sorted(PACKAGE.glob("catalog/**/*.sh.j2"))
VALUES = {"ok": "200|301", "public": "192.0.2.1 192.0.2.2", "tls": "", "url": "http://127.0.0.1:80/"}
"""For `@name@` in scripts, where it is no plain word."""
UNTOUCHED = {
    "forwarded.sh.j2": "SC2086,SC2209",  # addresses and ports are words; a name is also that of a command
    "guard.sh.j2": "SC2086",  # rules are words
    "health_wget.sh": "SC1007",  # the proxies are empty
    "old-downloads.sh.j2": "SC2153",  # the variable comes from the container
    "schedule.sh": "SC2015",  # the second command cannot fail
    "update_plex.sh.j2": "SC1003",  # a pattern with a backslash
}
"""Scripts that are rendered as they are, with what shellcheck may say of them: a directive would be text in every place."""
MOST_STATEMENTS = 2
"""A command of one or two statements may stay in a string. What has more is a program: it gets a file, which shellcheck reads."""
MOST_IN_TESTS = 15
"""A stand-in for a command is best read in its test."""
_SEPARATOR = re.compile(r"\n|;;?|&&|\|\|")
_SHELL = re.compile(
    r"""^\#!/bin/(?:ba)?sh|^\s*set -[a-z]|\b(?:for|while|until)\b.*;\s*do\b|\bdone\b *(?:[<>|&].*)?$"""
    r"""|\bif\b.*;\s*then$|^\s*fi$|\besac\b|"\$@"|\$\([a-z]""",
    re.MULTILINE,
)
_SHELLS = {"sh", "bash", "/bin/sh", "/bin/bash"}


def complaints(text: str, *, name: str) -> str:
    """What shellcheck says about a script; one without a first line `#!` is for any POSIX shell."""
    assert shutil.which("shellcheck"), "shellcheck is missing: `scripts/lab.sh` installs it"
    dialect = [] if text.startswith("#!") else ["--shell=sh"]
    excluded = [f"--exclude={UNTOUCHED[name]}"] if name in UNTOUCHED else []
    run = ["shellcheck", "--format=gcc", *dialect, *excluded, "-"]
    return subprocess.run(run, input=text, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda f: str(f.relative_to(CHECKOUT)))
def test_shellcheck_is_silent(file: Path) -> None:
    text = re.sub(r"@[a-z]+@", "1", filled(file.read_text(encoding="utf-8"), **VALUES))
    assert complaints(text, name=file.name) == ""


@pytest.mark.parametrize("name", ["bootstrap.sh", "lab.sh"])
def test_shellcheck_is_silent_about_scripts_that_share_functions(name: str) -> None:
    """Each with the files that it reads; a function or variable that only the other one needs is no mistake."""
    run = ["shellcheck", "--external-sources", "--check-sourced", "--format=gcc", "--exclude=SC2034,SC2119,SC2120", f"scripts/{name}"]
    assert subprocess.run(run, cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout == ""


def test_every_shared_script_is_read_by_one_of_them() -> None:
    text = "".join((CHECKOUT / "scripts" / name).read_text() for name in ("bootstrap.sh", "lab.sh"))
    files = {str(file.relative_to(CHECKOUT)) for file in (CHECKOUT / "scripts").glob("**/*") if file.is_file()}
    assert files - {"scripts/bootstrap.sh", "scripts/lab.sh"} == set(re.findall(r"shellcheck source=(\S+)", text))


def test_shellcheck_is_heard() -> None:
    assert "SC2086" in complaints("rm $1\n", name="x.sh")
    assert complaints('rm "$1"\n', name="x.sh") == ""


@cache
def rendered() -> dict[str, str]:
    """The files of every shipped profile by id, secrets filled in."""
    plans = [prepare(name, folder=Path("/nowhere"), sets=()).planned.plan for name in ("zimaboard", "samba", "openshift")]
    forwarding = ("vpn.provider=protonvpn", "vpn.port-forwarding=true")
    scanning = ("apps=[autoscan, plex, jellyfin]",)
    plans += [
        prepare(name, folder=Path("/nowhere"), sets=sets).planned.plan for name, sets in (("zimaboard", forwarding), ("local", scanning))
    ]
    return {file.id: "".join(part if isinstance(part, str) else "secret" for part in file.body) for plan in plans for file in plan.files}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda f: f.name)
def test_shellcheck_is_silent_about_rendered_templates(template: Path) -> None:
    id_ = f"{template.parent.name}-{slug(template.name.removesuffix('.j2'))}"
    assert id_ in rendered(), "no profile in `rendered` has it: add one"
    assert complaints(rendered()[id_], name=template.name) == ""


def test_a_script_is_read_from_beside_its_module() -> None:
    assert script("portable.backends.compose.init", "init.sh") == (PACKAGE / "backends/compose/init.sh").read_text(encoding="utf-8")
    with pytest.raises(FileNotFoundError):
        script("portable.backends.compose.init", "missing.sh")
    assert filled("a @one@ @two@ @three@", one=1, two="2") == "a 1 2 @three@"


# --- strings of Python


def shell_in(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each string in a module that is a shell script of more than two statements; docstrings left out."""
    tree = ast.parse(text)
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    named = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    run = [words[at + 1] for words in _word_lists(tree) for at, word in enumerate(words[:-1]) if _is_shell_flag(words, at, word)]
    commands = {id(named.get(word.id, word) if isinstance(word, ast.Name) else word) for word in run}
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        if id(node) in bare | inner or (found := _text_of(node)) is None:
            continue
        if (id(node) in commands or ("\n" in found and _SHELL.search(found))) and statements(found) > MOST_STATEMENTS:
            assert isinstance(node, ast.expr)
            yield node.lineno, found


def statements(text: str) -> int:
    """About how many commands a script has."""
    return len([part for part in _SEPARATOR.split(text) if part.strip(" {}\t")])


def _word_lists(tree: ast.AST) -> list[list[ast.expr]]:
    return [node.elts for node in ast.walk(tree) if isinstance(node, ast.List | ast.Tuple)]


def _is_shell_flag(words: list[ast.expr], at: int, word: ast.expr) -> bool:
    return at > 0 and _text_of(word) == "-c" and _text_of(words[at - 1]) in _SHELLS


def _text_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    return None


@pytest.mark.parametrize(("folder", "most"), [("portable", MOST_STATEMENTS), ("tests", MOST_IN_TESTS)])
def test_no_shell_script_is_a_string(folder: str, most: int) -> None:
    found = [
        f"{file.relative_to(CHECKOUT)}:{line}: {text[:60]}"
        for file in sorted((CHECKOUT / folder).glob("**/*.py"))
        for line, text in shell_in(file.read_text(encoding="utf-8"))
        if statements(text) > most
    ]
    assert found == [], "put it into a *.sh file beside the module, and read it by portable/model/shell.py"


def test_the_check_of_strings_sees_what_is_wrong() -> None:
    def lines(text: str) -> list[int]:
        return [line for line, _ in shell_in(text)]

    assert lines('x = """\nset -eu\nfor a; do\n  echo "$a"\ndone\n"""') == [1]
    assert lines("x = f'if [ -e {a} ]; then\\n  echo {a}\\nfi\\n'") == [1]
    assert lines("x = ['sh', '-c', 'a; b && c']") == [1]
    assert lines("x = ('bash', '-c', f'{a}; b; exec c')") == [1]
    assert lines("_X = 'a; b; c'\nx = ['sh', '-c', _X, 'sh']") == [1]
    assert lines("x = ['sh', '-c', 'a || b']") == []
    assert lines('"""Docs:\n\nset -eu\nfor a; do b; done\n"""') == []
    assert lines('x = """A text, for people;\nwhat is done; and then.\n"""') == []
