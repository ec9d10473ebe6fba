"""What every back end makes of every feature, compared with real files; `--update-golden` rewrites them, and a person reads the diff."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from portable.backends.output import texts
from portable.backends.registry import BACK_ENDS, BackEnd
from portable.model.rendering import Rendering
from tests.render.invariants import check_compose
from tests.render.invariants_kubernetes import check_kubernetes

GOLDEN = Path(__file__).parent.parent / "golden"
FEATURES = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir() and folder.name != "__pycache__")


def load(feature: str) -> ModuleType:
    """The case of a feature: the Python file of its folder."""
    file = GOLDEN / feature / f"{feature.replace('-', '_')}_case.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None, feature
    assert spec.loader is not None, feature
    case = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(case)
    return case


def rendered(back_end: BackEnd, rendering: Rendering, profile: str) -> dict[str, str]:
    """The files of a back end by their path in the feature's folder: Compose's one file lies beside the other back ends' folders."""
    files = texts(rendering, rendering.findings, compose=back_end.name == "compose", profile=profile)
    if back_end.name == "compose":
        return {{"findings.md": "compose.findings.md"}.get(name, name): text for name, text in files.items()}
    return {f"{back_end.name}/{name}": text for name, text in files.items()}


def expected(feature: str, back_end: BackEnd) -> dict[str, str]:
    """The files that lie there."""
    found = GOLDEN.joinpath(feature).glob("compose*") if back_end.name == "compose" else GOLDEN.joinpath(feature, back_end.name).rglob("*")
    return {str(file.relative_to(GOLDEN / feature)): file.read_text(encoding="utf-8") for file in sorted(found) if file.is_file()}


def cases() -> Iterator[Any]:
    """Every feature on every back end that it is for."""
    for feature in FEATURES:
        case = load(feature)
        for back_end in BACK_ENDS:
            if back_end.name not in getattr(case, "NOT_FOR", ()):
                yield pytest.param(feature, case, back_end, id=f"{feature}-{back_end.name}")


@pytest.mark.parametrize(("feature", "case", "back_end"), list(cases()))
def test_golden(feature: str, case: ModuleType, back_end: BackEnd, request: pytest.FixtureRequest) -> None:
    plan = case.plan(back_end.name)
    rendering = back_end.render(plan)
    files = rendered(back_end, rendering, plan.profile)
    if request.config.getoption("--update-golden"):
        for name in expected(feature, back_end).keys() - files.keys():
            (GOLDEN / feature / name).unlink()
        for name, text in files.items():
            file = GOLDEN / feature / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    assert files == expected(feature, back_end), "read the diff, then run pytest with --update-golden"
    case.check(back_end.name, rendering)
    if back_end.name == "compose":
        assert check_compose(rendering.documents[0].body, plan) == []
    else:
        assert check_kubernetes(rendering.documents, plan) == []


@pytest.mark.parametrize("feature", FEATURES)
def test_nothing_else_lies_there(feature: str) -> None:
    known = {back_end.name for back_end in BACK_ENDS} | {
        f"{feature.replace('-', '_')}_case.py",
        "compose.yaml",
        "compose.findings.md",
        "__pycache__",
    }
    assert {entry.name for entry in (GOLDEN / feature).iterdir()} <= known


@pytest.mark.parametrize("back_end", BACK_ENDS, ids=lambda back_end: back_end.name)
def test_same_plan_same_bytes(back_end: BackEnd) -> None:
    for feature in FEATURES:
        first, second = (rendered(back_end, back_end.render(load(feature).plan(back_end.name)), "test") for _ in range(2))
        assert first == second
