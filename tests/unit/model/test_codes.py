"""Every code is explained and used, and every message that leaves the program carries one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import portable
from portable.model.codes import Code, all_explanations, area_names, bracketed, explanations_of
from portable.model.contracts import Check, ContractResult, Diagnosis
from portable.verify import contracts
from tests import codes as page

PACKAGE = Path(portable.__file__).parent
CODES = set(get_args(Code)) - {""}
CONTRACTS = {contract.name: contract for contract in contracts(disruptive=True)}
DERIVED = {
    *(ContractResult(contract=name, subject="", verdict="holds", text="").code for name in CONTRACTS),
    *(Diagnosis(check=check, where="", verdict="holds", text="").code for check in get_args(Check)),
}
"""The codes of results that have a name already."""
EXPLAINED = {explanation.code: explanation for explanation in all_explanations()}
CARRIERS = {"Finding", "Mistake", "UsageError", "PortableError", "EngineError", "Refused", "mistake", "note", "refuse"}
"""What makes a finding or an error. InputError carries mistakes, DockerError makes a code of its kind."""


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call that makes a finding or an error, with its place."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
                if name in CARRIERS:
                    yield f"{file.relative_to(PACKAGE.parent)}:{node.lineno}", node


def written() -> set[str]:
    """Every string of the package that looks like a code, outside the list of codes itself."""
    return {
        node.value
        for file in PACKAGE.rglob("*.py")
        if file != PACKAGE / "model" / "codes.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_each_code_is_explained_and_nothing_else_is() -> None:
    assert (CODES | DERIVED) - EXPLAINED.keys() == set()
    assert EXPLAINED.keys() - CODES - DERIVED == set()
    assert not CODES & DERIVED


def test_each_code_is_listed_once() -> None:
    listed = re.findall(r'^ {4}"(.*)",$', (PACKAGE / "model" / "codes.py").read_text(encoding="utf-8"), re.MULTILINE)
    codes = [code for line in listed for code in line.split('", "')]
    assert set(codes) - {""} == CODES
    assert codes == sorted(set(codes))


def test_each_contract_is_explained_by_its_promise() -> None:
    promised = {f"verify.{name}": f"{contract.promise[0].upper()}{contract.promise[1:]}." for name, contract in CONTRACTS.items()}
    assert {code: EXPLAINED[code].title for code in promised} == promised


def test_each_check_of_the_doctor_is_used_by_some_module() -> None:
    assert set(get_args(Check)) == {check for file in PACKAGE.rglob("*.py") for check in _checks(file)}


def _checks(file: Path) -> Iterator[str]:
    """Yield the checks that a module names where it makes a diagnosis, itself or by the function `_diagnosis`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Diagnosis", "_diagnosis"):
            given = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "check")]
            yield from (str(value.value) for value in given if isinstance(value, ast.Constant))


def test_each_code_is_area_dot_cause() -> None:
    assert [code for code in CODES | DERIVED if not re.fullmatch(r"[a-z]+(-[a-z]+)*\.[a-z0-9]+(-[a-z0-9]+)*", code)] == []


def test_each_code_is_used_by_some_module() -> None:
    assert CODES - written() == set()


def test_each_message_carries_a_code() -> None:
    assert [place for place, call in calls() if not any(keyword.arg in ("code", None) for keyword in call.keywords)] == []


@pytest.mark.parametrize("code", sorted(EXPLAINED))
def test_each_explanation_is_made_of_sentences(code: str) -> None:
    explanation = EXPLAINED[code]
    for text in (explanation.title, explanation.cause, explanation.remedy):
        assert re.fullmatch(r"[A-Z`].*[.!?:)`]", text), text
    assert len({explanation.title, explanation.cause, explanation.remedy}) == 3


def test_an_unknown_area_has_no_explanations() -> None:
    assert explanations_of("nowhere") == ()
    assert explanations_of("../codes") == ()
    assert "stack" in area_names()


def test_a_code_ends_a_message_in_brackets() -> None:
    assert bracketed("stack.waiver-unused") == " [stack.waiver-unused]"
    assert bracketed("") == ""


def test_the_page_of_codes_is_written_anew() -> None:
    assert page.FILE.read_text(encoding="utf-8") == page.text()
