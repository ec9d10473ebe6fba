"""The proof by mutants: what it leaves out, what it reads from mutmut, and what makes it fail."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import libcst as cst
import pytest

from tests.prove.left_out import Texts, counts
from tests.prove.mutants import AREAS, Area, Measured, Survivor, explained, files_of, read, shortcomings
from tests.prove.running import ROOT

CODE = """
def told(scope):
    text = f"{scope} is " + "odd"
    text += " even so"
    wrong = "odd"
    wrong += "odd"
    Reason("data", "it is odd")
    Unfit("it is odd", "do it", code="patch.value")
    note("field", "path", "cosmetic", text, "do it", app=scope)
    mistakes.add(source, "path", "it is odd", remedy="do it")
    raise UsageError("it is odd", where="here", remedy="do it")
    open(path, encoding="utf-8")
    match scope:
        case 1:
            return 5
        case _:
            assert_never(scope)
"""
MODULE = cst.parse_module(CODE)


def nodes(node: cst.CSTNode = MODULE) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from nodes(child)


@pytest.fixture(scope="module")
def texts() -> Texts:
    found = Texts()
    MODULE.visit(found)
    return found


def test_strings_of_a_message_are_left_out(texts: Texts) -> None:
    strings = [node for node in nodes() if isinstance(node, cst.SimpleString)]
    kept = [node.value for node in strings if counts(texts, node, cst.SimpleString('"XX"'))]
    assert kept == ['"odd"', '"odd"', '"data"', '"patch.value"', '"field"', '"path"', '"cosmetic"', '"path"', '"here"']


@pytest.mark.parametrize(
    ("function", "kept"),
    [
        ("note", [True, True, True, False, False, True]),
        ("add", [True, True, False, False]),
        ("Reason", [True, False]),
        ("Unfit", [False, False, True]),
        ("UsageError", [False, True, False]),
        ("open", [True, False]),
        ("assert_never", [False]),
    ],
)
def test_arguments_that_are_a_message_are_left_out(texts: Texts, function: str, kept: list[bool]) -> None:
    calls = [node for node in nodes() if isinstance(node, cst.Call)]
    (call,) = (c for c in calls if (c.func.attr if isinstance(c.func, cst.Attribute) else c.func).value == function)  # type: ignore[attr-defined]
    dropped = (call.with_changes(args=[a for a in call.args if a is not argument]) for argument in call.args)
    assert [counts(texts, call, mutated) for mutated in dropped] == kept


def test_cases_that_no_value_reaches_are_left_out(texts: Texts) -> None:
    (match,) = (node for node in nodes() if isinstance(node, cst.Match))
    first, last = match.cases
    assert counts(texts, match, match.with_changes(cases=[last]))
    assert not counts(texts, match, match.with_changes(cases=[first]))


def test_every_module_is_in_one_area() -> None:
    shared = [file for area in AREAS.values() for file in files_of(area)]
    there = {str(f.relative_to(ROOT)) for folder in ("planning", "backends", "secrets") for f in (ROOT / "portable" / folder).rglob("*.py")}
    assert sorted(shared) == sorted(set(shared))
    assert {file for file in there - set(shared) if "def " in (ROOT / file).read_text()} == set()
    assert set(shared) <= {*there, "portable/model/clear_text.py"}
    for name, area in AREAS.items():
        assert files_of(area), name
        assert all((ROOT / test).exists() for test in area.tests), name


SURVIVES = Survivor("planning.naming.label", "if a > 1:", "if a >= 1:")
FILES = ("portable/planning/naming.py",)


def measured(killed: int, total: int, *survivors: Survivor) -> Measured:
    return Measured({FILES[0]: killed}, {FILES[0]: total}, survivors)


def test_the_claim_fails_below_the_bar_unexplained_or_stale() -> None:
    assert list(shortcomings(measured(96, 100, SURVIVES), {SURVIVES: "equal"}, FILES)) == []
    assert list(shortcomings(measured(95, 100), {}, FILES)) == []
    assert list(shortcomings(measured(94, 100), {}, FILES)) == ["94 of 100 killed (94.0 %), 6 survive: fewer than 95 %"]
    assert list(shortcomings(measured(0, 0), {}, FILES)) == ["no mutants"]
    text = '[[survivor]]\nfunction = "planning.naming.label"\nwas = "if a > 1:"\nnow = "if a >= 1:"\nwhy = ""'
    assert list(shortcomings(measured(99, 100, SURVIVES), {}, FILES)) == [f"unexplained:\n{text}"]
    assert list(shortcomings(measured(99, 100, SURVIVES), {SURVIVES: ""}, FILES)) == [f"unexplained:\n{text}"]
    assert list(shortcomings(measured(100, 100), {SURVIVES: "equal"}, FILES)) == [f"stale explanation:\n{text}"]
    assert list(shortcomings(measured(100, 100), {SURVIVES: "equal"}, FILES, all_drawn=False)) == []
    assert list(shortcomings(measured(100, 100), {SURVIVES: "equal"}, ("portable/planning/select.py",))) == []


def test_what_is_told_can_be_pasted_as_an_explanation(tmp_path: Path) -> None:
    odd = Survivor("planning.naming.label", 'a = "é\\n"\nb = 1', "")
    file = tmp_path / "survivors.toml"
    file.write_text("\n\n".join(str(survivor) for survivor in (SURVIVES, odd)).replace('why = ""', 'why = "equal"'))
    assert explained(file) == {SURVIVES: "equal", odd: "equal"}


def test_what_mutmut_leaves_is_read(tmp_path: Path) -> None:
    lines = [
        "def x_label__mutmut_orig(a):",
        "    if a > 1:",
        "        return a",
        "def x_label__mutmut_1(a):",
        "    if a >= 1:",
        "        return a",
        "def xǁNameǁshort__mutmut_orig(self):",
        "    return 1",
        "def xǁNameǁshort__mutmut_1(self):",
        "    return 2",
    ]
    file = tmp_path / FILES[0]
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(lines))
    codes = {"x_label__mutmut_1": 0, "xǁNameǁshort__mutmut_1": 33, "x_label__mutmut_2": 1, "x_label__mutmut_3": 36}
    Path(f"{file}.meta").write_text(json.dumps({"exit_code_by_key": {f"portable.planning.naming.{k}": v for k, v in codes.items()}}))
    spans = {"x_label__mutmut_orig": [0, 3], "x_label__mutmut_1": [3, 6]}
    spans |= {"xǁNameǁshort__mutmut_orig": [6, 8], "xǁNameǁshort__mutmut_1": [8, 10]}
    Path(f"{file}.spans").write_text(json.dumps({"spans": spans}))
    found = read(tmp_path, FILES)
    assert (found.killed, found.total) == ({FILES[0]: 2}, {FILES[0]: 4})
    assert found.survivors == (
        Survivor("planning.naming.Name.short", "return 1", "return 2"),
        SURVIVES,
    )
    assert found.figure() == "2 of 4 killed (50.0 %), 2 survive"


def test_the_explanations_can_be_read_and_say_something() -> None:
    known = explained()
    assert all(known.values())
    modules = {file.removeprefix("portable/").removesuffix(".py").replace("/", ".") for area in AREAS.values() for file in files_of(area)}
    assert all(any(survivor.function.startswith(f"{module}.") for module in modules) for survivor in known)


def test_an_area_without_a_module_is_none() -> None:
    assert files_of(Area(modules=("planning/none.py",), tests=())) == ()


CALCULATOR = "def half(n):\n    return n // 2\n\ndef unseen(n):\n    return n + 1\n"
CALCULATOR_TESTS = """
import pytest
from portable.calculator import half

@pytest.mark.parametrize("text", ["\\n"], ids=repr)
def test_half(text):
    assert half(4) == 2
"""


def test_a_mutant_is_killed_by_a_test_that_fails_and_by_nothing_else(tmp_path: Path) -> None:
    """Pytest names the parameter otherwise whenever it collects again: a process that finds no test by its name must kill nothing."""
    for name, text in (
        ("portable/__init__.py", ""),
        ("portable/calculator.py", CALCULATOR),
        ("tests/__init__.py", ""),
        ("tests/test_calculator.py", CALCULATOR_TESTS),
        ("pyproject.toml", '[tool.mutmut]\nsource_paths = ["portable"]\nuse_git_change_detection = false\n'),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    program = [sys.executable, str(ROOT / "tests" / "prove" / "mutating.py"), "2"]
    done = subprocess.run(program, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    measured = read(tmp_path / "mutants", ["portable/calculator.py"])
    assert (sum(measured.killed.values()), sum(measured.total.values())) == (1, 4)
    assert {(found.function, found.now) for found in measured.survivors} == {
        ("calculator.half", "return n / 2"),
        ("calculator.unseen", "return n - 1"),
        ("calculator.unseen", "return n + 2"),
    }
