"""Codes of everything that is reported to a person: each names one cause, and stays the same when its text changes.

A code is `area.cause`. The folder `explanations` has a file for each area, with a title, the cause and the remedy of each code.
`portable explain CODE` prints them; docs/reference/findings.md lists them all.
"""

from pathlib import Path
from typing import Final, Literal, TypeAlias

from portable.model.base import Struct

Code: TypeAlias = Literal[
    "",
    "compose.claim",
    "compose.cluster-setting",
    "compose.device",
    "compose.groups",
    "compose.http-client",
    "compose.live-probe",
    "compose.metadata",
    "compose.mount-unchecked",
    "compose.network-policy",
    "compose.optional-secret",
    "compose.private-port",
    "compose.read-only-root",
    "compose.recipe",
    "compose.restart",
    "compose.schedule-command",
    "compose.schedule-timezone",
    "compose.startup-probe",
    "compose.tmpfs-name",
    "compose.tmpfs-shared",
    "compose.volume-folder",
    "compose.volume-size",
    "config.app-unknown",
    "config.device-missing",
    "config.device-unused",
    "config.file-unknown",
    "config.file-unused",
    "config.main-container",
    "config.role-ignored",
    "config.tools-ignored",
    "config.variable-override",
    "exposure.certificate",
    "exposure.http-only",
    "exposure.unsupported",
    "health.client-unused",
    "health.probe-missing",
    "kubernetes.address",
    "kubernetes.claim-existing",
    "kubernetes.claim-node",
    "kubernetes.cloud-readiness",
    "kubernetes.device-annotation",
    "kubernetes.device-cgroup",
    "kubernetes.folder",
    "kubernetes.fs-group",
    "kubernetes.fuse-privileged",
    "kubernetes.grace-period",
    "kubernetes.groups",
    "kubernetes.ingress-namespace",
    "kubernetes.init-process",
    "kubernetes.network-policy",
    "kubernetes.node-weight",
    "kubernetes.private-port",
    "kubernetes.probe-status",
    "kubernetes.probe-tcp",
    "kubernetes.recipe",
    "kubernetes.run-as-user",
    "kubernetes.schedule-pod",
    "kubernetes.schedule-sidecar",
    "kubernetes.scratch",
    "kubernetes.sealed-dns",
    "kubernetes.secret",
    "kubernetes.start-order",
    "kubernetes.volume-name",
    "kubernetes.vpn-endpoints",
    "network.container-unknown",
    "network.gateway-outside",
    "network.group-missing",
    "network.port-unknown",
    "network.subnet-missing",
    "openshift.login-gateway",
    "openshift.login-passthrough",
    "openshift.login-secret",
    "openshift.termination",
    "order.app-unknown",
    "order.redundant",
    "order.start-only",
    "security.file-mode",
    "security.image-user",
    "security.secret-form",
    "security.secret-variable",
    "security.umask",
    "stack.waiver-unused",
    "storage.claim-conflict",
    "storage.cloud-unknown",
    "storage.default-class",
    "storage.nfs-login",
    "storage.purpose",
    "storage.root-squash",
    "storage.seed",
    "storage.volume-unknown",
    "storage.volume-unused",
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
