"""Building an image from its recipe, its base image first."""

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from portable.model.errors import EngineError, PortableError, UsageError
from portable.model.progress import Event, Progress, silent

if TYPE_CHECKING:
    from portable.engines.docker.engine import Engine
from portable.live.compose.recipes import (
    BASE,
    BASE_IMAGE,
    Recipes,
    bases_of,
    built_reference,
    packed,
    proxies,
    recipe_digest,
    shipped_recipe,
)
from portable.live.compose.registries import PullFailed, Registries
from portable.live.heartbeat import at_work


def build_recipe(
    engine: "Engine",
    recipe: str,
    *,
    recipes: Recipes = shipped_recipe,
    progress: Progress = silent,
    registries: "Registries | None" = None,
    fresh: bool = False,
    why: str = "",
) -> str:
    """Build one recipe, its base first where that is neither there nor to be pulled; the reference of what was built.

    `why` says why it is not pulled.
    """
    folder, tag = recipes(recipe), built_reference(recipe, recipes)
    if folder is None or tag is None:
        raise UsageError(f"there is no recipe {recipe}", where="images")
    if recipe == BASE:
        make_base(engine, recipes, progress, why)
        return BASE_IMAGE
    dockerfile = folder / "Dockerfile"
    try:
        text = dockerfile.read_text()
    except OSError as error:
        raise PortableError(f"the recipe {recipe} has no Dockerfile: {error.strerror}", where=str(dockerfile)) from None
    for base in bases_of(text):
        if not engine.image_ids([base]):
            _bring_base(engine, base, recipes, progress, registries or Registries(engine, progress))
    progress(Event(what="doing", subject=recipe, text="building its image" + (f", which cannot be pulled: {why}" if why else "")))
    digest = tag.rpartition(":")[2]
    said: list[str] = []

    def on_line(line: str) -> None:
        said.append(line)
        progress(Event(what="line", subject=recipe, text=line))

    with packed(folder) as context, at_work(progress, recipe, "building its image"):
        try:
            engine.build(context, tag, {"portable.recipe": f"{recipe}:{digest}"}, proxies(), on_line, fresh=fresh)
        except RuntimeError as error:
            last = "; ".join(line for line in said[-3:])
            raise EngineError(
                f"building {recipe} failed: {error}", where=str(dockerfile), remedy=f"the last it said: {last}" if last else None
            ) from None
    progress(Event(what="done", subject=recipe, text="its image is built"))
    return tag


def _bring_base(engine: "Engine", base: str, recipes: Recipes, progress: Progress, registries: "Registries") -> None:
    try:
        registries.pull(base)
        return
    except PullFailed as failed:
        if base != BASE_IMAGE:
            raise EngineError(
                f"the base image {base} cannot be pulled: {failed.text}",
                where=engine.address.url,
                remedy=f"stand the recipe on {BASE_IMAGE}",
            ) from None
        why = failed.text
    make_base(engine, recipes, progress, why)


def make_base(engine: "Engine", recipes: Recipes, progress: Progress, why: str = "") -> None:
    """Made on this machine, from Debian packages, and handed to the engine wherever it is."""
    folder = recipes(BASE)
    script = folder / "make.sh" if folder else None
    if script is None or not script.is_file():
        raise EngineError(f"the base image {BASE_IMAGE} can neither be pulled nor made", where="images", remedy="load it by `docker load`")
    text = "making it from Debian packages"
    progress(Event(what="doing", subject=BASE_IMAGE, text=text + (f", since it cannot be pulled: {why}" if why else "")))
    with tempfile.TemporaryDirectory(prefix="portable-base-") as work, at_work(progress, BASE_IMAGE, text):
        archive = Path(work) / "base.tar"
        done = subprocess.run(
            ["sh", str(script), str(archive)], capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0 or not archive.is_file():
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            remedy = "it needs root, mmdebstrap and a Debian mirror here (`scripts/bootstrap.sh image-tools`); or load it by `docker load`"
            raise EngineError(
                f"the base image {BASE_IMAGE} cannot be pulled, and making it failed: {reason}", where=str(script), remedy=remedy
            )
        label = f"LABEL portable.recipe={BASE}:{recipe_digest(BASE, recipes)}"
        with archive.open("rb") as data:
            repository, _, tag = BASE_IMAGE.partition(":")
            engine.import_image(data, repository, tag, ['CMD ["bash"]', label])
    progress(Event(what="done", subject=BASE_IMAGE, text="it is made"))
