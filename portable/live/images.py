"""Images: which are needed, which are there, and where a missing one comes from: a registry, or its recipe where none answers."""

import contextlib
import hashlib
import io
import os
import re
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from portable.backends.compose.seen import Offered
from portable.live.progress import Event, Progress, silent
from portable.live.state import locked
from portable.model.base import Struct
from portable.model.changes import Change
from portable.model.errors import EngineError, PortableError, UsageError
from portable.model.plan import Plan

if TYPE_CHECKING:
    from portable.backends.compose.engine import Engine, EngineReader

BUILT = "localhost/portable"
"""Repository of the images that are built here; never pulled."""
LOCK = "_images"
"""Held by who brings images; begins as no project's name does, since `up` holds its project's lock meanwhile."""
TRUST = "trust.pem"
"""File of a recipe whose place is taken by the machine's own certificates while it is built."""
BASE, BASE_IMAGE = "base", "debian:trixie-slim"
_FIRST_WORD_SECONDS = 10.0
"""How long a registry may stay silent before it counts as unreachable."""
_SIGN_OF_LIFE_SECONDS = 15.0
_SILENT_SECONDS = 120.0
"""How long a pull that had begun may stay silent."""
Outcome = Literal["there", "built", "pull", "pull or build", "build", "missing"]
Recipes = Callable[[str], Path | None]
"""Folder of a recipe, by its name."""
_NOT_OFFERED = {
    "absent": "{host} has no such image: it was renamed or taken away; look for its new name or tag, and put that into the profile",
    "refused": "{host} refuses it: it is not for everybody, or too much was asked; `docker login {host}`, or try later",
    "unknown": "{host} could not be asked: see whether the engine's host reaches it",
}


class ImageNeed(Struct, frozen=True, kw_only=True):
    """An image that something of a plan runs."""

    reference: str
    recipe: str | None = None
    apps: tuple[str, ...] = ()


class ImageRow(Struct, frozen=True, kw_only=True):
    """One line of `images list`."""

    reference: str
    apps: tuple[str, ...]
    present: bool
    recipe: str | None
    built: str | None
    """Reference of the image built from the recipe, where it is there."""
    outcome: Outcome
    """What `up` would use or do."""


class Resolution(Struct, frozen=True, kw_only=True):
    """What will really be used for each reference, and what was (or would be) done for it."""

    effective: Mapping[str, str]
    changes: tuple[Change, ...] = ()


class _PullFailed(Exception):  # noqa: N818  # an outcome, not an error for a person
    def __init__(self, kind: Literal["unreachable", "not found", "unauthorised", "failed"], text: str) -> None:
        super().__init__(text)
        self.kind, self.text = kind, text


# --- what is needed --------------------------------------------------------------------------------------------------


def needed_images(plan: Plan) -> tuple[ImageNeed, ...]:
    """The images of a plan, by reference."""
    placed = [(app.name, c.image) for app in plan.apps for c in app.containers]
    placed += [(cloud.id, cloud.mounter.image) for cloud in plan.clouds] + [("init", plan.tools.image)]
    found: dict[str, tuple[str | None, set[str]]] = {}
    for app, image in placed:
        recipe, apps = found.get(image.reference, (None, set()))
        found[image.reference] = (recipe or image.recipe, apps | {app})
    return tuple(
        ImageNeed(reference=reference, recipe=recipe, apps=tuple(sorted(apps))) for reference, (recipe, apps) in sorted(found.items())
    )


def shipped_recipe(name: str) -> Path | None:
    """The folder of a recipe of the shipped catalog."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        return None
    folder = Path(__file__).parents[1] / "catalog" / "apps" / name / "image"
    return folder if folder.is_dir() else None


def recipes_of(own: Mapping[str, Path]) -> Recipes:
    """A person's own recipes, and the shipped ones."""
    return lambda name: own.get(name) or shipped_recipe(name)


def built_reference(recipe: str, recipes: Recipes = shipped_recipe) -> str | None:
    """The image built from a recipe as it is now: a changed recipe, or a changed base, has another one."""
    digest = recipe_digest(recipe, recipes)
    return f"{BUILT}/{recipe}:{digest}" if digest else None


