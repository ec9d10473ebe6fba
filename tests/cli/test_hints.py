"""Commands that texts tell a person to type: each carries the profile in use, by the command line's own tree."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from portable.cli import hints
from portable.cli.app import application
from portable.cli.errors import _acceptance
from portable.cli.hints import forget, remember, taking_profile, typed
from portable.model.findings import Finding
from portable.profiles.names import DEFAULT_PROFILE, PROFILE_VARIABLE
from tests.cli import ROOT, run, write


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(PROFILE_VARIABLE, raising=False)
    yield
    forget()


def leaves() -> dict[str, Any]:
    """Every command that does something, by its words."""
    pending: list[tuple[tuple[str, ...], Any]] = [((), get_command(application()))]
    for words, command in pending:
        pending += [((*words, name), inner) for name, inner in getattr(command, "commands", {}).items()]
    return {" ".join(words): command for words, command in pending if not hasattr(command, "commands")}


LEAVES = leaves()
WITH_PROFILE = {words for words, command in LEAVES.items() if any("-p" in parameter.opts for parameter in command.params)}


class Place(NamedTuple):
    """A text of the source, with a letter for each value that it is given."""

    where: str
    text: str


def texts() -> list[Place]:
    """Every text of the package that is no docstring."""
    found: list[Place] = []
    for file in sorted(set((ROOT / "portable").rglob("*.py")) - {Path(hints.__file__)}):
        tree = ast.parse(file.read_text())
        passed = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if id(node) in passed or isinstance(node, ast.FormattedValue):
                continue
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "x" for part in node.values]
                passed |= {id(part) for part in node.values}
                text = "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            if "portable " in text:
                found.append(Place(f"{file.relative_to(ROOT)}:{node.lineno}", re.sub(r"\{\w*\}", "x", text)))
    return found


TEXTS = texts()
COMMANDS = [Place(place.where, match[1]) for place in TEXTS for match in re.finditer(r"`portable ([^`]*)`", place.text)]


def verb_of(command: str) -> str | None:
    """The words of the command that a text names, where it is one of the tree."""
    words = command.removeprefix("--debug ").split()
    return next((" ".join(words[:length]) for length in (2, 1) if " ".join(words[:length]) in LEAVES), None)


def test_the_tree_has_commands_with_and_without_a_profile() -> None:
    assert {" ".join(words) for words in taking_profile()} == WITH_PROFILE
    assert {"up", "doctor", "verify", "heal", "update", "rollback", "graph", "secrets set", "secrets write", "images build"} <= WITH_PROFILE
    assert not {"profiles new", "catalog list"} & WITH_PROFILE
    defaults = {parameter.default for command in LEAVES.values() for parameter in command.params if "--profile" in parameter.opts}
    assert defaults == {DEFAULT_PROFILE}


@pytest.mark.parametrize("verb", LEAVES)
@pytest.mark.parametrize(
    ("profile", "written"), [("nas", "nas"), ("/srv/my places/nas.yaml", "'/srv/my places/nas.yaml'"), ("it's.yaml", "'it'\"'\"'s.yaml'")]
)
def test_every_command_of_the_tree_carries_the_profile(verb: str, profile: str, written: str) -> None:
    remember(profile)
    option = f" -p {written}" if verb in WITH_PROFILE else ""
    assert typed(f"`portable {verb}`, `portable {verb} one --two`") == f"`portable {verb}{option}`, `portable {verb}{option} one --two`"


def test_the_source_names_commands() -> None:
    assert len(COMMANDS) > 80
    assert len({verb_of(place.text) for place in COMMANDS} & WITH_PROFILE) > 15


def test_every_command_in_the_source_is_one_of_the_tree_with_options_that_it_has() -> None:
    wrong = []
    for where, command in COMMANDS:
        verb = verb_of(command)
        if verb is None:
            wrong += [f"{where}: {command}"] if command not in ("--debug", "x") else []  # before any verb; another process's
            continue
        known = {option for parameter in LEAVES[verb].params if not getattr(parameter, "hidden", False) for option in parameter.opts}
        asked = (
            [] if verb == "exec" else [word for word in command.removeprefix("--debug ").split() if re.fullmatch(r"--?[a-z][a-z-]*", word)]
        )
        wrong += [f"{where}: {command}: {option}" for option in asked if option not in known]
    assert not wrong, "\n".join(wrong)


def test_every_command_in_the_source_stands_in_backticks() -> None:
    """Else nothing would find it to give it the profile. The backup program's and those of a place's page are put in backticks later."""
    verb = "|".join(sorted(LEAVES, reverse=True))
    bare = [place for place in TEXTS for _ in re.finditer(rf"(?<![`\w.-])portable (?:{verb})(?![\w-])", place.text)]
    outside = ("portable/catalog/apps/backup/", "portable/programs/backup/", "portable/graph/prepares.py")
    assert [place for place in bare if not place.where.startswith(outside)] == []


@pytest.mark.parametrize("profile", ["x", "/srv/my places/x.yaml"])
def test_every_remedy_of_the_source_carries_the_profile(profile: str) -> None:
    """One that names the plan's own profile gets the one that was typed; here all names are `x`."""
    remember(profile)
    written = profile if " " not in profile else f"'{profile}'"
    seen = 0
    for where, text in TEXTS:
        for before, after in zip(re.findall(r"`portable ([^`]*)`", text), re.findall(r"`portable ([^`]*)`", typed(text)), strict=True):
            if verb_of(before) in WITH_PROFILE:
                assert re.findall(r"(?:^| )-p ('[^']*'|\S+)", after) == [written], where
                seen += 1
            else:
                assert after == before, where
    assert seen > 70


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`portable secrets set token` asks", "`portable secrets set -p nas token` asks"),
        ("`portable up` heals it; `portable logs demo` shows", "`portable up -p nas` heals it; `portable logs -p nas demo` shows"),
        ("`portable up -p other` and `portable render --profile x`", "`portable up -p other` and `portable render --profile x`"),
        ("`portable profiles new mine`, `portable --debug` before", "`portable profiles new mine`, `portable --debug` before"),
        ("locked by `portable up` (process 3, since 10:00:00)", "locked by `portable up` (process 3, since 10:00:00)"),
        ("`portable upkeep --task scrub`, `portable upright`", "`portable upkeep -p nas --task scrub`, `portable upright`"),
        ("`portable exec gluetun nc -p 80`", "`portable exec -p nas gluetun nc -p 80`"),
        ("`portable --debug verify dns` shows", "`portable --debug verify -p nas dns` shows"),
        ("portable up starts it", "portable up starts it"),
    ],
)
def test_what_is_a_command_and_what_is_not(text: str, expected: str) -> None:
    assert typed(text) == text, "no command was given a profile"
    remember("nas")
    assert typed(text) == expected


