"""Recipes of images: their folders, the references of the built images, and their files as a tar."""

import contextlib
import hashlib
import io
import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from portable.catalog.shipped import SHIPPED
from portable.model.errors import UsageError

if TYPE_CHECKING:
    pass

BUILT = "localhost/portable"
"""Repository of built images; they are never pulled."""
TRUST = "trust.pem"
"""File of a recipe that the machine's own certificates replace during a build."""
BASE, BASE_IMAGE = "base", "debian:trixie-slim"
Recipes = Callable[[str], Path | None]
"""Folder of a recipe, by its name."""


def shipped_recipe(name: str) -> Path | None:
    """The folder of a recipe of the shipped catalog."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        return None
    folder = SHIPPED / "apps" / name / "image"
    return folder if folder.is_dir() else None


def recipes_of(own: Mapping[str, Path]) -> Recipes:
    """The user's own recipes, then the shipped ones."""
    return lambda name: own.get(name) or shipped_recipe(name)


def built_reference(recipe: str, recipes: Recipes = shipped_recipe) -> str | None:
    """The reference of the image built from a recipe. It changes with the files of the recipe and of the base."""
    digest = recipe_digest(recipe, recipes)
    return f"{BUILT}/{recipe}:{digest}" if digest else None


def recipe_digest(recipe: str, recipes: Recipes = shipped_recipe) -> str | None:
    """Twelve hexadecimal digits of a hash over the files of the recipe and the base; None for an unknown recipe."""
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
    """The files of a recipe in order, without `__pycache__`."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def bases_of(dockerfile: str) -> tuple[str, ...]:
    """The base images of a Dockerfile: every FROM that is not one of its own stages."""
    stages: set[str] = set()
    bases: list[str] = []
    for line in dockerfile.splitlines():
        match = re.match(r"(?i)\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", line)
        if not match:
            continue
        if match[1].lower() not in stages and match[1] != "scratch" and match[1] not in bases:
            bases.append(match[1])
        if match[2]:
            stages.add(match[2].lower())
    return tuple(bases)


@contextlib.contextmanager
def packed(folder: Path) -> Iterator[IO[bytes]]:
    """The folder as a tar. Same files give the same bytes, without owner and times, so that the build cache is valid for any machine.

    If SSL_CERT_FILE is set, its certificates replace the recipe's file `trust.pem`, if it has one.
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
    """The certificates that this machine trusts. A build behind a proxy that ends TLS cannot fetch packages without them."""
    named = os.environ.get("SSL_CERT_FILE")
    if not named:
        return placeholder.read_bytes()
    try:
        # Only certificates: the bundles of some proxies hold the key as well.
        certificates = re.findall(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", Path(named).read_bytes(), re.DOTALL)
    except OSError as error:
        text = f"the certificates for a build cannot be read: {error.strerror}"
        raise UsageError(
            text, code="build.certificates", where=f"SSL_CERT_FILE={named}", remedy="set it to a file of PEM certificates, or unset it"
        ) from None
    if not certificates:
        raise UsageError(
            "the file holds no PEM certificate",
            code="build.certificates",
            where=f"SSL_CERT_FILE={named}",
            remedy="set it to a file of PEM certificates, or unset it",
        )
    return b"\n".join(certificates) + b"\n"


def proxies() -> dict[str, str]:
    """Docker's predefined build arguments for proxies: they are stored neither in the image nor in its history."""
    names = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return {name: os.environ[name] for name in names if os.environ.get(name)}
