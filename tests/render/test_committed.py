"""The renderings of the shipped profiles that lie in `compose/` and `k8s/` are what the profiles render to now, and hold."""

import subprocess
from pathlib import Path

import kubernetes_validate
import pytest

from portable.backends.output import texts
from portable.backends.prepare import Prepared, prepare
from portable.graph import drawn, sheet, svg
from portable.model.ledger import unaccepted
from tests.render.invariants import check_compose
from tests.render.invariants_kubernetes import check_kubernetes
from tests.shipped import PROFILES

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=PROFILES)
def prepared(request: pytest.FixtureRequest, tmp_path: Path) -> Prepared:
    """A shipped profile with the defaults of a person who has no portable.yaml."""
    return prepare(request.param, folder=tmp_path)


def test_the_folder_is_up_to_date(prepared: Prepared) -> None:
    plan = prepared.planned.plan
    files = texts(prepared.rendering, prepared.ledger, compose=prepared.planned.given.profile.traits.interpolates, profile=plan.profile)
    folder = ROOT / prepared.back_end.folder / plan.profile
    lies_there = {str(f.relative_to(folder)): f.read_text(encoding="utf-8") for f in sorted(folder.rglob("*")) if f.is_file()}
    assert lies_there == files, "run `make golden` and read the diff"


def test_the_places_page_is_up_to_date(prepared: Prepared) -> None:
    picture = drawn(prepared)
    for ending, draw in (("md", sheet), ("svg", svg)):
        file = ROOT / "docs" / "places" / f"{picture.profile}.{ending}"
        assert file.read_text(encoding="utf-8") == draw(picture), "run `make golden` and read the diff"


def test_the_same_input_gives_the_same_bytes(prepared: Prepared, tmp_path: Path) -> None:
    again = prepare(prepared.planned.plan.profile, folder=tmp_path)
    assert again.rendering == prepared.rendering
    assert again.ledger == prepared.ledger


def test_nothing_of_class_security_or_data_is_left_open(prepared: Prepared) -> None:
    assert unaccepted(prepared.ledger, strict=True) == ()


def test_every_finding_has_a_place(prepared: Prepared) -> None:
    assert [f for f in prepared.ledger if f.where is None or f.where.line < 1] == []


def test_the_invariants_hold(prepared: Prepared) -> None:
    plan, documents = prepared.planned.plan, prepared.rendering.documents
    found = check_compose(documents[0].body, plan) if prepared.back_end.name == "compose" else check_kubernetes(documents, plan)
    assert found == []


def test_kubernetes_schemas_accept_it(prepared: Prepared) -> None:
    if prepared.back_end.name == "compose":
        return  # Compose itself is asked below
    bodies = [d.body for d in prepared.rendering.documents if d.body["apiVersion"].split("/")[0] in ("v1", "apps", "networking.k8s.io")]
    assert bodies
    for body in bodies:
        kubernetes_validate.validate(body, "1.33", strict=True)


@pytest.mark.render
@pytest.mark.parametrize("folder", sorted(ROOT.glob("compose/*/compose.yaml")), ids=lambda f: f.parent.name)
def test_docker_compose_accepts_it(folder: Path) -> None:
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"}
    text = folder.read_text(encoding="utf-8")
    for name in {part.split(":?")[0].split(":-")[0].split("}")[0] for part in text.split("${")[1:]}:
        if name.startswith("PORTABLE_SECRET_"):
            env[name] = "x"
    done = subprocess.run(["docker", "compose", "-f", str(folder), "config", "-q"], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
