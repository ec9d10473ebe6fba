"""Answers of registries about an image: its digest, or the reason why there is none."""

from typing import Literal

from portable.model.base import Struct

_NOT_OFFERED = {
    "absent": "{host} has no such image: it was renamed or deleted; find its new name or tag, and write that in the profile",
    "refused": "{host} denied the pull: private image or rate limit; run `docker login {host}`, or try again later",
    "unknown": "{host} did not answer: check that {asked_from} can reach it",
}


class Offered(Struct, frozen=True, kw_only=True):
    """The answer of a registry about a name and tag."""

    digest: str = ""
    """Empty if the registry gave none."""
    why: Literal["", "absent", "refused", "unknown"] = ""
    """The reason for an empty digest: the image does not exist, the pull was denied, or the registry did not answer."""
    said: str = ""
    """The registry's own message."""
    asked_from: str = "the engine's host"
    """The machine that asked it, in words."""


def split_reference(reference: str) -> tuple[str, str, str]:
    """Split a reference into the registry's host, the repository with that host, and the tag or digest to request."""
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, "latest"
    first, slash, _ = head.partition("/")
    host = first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
    return host, head, digest or tag


def not_offered(found: Offered, host: str) -> str:
    """Why a registry gave no digest, with a remedy, as one sentence for a person."""
    message = f" ({found.said})" if found.said else ""
    return f"{_NOT_OFFERED[found.why or 'unknown'].format(host=host, asked_from=found.asked_from)}{message}"
