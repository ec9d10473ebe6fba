"""The shape of the code: names that mean one thing, files and functions that a person reads at once."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "portable"
MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_FUNCTION = 60


def modules() -> Iterator[tuple[str, str]]:
    """Yield the path and text of every module."""
    for file in sorted(PACKAGE.rglob("*.py")):
        yield str(file.relative_to(PACKAGE)), file.read_text()


def defined_twice(texts: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the modules of each class name that several classes have."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(name)
    return {name: where for name, where in found.items() if len(where) > 1}


def long_files(texts: Iterator[tuple[str, str]]) -> dict[str, int]:
    """Return the files above the limit, with their lines."""
    return {name: lines for name, text in texts if (lines := len(text.splitlines())) > MOST_LINES_OF_A_FILE}


def long_functions(texts: Iterator[tuple[str, str]]) -> dict[str, int]:
    """Return the functions above the limit, with their lines."""
    return {
        f"{name}: {node.name}": lines
        for name, text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }


def test_no_class_name_is_defined_twice() -> None:
    assert defined_twice(modules()) == {}


def test_no_file_is_too_long() -> None:
    assert long_files(modules()) == {}


def test_no_function_is_too_long() -> None:
    assert long_functions(modules()) == {}


def test_each_check_can_fail() -> None:
    function = "def f():\n" + "    x = 1\n" * MOST_LINES_OF_A_FUNCTION
    texts = [("a.py", "class A: ...\n"), ("b.py", f"class B:\n    class A: ...\n{function}"), ("c.py", "x = 1\n" * 501)]
    assert defined_twice(iter(texts)) == {"A": ["a.py", "b.py"]}
    assert long_files(iter(texts)) == {"c.py": 501}
    assert long_functions(iter(texts)) == {"b.py: f": MOST_LINES_OF_A_FUNCTION + 1}
