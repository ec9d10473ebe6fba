"""The layers import one way; read from the syntax tree, so that imports inside functions count too."""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import portable
from portable.model.traits import TRAITS

PACKAGE = Path(portable.__file__).parent
LAYERS = (
    ("model", "programs"),
    ("formats", "local"),
    ("catalog", "profiles"),
    ("planning",),
    ("backends", "engines"),
    ("secrets", "graph"),
    ("live",),
    ("upkeep", "verify", "wiring", "migrate"),
    ("page",),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
ALLOWED = {("profiles", "catalog")}
"""Profiles use the names and sizes that catalog files are typed with."""


def imports(text: str) -> Iterator[tuple[int, str]]:
    """(line, package below `portable`) of every import of the project's own."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "portable" else [f"portable.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "portable" and len(parts) > 1 and parts[1] in RANK:
                yield node.lineno, parts[1]


def wrong(layer: str, text: str) -> list[str]:
    """Imports of a file in that layer that go upwards, or sideways to a sibling."""
    return [
        f"line {line}: {layer} imports {other}"
        for line, other in imports(text)
        if other != layer and RANK[other] >= RANK[layer] and (layer, other) not in ALLOWED
    ]


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("*/**/*.py")), ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_go_one_way(file: Path) -> None:
    layer = file.relative_to(PACKAGE).parts[0]
    assert layer in RANK, f"{layer} has no place among the layers"
    assert wrong(layer, file.read_text(encoding="utf-8")) == []


def module_graph(files: Mapping[str, str]) -> dict[str, set[str]]:
    """The modules that each module imports, also inside functions, by the text of each module."""
    graph: dict[str, set[str]] = {}
    for module, text in files.items():
        found = graph.setdefault(module, set())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                below = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name if name in files else node.module for name in below}
    return {module: {name for name in found if name in files and name != module} for module, found in graph.items()}


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import one another, directly or through others."""
    reached: dict[str, set[str]] = {}
    for module in graph:
        seen: set[str] = set()
        waiting = list(graph[module])
        while waiting:
            if (name := waiting.pop()) not in seen:
                seen.add(name)
                waiting += graph[name]
        reached[module] = seen
    groups = {tuple(sorted(other for other in seen if module in reached[other])) for module, seen in reached.items() if module in seen}
    return [list(group) for group in sorted(groups)]


def test_no_modules_import_one_another() -> None:
    """Also inside a package, and also where an import inside a function hides the circle from Python."""
    files = {}
    for file in PACKAGE.rglob("*.py"):
        parts = ("portable", *file.relative_to(PACKAGE).with_suffix("").parts)
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file.read_text(encoding="utf-8")
    assert circles(module_graph(files)) == []


def test_the_check_of_circles_sees_what_is_wrong() -> None:
    files = {
        "p": "",
        "p.a": "def f():\n    from p import b\n",
        "p.b": "import p.c\n",
        "p.c": "from p.a import f\n",
        "p.d": "import os\nfrom p.a import f\nfrom p import e\n",
        "p.e": "from p.e.inner import x\n",
        "p.e.inner": "from p.e import x\n",
    }
    assert circles(module_graph(files)) == [["p.a", "p.b", "p.c"], ["p.e", "p.e.inner"]]


def not_standard(program: str, text: str) -> list[str]:
    """Imports of a program's module that its container could not resolve: neither the standard library nor a module of the program."""
    modules = [
        (node.lineno, name)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    ]
    own = f"portable.programs.{program}."
    return [
        f"line {line}: {name}" for line, name in modules if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith(own)
    ]


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("programs/*/*.py")), ids=lambda f: str(f.relative_to(PACKAGE)))
def test_programs_import_the_standard_library_only(file: Path) -> None:
    assert not_standard(file.parent.name, file.read_text(encoding="utf-8")) == []


def test_the_check_of_programs_sees_what_is_wrong() -> None:
    assert not_standard("backup", "def f():\n    import msgspec\n") == ["line 2: msgspec"]
    assert not_standard("backup", "from portable.model import plan\n") == ["line 1: portable.model"]
    assert not_standard("backup", "import portable.programs.bundle\n") == ["line 1: portable.programs.bundle"]
    assert not_standard("backup", "import os.path\nfrom portable.programs.backup.files import sync\n") == []


ENGINES = {
    "portable.backends.compose": ("backends/compose", "live/compose"),
    "portable.engines.docker": ("engines/docker", "live/compose"),
    "portable.live.compose": ("live/compose",),
    "portable.engines.kubernetes": ("engines/kubernetes", "live/kubernetes"),
    "portable.live.kubernetes": ("live/kubernetes",),
}
"""Packages of one engine, and the folders that may import them: everything else speaks to `portable.live.driver`."""


def engine_imports(text: str, folder: str) -> list[str]:
    """Imports of one engine's packages by a file in that folder of the package."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for package, homes in ENGINES.items():
            if not folder.startswith(homes) and any(f"{name}.".startswith(f"{package}.") for name in names):
                found.append(f"line {node.lineno}: imports {package}")
    return found


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("**/*.py")), ids=lambda f: str(f.relative_to(PACKAGE)))
def test_only_a_driver_knows_its_engine(file: Path) -> None:
    assert engine_imports(file.read_text(encoding="utf-8"), str(file.parent.relative_to(PACKAGE))) == []


def test_no_name_of_a_back_end_is_compared_in_planning() -> None:
    found = []
    for file in PACKAGE.glob("planning/*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                constants = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
                found += [f"{file.name}:{node.lineno}: {name}" for name in TRAITS if name in constants]
    assert found == []


def test_the_check_sees_an_engine_that_is_imported() -> None:
    assert engine_imports("from portable.engines.docker.engine import Engine\n", "upkeep") == ["line 1: imports portable.engines.docker"]
    assert engine_imports("from portable.live import compose\n", "cli") == ["line 1: imports portable.live.compose"]
    assert engine_imports("from portable.live.compose import up\n", "live/compose") == []


def test_the_check_sees_what_is_wrong() -> None:
    assert wrong("model", "def f():\n    from portable.planning import make\n") == ["line 2: model imports planning"]
    assert wrong("catalog", "import portable.profiles.load\n") == ["line 1: catalog imports profiles"]
    assert wrong("programs", "from portable.model import errors\n") == ["line 1: programs imports model"]
    assert wrong("cli", "from portable import live\n") == []


def test_only_the_command_line_prints_or_exits() -> None:
    found = []
    for file in PACKAGE.glob("*/**/*.py"):
        if file.relative_to(PACKAGE).parts[0] == "cli":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("print", "exit", "quit", "sys.exit", "os._exit"):
                    found.append(f"{file.relative_to(PACKAGE)}:{node.lineno}: {called}")
    assert found == []
