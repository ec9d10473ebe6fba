"""Programs as one file: what a container gets does what the modules do."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import portable.programs
from portable.programs.bundle import ENTRY, bundle, programs

FOLDER = Path(portable.programs.__file__).parent
MOST_BYTES = 256 * 1024
"""A ConfigMap holds 1 MiB, and a Compose file with the program in it is read by people."""
MODULES = sorted(FOLDER.glob("*/*.py"))


def own_names(text: str) -> list[str]:
    """What a module defines at its top level, imports of the standard library left out."""
    found: list[str] = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return found


def imported(text: str) -> dict[str, str]:
    """The names that a module imports of the standard library, each with where it comes from."""
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            found |= {alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("portable."):
            found |= {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_there_is_a_program() -> None:
    assert programs() == ("backup",)
    with pytest.raises(KeyError):
        bundle("other")


@pytest.mark.parametrize("program", programs())
def test_every_module_is_in_the_file_once_and_none_is_imported(program: str) -> None:
    text = bundle(program)
    assert text.startswith(f"# Made from the modules in portable/programs/{program}/ ")
    for file in (FOLDER / program).glob("*.py"):
        assert text.count(f"# --- {program}/{file.name} ") == (file.name != "__init__.py")
    assert "portable.programs" not in text.replace("portable/programs", "")
    assert len(text.encode()) < MOST_BYTES
    compile(text, "program.py", "exec")


@pytest.mark.parametrize("program", programs())
def test_the_modules_can_share_one_namespace(program: str) -> None:
    """A second definition of a name would silently take the place of the first, and an alias would be unknown."""
    texts = {file.name: file.read_text(encoding="utf-8") for file in (FOLDER / program).glob("*.py")}
    own = [name for text in texts.values() for name in own_names(text)]
    assert sorted({name for name in own if own.count(name) > 1}) == []
    origins = {item for text in texts.values() for item in imported(text).items()}
    names = [name for name, _ in origins]
    assert sorted({name for name in names if name in own or names.count(name) > 1}) == []
    for name, text in texts.items():
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert all(alias.asname is None for alias in node.names), f"{name}:{node.lineno} renames an import"
    nested = [node for text in texts.values() for top in ast.parse(text).body for node in ast.walk(top) if node is not top]
    assert not [node for node in nested if isinstance(node, ast.Import | ast.ImportFrom)], "only imports at the top are left out"


@pytest.mark.parametrize("program", programs())
def test_the_file_defines_what_the_modules_do(program: str, tmp_path: Path) -> None:
    (tmp_path / "bundled.py").write_text(bundle(program), encoding="utf-8")
    listing = "import runpy, sys; print(*sorted(runpy.run_path(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", listing, str(tmp_path / "bundled.py")], capture_output=True, text=True, check=True
    )
    defined = set(done.stdout.split())
    for file in (FOLDER / program).glob("*.py"):
        assert set(own_names(file.read_text(encoding="utf-8"))) <= defined, file.name


@pytest.mark.parametrize("program", programs())
def test_the_file_runs_without_portable(program: str, tmp_path: Path) -> None:
    """As in its container: no site packages, no environment, and nothing else in its folder."""
    (tmp_path / "program.py").write_text(bundle(program), encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", "-S", str(tmp_path / "program.py"), "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: {program} ")


def test_a_traceback_leads_to_the_module(tmp_path: Path) -> None:
    text = bundle("backup")
    (tmp_path / "backup.py").write_text(text, encoding="utf-8")
    run = [sys.executable, "-I", "-S", str(tmp_path / "backup.py"), "list", "--config", str(tmp_path / "missing.json")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    last = [line for line in done.stderr.splitlines() if line.startswith(f'  File "{tmp_path}/backup.py", line ')][-1]
    above = text.splitlines()[: int(last.split("line ")[1].split(",")[0])]
    assert [line for line in above if line.startswith("# --- backup/")][-1].startswith("# --- backup/command.py ")


@pytest.mark.parametrize("file", MODULES, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_modules_are_short(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 400
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= 60] == []


@pytest.mark.parametrize("program", programs())
def test_the_program_starts_with_its_command(program: str) -> None:
    assert callable(importlib.import_module(f"portable.programs.{program}.{ENTRY}").main)
