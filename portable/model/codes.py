"""Codes of everything that is reported to a person: each names one cause, and stays the same when its text changes.

A code is `area.cause`. The folder `explanations` has a file for each area, with a title, the cause and the remedy of each code.
`portable explain CODE` prints them; docs/reference/findings.md lists them all.
"""

from pathlib import Path
from typing import Final, Literal, TypeAlias

from portable.model.base import Struct

Code: TypeAlias = Literal[
    "",
    "build.base-image",
    "build.certificates",
    "build.dockerfile",
    "build.failed",
    "build.no-image",
    "build.own-base",
    "build.unknown-recipe",
    "engine.absent",
    "engine.address",
    "engine.address-password",
    "engine.client-old",
    "engine.compose-absent",
    "engine.compose-old",
    "engine.config-folder",
    "engine.config-invalid",
    "engine.config-unreadable",
    "engine.context",
    "engine.cut-short",
    "engine.denied",
    "engine.docker-absent",
    "engine.failed",
    "engine.gone",
    "engine.image",
    "engine.name",
    "engine.old",
    "engine.silent",
    "engine.ssh-denied",
    "engine.ssh-host-key",
    "engine.timeout",
    "engine.tls",
    "host.device",
    "host.full",
    "host.mount",
    "host.not-mounted",
    "host.port",
    "host.unshared",
    "secret.command-empty",
    "secret.empty",
    "secret.file-absent",
    "secret.file-denied",
    "secret.file-encoding",
    "secret.file-kind",
    "secret.file-mode",
    "secret.file-owner",
    "secret.file-path",
    "secret.file-syntax",
    "secret.file-unreadable",
    "secret.missing",
    "secret.openvpn-endpoint",
    "secret.openvpn-login",
    "secret.openvpn-name",
    "secret.openvpn-remote",
    "secret.read-only",
    "secret.too-long",
    "secret.variable-clash",
    "secret.wireguard-address",
    "secret.wireguard-ipv6",
    "secret.wireguard-key",
    "secret.wireguard-local",
    "secret.zero-byte",
    "stack.waiver-unused",
    "up.foreign-project",
    "up.image-changed",
    "up.incomplete",
    "up.no-driver",
    "up.not-created",
    "up.not-running",
    "up.restore-unfinished",
    "up.rollback-unfinished",
    "up.shared-data",
    "up.stops-all",
    "up.timeout",
    "up.tools-image",
    "up.unhealthy",
    "up.unknown-app",
]
"""Every code. The empty one belongs to errors that only carry others, each with its own code."""
_FOLDER: Final = Path(__file__).parent / "explanations"


class Explanation(Struct, frozen=True, kw_only=True):
    """What a code means, for a person who just met it."""

    code: str
    title: str
    """One sentence that says what is wrong or what differs."""
    cause: str
    """Why `portable` reports it: what would happen otherwise."""
    remedy: str
    """What to do next; begins with a verb."""


def bracketed(code: Code) -> str:
    """Return the code as it ends a message: ` [vpn.override]`."""
    return f" [{code}]" if code else ""


def area_names() -> tuple[str, ...]:
    """The areas of codes, sorted: the word before the dot."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))


def explanations_of(area: str) -> tuple[Explanation, ...]:
    """Explain every code of an area, in the order of its file. Empty where the area is unknown."""
    import tomllib  # only for a person who asks

    file = _FOLDER / f"{area}.toml"
    if area not in area_names():
        return ()
    entries = tomllib.loads(file.read_text(encoding="utf-8"))
    return tuple(Explanation(code=f"{area}.{name}", **entry) for name, entry in entries.items())


def all_explanations() -> tuple[Explanation, ...]:
    """Explain every code, by area."""
    return tuple(explanation for area in area_names() for explanation in explanations_of(area))
