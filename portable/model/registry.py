"""What registries offer: references of images, and why a registry gives none."""

from typing import Literal

from portable.model.base import Struct

_NOT_OFFERED = {
    "absent": "{host} has no such image: it was renamed or taken away; look for its new name or tag, and put that into the profile",
    "refused": "{host} refuses it: it is not for everybody, or too much was asked; `docker login {host}`, or try later",
    "unknown": "{host} could not be asked: see whether the engine's host reaches it",
}


class Offered(Struct, frozen=True, kw_only=True):
    """What a registry has under a name and tag."""

    digest: str = ""
    """Empty where it gave none."""
    why: Literal["", "absent", "refused", "unknown"] = ""
    """Then: it has no such image, has none for who asked (or for now), or nothing was heard of it."""
    said: str = ""
    """The words in which."""


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
