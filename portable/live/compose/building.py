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
    """Build one recipe, and return the image's reference. A missing base image is pulled or built first.

    `why` is the reason why the image is not pulled, for messages.
    """
    folder, tag = recipes(recipe), built_reference(recipe, recipes)
    if folder is None or tag is None:
        raise UsageError(
            f"no recipe is named {recipe}",
            code="build.unknown-recipe",
            where="images",
            remedy="list the recipes with `portable images list`",
        )
    if recipe == BASE:
        make_base(engine, recipes, progress, why)
        return BASE_IMAGE
    dockerfile = folder / "Dockerfile"
    try:
        text = dockerfile.read_text()
    except OSError as error:
        raise PortableError(
            f"the Dockerfile of the recipe {recipe} cannot be read: {error.strerror}",
            code="build.dockerfile",
            where=str(dockerfile),
            remedy="create it, or remove the `recipe` from the app's image",
        ) from None
    for base in bases_of(text):
        if not engine.image_ids([base]):
            _bring_base(engine, base, recipes, progress, registries or Registries(engine, progress))
    progress(Event(what="doing", subject=recipe, text="building its image" + (f", which cannot be pulled: {why}" if why else "")))
    digest = tag.rpartition(":")[2]
    output: list[str] = []

    def on_line(line: str) -> None:
        output.append(line)
        progress(Event(what="line", subject=recipe, text=line))

    with packed(folder) as context, at_work(progress, recipe, "building its image"):
        try:
            engine.build(context, tag, {"portable.recipe": f"{recipe}:{digest}"}, proxies(), on_line, fresh=fresh)
        except RuntimeError as error:
            last = "; ".join(line for line in output[-3:])
            raise EngineError(
                f"building {recipe} failed: {error}" + (f"; its last output: {last}" if last else ""),
                code="build.failed",
                where=str(dockerfile),
                remedy="correct the recipe, then run the same command again",
            ) from None
    progress(Event(what="done", subject=recipe, text="built its image"))
    return tag


def _bring_base(engine: "Engine", base: str, recipes: Recipes, progress: Progress, registries: "Registries") -> None:
    try:
        registries.pull(base)
        return
    except PullFailed as failed:
        if base != BASE_IMAGE:
            raise EngineError(
                f"the base image {base} cannot be pulled: {failed.text}",
                code="build.base-image",
                where=engine.address.url,
                remedy=f"base the recipe on {BASE_IMAGE}, or load the image with `docker load`",
            ) from None
        why = failed.text
    make_base(engine, recipes, progress, why)


def make_base(engine: "Engine", recipes: Recipes, progress: Progress, why: str = "") -> None:
    """Build the base image on this machine from Debian packages, and import it into the engine, near or far."""
    folder = recipes(BASE)
    script = folder / "make.sh" if folder else None
    if script is None or not script.is_file():
        raise EngineError(
            f"the base image {BASE_IMAGE} can neither be pulled nor built",
            code="build.own-base",
            where="images",
            remedy="load it with `docker load`",
        )
    text = "building it from Debian packages"
    progress(Event(what="doing", subject=BASE_IMAGE, text=text + (f", since it cannot be pulled: {why}" if why else "")))
    with tempfile.TemporaryDirectory(prefix="portable-base-") as work, at_work(progress, BASE_IMAGE, text):
        archive = Path(work) / "base.tar"
        done = subprocess.run(
            ["sh", str(script), str(archive)], capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0 or not archive.is_file():
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise EngineError(
                f"the base image {BASE_IMAGE} cannot be pulled, and building it failed: {reason}",
                code="build.own-base",
                where=str(script),
                remedy="run it as root, with mmdebstrap (`scripts/bootstrap.sh image-tools`) and a Debian mirror, "
                "or load the image with `docker load`",
            )
        label = f"LABEL portable.recipe={BASE}:{recipe_digest(BASE, recipes)}"
        with archive.open("rb") as data:
            repository, _, tag = BASE_IMAGE.partition(":")
            engine.import_image(data, repository, tag, ['CMD ["bash"]', label])
    progress(Event(what="done", subject=BASE_IMAGE, text="built"))
