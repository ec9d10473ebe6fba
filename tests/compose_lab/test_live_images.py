"""Images on a real engine: built from a recipe where no registry answers, near and far, and errors of a build."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portable.engines.docker.address import resolve as address
from portable.engines.docker.engine import Engine
from portable.live.compose import images
from portable.live.compose import verbs as compose
from portable.live.compose.images import resolve
from portable.live.compose.recipes import Recipes, built_reference
from portable.live.image_needs import ImageNeed
from portable.model.errors import EngineError
from tests.compose_lab.stacks import SOURCE, body, set_secrets, stack
from tests.lab.engine import BUSYBOX
from tests.lab.forward import tcp_engine

pytestmark = pytest.mark.compose_lab
NEED = ImageNeed(reference="127.0.0.1:1/pltest/recipe:1", recipe="pltest-recipe", apps=("lone",))


@pytest.fixture
def recipes(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recipes]:
    """One recipe, whose image is removed again."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "pltest-recipe"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {BUSYBOX}\nCOPY hello.sh /bin/hello\nRUN hello > /made\nLABEL portable.test={tmp_path}\n")
    (folder / "hello.sh").write_text(f"#!/bin/sh\necho {tmp_path}\n")
    (folder / "hello.sh").chmod(0o755)
    yield lambda name: folder if name == "pltest-recipe" else None
    mine = ["docker", "images", "-q", "--filter", f"label=portable.test={tmp_path}"]
    listed = subprocess.run(mine, capture_output=True, text=True, check=True)
    for image in sorted(set(listed.stdout.split())):
        subprocess.run(["docker", "rmi", "-f", image], capture_output=True, check=False)


def test_built_where_no_registry_answers_and_then_used(engine: Engine, recipes: Recipes) -> None:
    built = built_reference("pltest-recipe", recipes)
    assert built is not None
    first = resolve(engine, [NEED], recipes=recipes)
    assert first.effective == {NEED.reference: built}
    assert [c.sentence() for c in first.changes] == [f"build {NEED.reference}: the registry 127.0.0.1:1 cannot be reached"]
    before = engine.image_ids([built])
    assert resolve(engine, [NEED], recipes=recipes) == images.Resolution(effective={NEED.reference: built})
    assert engine.image_ids([built]) == before


def test_built_on_an_engine_that_is_not_here(engine: Engine, recipes: Recipes) -> None:
    with tcp_engine() as (url, _), Engine(address(url, {}, Path("/nonexistent"))) as remote:
        resolve(remote, [NEED], recipes=recipes)
    built = str(built_reference("pltest-recipe", recipes))
    made = subprocess.run(["docker", "run", "--rm", built, "cat", "/made"], capture_output=True, text=True, check=True)
    assert made.stdout.startswith("/")


def test_a_stack_runs_on_what_was_built_and_follows_its_recipe(engine: Engine, recipes: Recipes, project: str) -> None:
    set_secrets()
    document: dict[str, Any] = body(project)
    document["services"]["lone"]["image"] = NEED.reference
    made = stack(document)
    made = msgspec.structs.replace(made, images=(NEED, ImageNeed(reference=BUSYBOX)))
    foreseen = compose.diff(engine, made, SOURCE, recipes=recipes)
    assert foreseen[0].sentence() == f"pull {NEED.reference}: it is missing; built from the recipe pltest-recipe if it cannot be pulled"
    compose.up(engine, made, SOURCE, recipes=recipes, deadline=90)
    assert compose.up(engine, made, SOURCE, recipes=recipes, deadline=90).changes == ()
    folder = recipes("pltest-recipe")
    assert folder is not None
    (folder / "hello.sh").write_text("#!/bin/sh\necho changed\n")
    changes = [c.sentence() for c in compose.up(engine, made, SOURCE, recipes=recipes, deadline=90).changes]
    assert changes[0].startswith("build ")
    assert changes[1].startswith("recreate lone: its image changed from localhost/portable/pltest-recipe:")
    assert len(changes) == 2
    images.build(engine, [], made.images, recipes=recipes)
    again = [c.sentence() for c in compose.up(engine, made, SOURCE, recipes=recipes, deadline=90).changes]
    assert again == [f"recreate lone: the engine has a newer image of {built_reference('pltest-recipe', recipes)}"]


def test_a_sharer_keeps_its_built_image_when_only_its_gateway_is_named(engine: Engine, recipes: Recipes, project: str) -> None:
    set_secrets()
    document: dict[str, Any] = body(project)
    document["services"]["one"]["image"] = NEED.reference
    made = msgspec.structs.replace(stack(document), images=(NEED, ImageNeed(reference=BUSYBOX)))
    compose.up(engine, made, SOURCE, recipes=recipes, deadline=90)
    document["configs"]["gateway-ready"]["content"] = "other\n"
    made = msgspec.structs.replace(stack(document), images=made.images)
    foreseen = compose.diff(engine, made, SOURCE, recipes=recipes, apps=("gateway",))
    changes = compose.up(engine, made, SOURCE, recipes=recipes, apps=("gateway",), deadline=90).changes
    assert changes == foreseen
    assert [c.service for c in changes] == ["gateway", "one", "two"]
    assert compose.up(engine, made, SOURCE, recipes=recipes, deadline=90).changes == ()


def test_a_killed_build_is_completed(engine: Engine, recipes: Recipes, tmp_path: Path) -> None:
    folder = recipes("pltest-recipe")
    assert folder is not None
    (folder / "Dockerfile").write_text(f"FROM {BUSYBOX}\nRUN echo {tmp_path} && sleep 3\nLABEL portable.test={tmp_path}\n")
    program = (
        "import sys; from pathlib import Path; from portable.engines.docker.address import resolve as at\n"
        "from portable.engines.docker.engine import Engine; from portable.live.compose.images import *\n"
        "engine = Engine(at(None, {}, Path('/nonexistent')))\n"
        f"need = ImageNeed(reference={NEED.reference!r}, recipe='pltest-recipe')\n"
        f"resolve(engine, [need], recipes=lambda name: Path({str(folder)!r}), progress=lambda e: print(e.sentence(), flush=True))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    assert any("sleep 3" in line for line in process.stdout)
    process.kill()
    process.wait()
    built = str(built_reference("pltest-recipe", recipes))
    assert engine.image_ids([built]) == {}
    assert resolve(engine, [NEED], recipes=recipes).effective == {NEED.reference: built}
    assert built in engine.image_ids([built])


def test_a_build_that_fails_says_where(engine: Engine, recipes: Recipes) -> None:
    folder = recipes("pltest-recipe")
    assert folder is not None
    (folder / "Dockerfile").write_text(f"FROM {BUSYBOX}\nRUN echo out of ideas; exit 7\n")
    with pytest.raises(EngineError, match=r"pltest-recipe .*non-zero code: 7.*out of ideas") as caught:
        resolve(engine, [NEED], recipes=recipes)
    assert caught.value.code == "build.failed"
    (folder / "Dockerfile").write_text("FROM 127.0.0.1:1/pltest/none:1\n")
    with pytest.raises(EngineError, match=r"127.0.0.1:1/pltest/none:1 .*\[build\.base-image\]"):
        resolve(engine, [NEED], recipes=recipes)