def recipe_digest(recipe: str, recipes: Recipes = shipped_recipe) -> str | None:
    """Twelve digits that stand for the recipe's files and those of the base; None where there is no such recipe."""
    folder = recipes(recipe)
    if folder is None:
        return None
    total = hashlib.sha256()
    base = recipes(BASE) if recipe != BASE else None
    for part in (folder, *([base] if base else [])):
        for path in _files_of(part):
            content = path.read_bytes()
            executable = bool(path.stat().st_mode & 0o100)
            total.update(f"{path.relative_to(part).as_posix()}\0{executable}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:12]


def _files_of(folder: Path) -> list[Path]:
    """The files of a recipe, in order; what Python leaves beside its sources is none of them."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


# --- what is there ---------------------------------------------------------------------------------------------------


def table(engine: "EngineReader", needs: Iterable[ImageNeed], recipes: Recipes = shipped_recipe) -> tuple[ImageRow, ...]:
    """What each image's state is, and what `up` would do for it; asks no registry."""
    needs = tuple(needs)
    built = {n.reference: built_reference(n.recipe, recipes) if n.recipe else None for n in needs}
    there = engine.image_ids([n.reference for n in needs] + [b for b in built.values() if b])
    rows = []
    for need in needs:
        mine = built[need.reference]
        present, has_built = need.reference in there, mine is not None and mine in there
        outcome: Outcome = "there" if present else "built" if has_built else "pull or build" if mine else "pull"
        if not present and not has_built and not mine and need.reference.startswith(BUILT):
            outcome = "missing"
        rows.append(
            ImageRow(
                reference=need.reference,
                apps=need.apps,
                present=present,
                recipe=need.recipe if mine else None,
                built=mine if has_built else None,
                outcome=outcome,
            )
        )
    return tuple(rows)


def foresee(engine: "EngineReader", needs: Iterable[ImageNeed], recipes: Recipes = shipped_recipe) -> Resolution:
    """What `up` would use, without changing anything. What is not there is said as a change."""
    effective: dict[str, str] = {}
    changes = []
    for row in table(engine, needs, recipes):
        effective[row.reference] = row.reference if row.present else row.built or row.reference
        if not row.present and not row.built:
            cause = "it is not there" + (f"; built from the recipe {row.recipe} where it cannot be pulled" if row.recipe else "")
            changes.append(Change(kind="pull", service=row.reference, app=", ".join(row.apps), cause=cause))
    return Resolution(effective=effective, changes=tuple(changes))


# --- bringing what is missing ----------------------------------------------------------------------------------------


def resolve(engine: "Engine", needs: Iterable[ImageNeed], *, recipes: Recipes = shipped_recipe, progress: Progress = silent) -> Resolution:
    """Bring every missing image. Raises PortableError naming all that can be had in no way, before anything of them is built."""
    needs = tuple(needs)
    first = foresee(engine, needs, recipes)
    if not first.changes:
        return first
    with locked(LOCK, "images", progress=progress, wait=3600):
        first = foresee(engine, needs, recipes)  # another run may have brought them
        missing = {change.service for change in first.changes}
        effective = dict(first.effective)
        changes: list[Change] = []
        to_build: list[tuple[ImageNeed, str, str]] = []
        lost: list[str] = []
        registries = _Registries(engine, progress)
        for need in needs:
            if need.reference not in missing:
                continue
            try:
                registries.pull(need.reference)
                changes.append(Change(kind="pull", service=need.reference, app=", ".join(need.apps), cause="it was not there"))
            except _PullFailed as failed:
                if need.recipe and recipes(need.recipe) is not None:
                    to_build.append((need, need.recipe, failed.text))
                else:
                    lost.append(f"{need.reference} (for {', '.join(need.apps)}): {failed.text}")
        if lost:
            raise EngineError(
                f"{len(lost)} image{'s' if len(lost) > 1 else ''} can neither be pulled nor built: {'; '.join(lost)}",
                remedy="check the registry and the reference, use `docker load`, or give the app a recipe (`image/Dockerfile`)",
            )
        built: dict[str, str] = {}
        for need, recipe, why in to_build:
            if recipe not in built:
                built[recipe] = build_recipe(engine, recipe, recipes=recipes, progress=progress, registries=registries, why=why)
            effective[need.reference] = built[recipe]
            changes.append(Change(kind="build", service=need.reference, app=", ".join(need.apps), cause=why))
    return Resolution(effective=effective, changes=tuple(changes))


def build(
    engine: "Engine", names: Iterable[str], needs: Iterable[ImageNeed], *, recipes: Recipes = shipped_recipe, progress: Progress = silent
) -> tuple[Change, ...]:
    """Build these recipes anew (all that are needed where none is named), whatever is there."""
    needs = tuple(needs)
    known = sorted({n.recipe for n in needs if n.recipe})
    wanted = sorted(set(names)) or known
    if unknown := [name for name in wanted if recipes(name) is None]:
        raise UsageError(f"there is no recipe {', '.join(unknown)}", where="images build", remedy=f"known: {', '.join(known) or 'none'}")
    changes = []
    with locked(LOCK, "images build", progress=progress, wait=3600):
        registries = _Registries(engine, progress)
        for name in wanted:
            tag = build_recipe(engine, name, recipes=recipes, progress=progress, registries=registries, fresh=True)
            changes.append(
                Change(
                    kind="build",
                    service=tag,
                    app=", ".join(sorted({a for n in needs if n.recipe == name for a in n.apps})),
                    cause="it was asked for",
                )
            )
    return tuple(changes)


def build_recipe(
    engine: "Engine",
    recipe: str,
    *,
    recipes: Recipes = shipped_recipe,
    progress: Progress = silent,
    registries: "_Registries | None" = None,
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
        _make_base(engine, recipes, progress, why)
        return BASE_IMAGE
    dockerfile = folder / "Dockerfile"
    try:
        text = dockerfile.read_text()
    except OSError as error:
        raise PortableError(f"the recipe {recipe} has no Dockerfile: {error.strerror}", where=str(dockerfile)) from None
    for base in bases_of(text):
        if not engine.image_ids([base]):
            _bring_base(engine, base, recipes, progress, registries or _Registries(engine, progress))
    progress(Event(what="doing", subject=recipe, text="building its image" + (f", which cannot be pulled: {why}" if why else "")))
    digest = tag.rpartition(":")[2]
    said: list[str] = []

    def on_line(line: str) -> None:
        said.append(line)
        progress(Event(what="line", subject=recipe, text=line))

    with _packed(folder) as context, _at_work(progress, recipe, "building its image"):
        try:
            engine.build(context, tag, {"portable.recipe": f"{recipe}:{digest}"}, _proxies(), on_line, fresh=fresh)
        except RuntimeError as error:
            last = "; ".join(line for line in said[-3:])
            raise EngineError(
                f"building {recipe} failed: {error}", where=str(dockerfile), remedy=f"the last it said: {last}" if last else None
            ) from None
    progress(Event(what="done", subject=recipe, text="its image is built"))
    return tag


def bases_of(dockerfile: str) -> tuple[str, ...]:
    """The images that a Dockerfile stands on: every FROM that is no stage of its own."""
    stages: set[str] = set()
    found: list[str] = []
    for line in dockerfile.splitlines():
        match = re.match(r"(?i)\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", line)
        if not match:
            continue
        if match[1].lower() not in stages and match[1] != "scratch" and match[1] not in found:
            found.append(match[1])
        if match[2]:
            stages.add(match[2].lower())
    return tuple(found)


def _bring_base(engine: "Engine", base: str, recipes: Recipes, progress: Progress, registries: "_Registries") -> None:
    try:
        registries.pull(base)
        return
    except _PullFailed as failed:
        if base != BASE_IMAGE:
            raise EngineError(
                f"the base image {base} cannot be pulled: {failed.text}",
                where=engine.address.url,
                remedy=f"stand the recipe on {BASE_IMAGE}",
            ) from None
        why = failed.text
    _make_base(engine, recipes, progress, why)


@contextlib.contextmanager
def _at_work(progress: Progress, subject: str, text: str) -> Iterator[None]:
    """Tells every now and then that the work goes on, and for how long it has: minutes of silence look like a hang."""
    ended, began = threading.Event(), time.monotonic()

    def tell() -> None:
        while not ended.wait(_SIGN_OF_LIFE_SECONDS):
            progress(Event(what="waiting", subject=subject, text=f"{text} ({time.monotonic() - began:.0f} s)"))

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def _make_base(engine: "Engine", recipes: Recipes, progress: Progress, why: str = "") -> None:
    """Made on this machine, from Debian packages, and handed to the engine wherever it is."""
    folder = recipes(BASE)
    script = folder / "make.sh" if folder else None
    if script is None or not script.is_file():
        raise EngineError(f"the base image {BASE_IMAGE} can neither be pulled nor made", where="images", remedy="load it by `docker load`")
    text = "making it from Debian packages"
    progress(Event(what="doing", subject=BASE_IMAGE, text=text + (f", since it cannot be pulled: {why}" if why else "")))
    with tempfile.TemporaryDirectory(prefix="portable-base-") as work, _at_work(progress, BASE_IMAGE, text):
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


@contextlib.contextmanager
def _packed(folder: Path) -> Iterator[IO[bytes]]:
    """The folder as a tar: the same bytes for the same files, without owner and times, so that the build cache holds from any machine.

    A recipe that has a file `trust.pem` gets the certificates that this machine trusts in its place, where SSL_CERT_FILE names some.
    """
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for path in _files_of(folder):
                content = _trusted(path) if path == folder / TRUST else path.read_bytes()
                entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
                entry.size, entry.mtime = len(content), 0
                entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                tar.addfile(entry, io.BytesIO(content))
        packed.seek(0)
        yield packed


def _trusted(placeholder: Path) -> bytes:
    """What https is trusted by here: behind a proxy that ends TLS, a build fetches no package without it."""
    named = os.environ.get("SSL_CERT_FILE")
    if not named:
        return placeholder.read_bytes()
    try:
        # Only certificates: the bundles of some proxies hold the key as well.
        found = re.findall(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", Path(named).read_bytes(), re.DOTALL)
    except OSError as error:
        text = f"the certificates for a build can't be read: {error.strerror}"
        raise UsageError(text, where=f"SSL_CERT_FILE={named}", remedy="name a file of PEM certificates") from None
    if not found:
        raise UsageError("no certificate is in it", where=f"SSL_CERT_FILE={named}", remedy="name a file of PEM certificates")
    return b"\n".join(found) + b"\n"


def _proxies() -> dict[str, str]:
    """Docker's predefined build arguments: they are neither kept in the image nor in its history."""
    names = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return {name: os.environ[name] for name in names if os.environ.get(name)}


# --- registries ------------------------------------------------------------------------------------------------------


def split_reference(reference: str) -> tuple[str, str, str]:
    """Registry host, repository with it, and the tag or digest to ask for."""
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, "latest"
    first, slash, _ = head.partition("/")
    host = first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
    return host, head, digest or tag


def not_offered(found: Offered, host: str) -> str:
    """Why a registry gave no digest, and what to do, for a person."""
    said = f" ({found.said})" if found.said else ""
    return f"{_NOT_OFFERED[found.why or 'unknown'].format(host=host)}{said}"


class _Registries:
    """Pulls, for one run: a registry that did not answer once is not asked again."""

    def __init__(self, engine: "Engine", progress: Progress) -> None:
        self._engine, self._progress = engine, progress
        self._dead: dict[str, str] = {}

    def pull(self, reference: str) -> None:
        """Pull, or raise _PullFailed with its class."""
        host, repository, tag = split_reference(reference)
        if host == "localhost":
            raise _PullFailed("not found", "images of localhost are built, never pulled")
        if host in self._dead:
            raise _PullFailed("unreachable", self._dead[host])
        self._progress(Event(what="doing", subject=reference, text="pulling"))
        try:
            with _at_work(self._progress, reference, "pulling"):
                self._try(repository, tag, reference)
        except _PullFailed as failed:
            if failed.kind == "unreachable":
                self._dead[host] = f"the registry {host} cannot be reached"
                raise _PullFailed("unreachable", self._dead[host]) from None
            raise
        self._progress(Event(what="done", subject=reference, text="it is pulled"))

    def _try(self, repository: str, tag: str, reference: str) -> None:
        spoken = [time.monotonic()]
        lines = 0
        outcome: list[BaseException | None] = []

        def on_line(text: str) -> None:
            nonlocal lines
            if not text.lower().startswith("pulling from"):
                lines += 1
            spoken[0] = time.monotonic()
            self._progress(Event(what="line", subject=reference, text=text))

        def work() -> None:
            try:
                self._engine.pull(repository, tag, on_line)
                outcome.append(None)
            except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
                outcome.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.1)
            if time.monotonic() - spoken[0] > (_SILENT_SECONDS if lines else _FIRST_WORD_SECONDS):
                raise _PullFailed("unreachable", "the registry does not answer")
        error = outcome[0]
        if error is None:
            return
        if isinstance(error, RuntimeError):
            raise pull_failure(str(error), reference)
        if isinstance(error, EngineError) and getattr(error, "kind", "") not in ("gone", "space", "refused"):
            raise pull_failure(error.text, reference)
        raise error


def pull_failure(said: str, reference: str) -> _PullFailed:
    """The class of a failed pull, from the registry's or the engine's words."""
    text = said.lower()
    host = split_reference(reference)[0]
    if re.search(
        r"manifest unknown|manifest for|not found: |name unknown|repository does not exist|no such image|an image is missing", text
    ):
        return _PullFailed("not found", f"{host} has no such image, or not for everybody")
    if re.search(r"unauthorized|authentication required|access denied|access to the resource is denied|forbidden|no basic auth", text):
        return _PullFailed("unauthorised", f"{host} wants a login (`docker login {host}`)")
    if re.search(
        r"no such host|connection refused|i/o timeout|unreachable|tls|x509|no route|misbehaving|deadline|timed? ?out|eof|reset|dial tcp|"
        r"lookup|proxyconnect|connect:|no engine answers",
        text,
    ):
        return _PullFailed("unreachable", f"the registry {host} cannot be reached")
    return _PullFailed("failed", f"pulling failed: {said.strip().splitlines()[-1][:200] if said.strip() else 'no reason given'}")