def test_a_command_names_the_profile_by_name_and_gets_the_path_that_was_typed() -> None:
    remember("./my places/nas.yaml")
    assert typed("`portable render -p nas -o OUT`") == "`portable render -p './my places/nas.yaml' -o OUT`"
    assert typed("`portable render --profile=nas`") == "`portable render --profile='./my places/nas.yaml'`"
    assert typed("`portable render -p local`") == "`portable render -p local`"


def test_the_default_profile_is_written_where_the_environment_names_another(monkeypatch: pytest.MonkeyPatch) -> None:
    remember(DEFAULT_PROFILE)
    assert typed("`portable up`") == "`portable up`"
    monkeypatch.setenv(PROFILE_VARIABLE, "nas")
    assert typed("`portable up`") == "`portable up -p local`"


@pytest.mark.parametrize("by", ["option", "environment"])
def test_an_error_in_a_profile_names_it_in_its_remedy(by: str, tmp_path: Path) -> None:
    given = ("-p", "zimaboard") if by == "option" else ()
    done = run("diff", *given, cwd=tmp_path, env={"PORTABLE_PROFILE": "zimaboard"} if by == "environment" else {})
    assert done.returncode == 2
    assert "`portable secrets set -p zimaboard wireguard-key.addresses`" in done.stderr
    assert "[secret.missing]" in done.stderr


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("back_end", ["compose", "kubernetes"])
def test_findings_carry_the_path_that_was_typed_in_every_format(back_end: str, output: str, tmp_path: Path) -> None:
    base = {"compose": "zimaboard", "kubernetes": "samba"}[back_end]
    write(tmp_path, {"my places/nas.yaml": f"portable: 1\nname: nas\nextends: {base}\nback-end: {back_end}\n"})
    done = run("explain", "-p", "my places/nas.yaml", "--all", "--format", output, cwd=tmp_path)
    told = "\n".join(f["remedy"] for f in json.loads(done.stdout)["findings"]) if output == "json" else done.stdout
    commands = [command for command in re.findall(r"`portable ([^`]*)`", told) if verb_of(command) in WITH_PROFILE]
    assert commands
    assert [command for command in commands if "-p 'my places/nas.yaml'" not in command] == []


def test_documents_do_not_depend_on_how_the_profile_was_typed(tmp_path: Path) -> None:
    write(tmp_path, {"profiles/nas.yaml": "portable: 1\nname: nas\nextends: samba\nback-end: kubernetes\n"})
    for verb in (("render", "--format", "json"), ("graph", "--format", "md")):
        by_name, by_path = (run(*verb, "-p", given, cwd=tmp_path) for given in ("nas", "profiles/nas.yaml"))
        assert (by_name.returncode, by_path.returncode) == (0, 0), by_name.stderr + by_path.stderr
        assert "portable" in by_name.stdout
        assert by_name.stdout.replace(str(tmp_path), "") == by_path.stdout.replace(str(tmp_path), "")


def test_a_finding_that_no_waiver_accepts_gets_no_waiver() -> None:
    def accepted(**changes: Any) -> str:
        return _acceptance(Finding(**({"field": "f", "path": "f", "class_": "data", "text": "t", "remedy": "r"} | changes)))

    assert accepted(is_waivable=False) == ""
    assert accepted(app="sonarr") == "in the profile: `waive: [{field: f, class: data, apps: [sonarr], reason: ...}]`"
    assert accepted(code="plan.x") == "in the profile: `waive: [{field: f, class: data, code: plan.x, reason: ...}]`"
    assert accepted(field="migrate.times", is_waivable=False) == ""
    assert accepted(field="migrate.times") == "for this move: add `--waive times=REASON`"
