"""Codes of all findings and errors: each names one cause, and stays the same when its text changes.

A code is `area.cause`. The folder `explanations` has a file for each area, with a title, the cause and the remedy of each code.
`portable explain CODE` prints them; docs/reference/findings.md lists them all.
"""

from pathlib import Path
from typing import Final, Literal, TypeAlias

from portable.model.base import Struct

Code: TypeAlias = Literal[
    "",
    "catalog.app-name",
    "catalog.before-main",
    "catalog.duplicate-path",
    "catalog.image",
    "catalog.image-version",
    "catalog.memory",
    "catalog.name",
    "catalog.no-main",
    "catalog.port-name",
    "catalog.probe",
    "catalog.reserved-path",
    "catalog.state-folder",
    "catalog.unknown-app",
    "catalog.unknown-cloud",
    "catalog.unknown-container",
    "catalog.unknown-port",
    "catalog.unknown-recipe",
    "catalog.unknown-secret",
    "catalog.unknown-secret-key",
    "catalog.unknown-volume",
    "file.disk-full",
    "file.home",
    "file.locked",
    "file.permission",
    "file.read-only",
    "file.root-command",
    "file.unreadable",
    "file.write",
    "profile.circle",
    "profile.name",
    "profile.set-key",
    "profile.set-syntax",
    "profile.unknown",
    "stack.waiver-unused",
    "value.choice",
    "value.format",
    "value.key",
    "value.length",
    "value.missing-key",
    "value.range",
    "value.rule",
    "value.type",
    "value.unknown-key",
    "yaml.alias",
    "yaml.character",
    "yaml.duplicate-key",
    "yaml.empty",
    "yaml.encoding",
    "yaml.escape",
    "yaml.indentation",
    "yaml.key-type",
    "yaml.merge-key",
    "yaml.nesting",
    "yaml.number",
    "yaml.several-documents",
    "yaml.size",
    "yaml.special-character",
    "yaml.syntax",
    "yaml.tab",
    "yaml.tag",
    "yaml.top-level",
    "yaml.unclosed",
    "yaml.version",
    "verify.unknown-contract",
    "wire.credentials-rejected",
    "wire.entry-conflict",
    "wire.login-blocked",
    "wire.no-answer",
    "wire.no-profile",
    "wire.not-running",
    "wire.program-unsupported",
    "wire.request-rejected",
    "wire.secret-missing",
    "wire.setting-not-kept",
    "wire.sign-in-needed",
    "wire.unexpected-answer",
    "app.alias",
    "app.alias-taken",
    "app.container-name",
    "app.cycle",
    "app.device",
    "app.duplicate",
    "app.engine",
    "app.gpu",
    "app.helper",
    "app.lacks",
    "app.left-out",
    "app.list-overridden",
    "app.needed",
    "app.none-left",
    "app.replaces-shipped",
    "app.unknown",
    "app.upstream",
    "cloud.duplicate",
    "cloud.mounter-config",
    "cloud.unknown",
    "image.update-unfinished",
    "image.update-unused",
    "memory.counted-twice",
    "memory.exceeded",
    "patch.applied",
    "patch.no-effect",
    "patch.path",
    "patch.refused",
    "patch.replaced",
    "patch.target",
    "patch.unused",
    "patch.value",
    "patch.value-invalid",
    "plan.account",
    "plan.address",
    "plan.address-outside",
    "plan.address-reserved",
    "plan.address-shared",
    "plan.address-taken",
    "plan.device",
    "plan.engine-address",
    "plan.findings-open",
    "plan.network",
    "plan.no-effect",
    "plan.secret-command",
    "plan.secret-shared",
    "plan.secret-unknown",
    "plan.subnet-missing",
    "plan.time-zone",
    "plan.waiver-reason",
    "plan.waivers-replaced",
    "port.balancer-address",
    "port.clash",
    "port.fixed",
    "port.host-missing",
    "port.host-name",
    "port.own-number",
    "port.peers",
    "port.private",
    "port.raw-host",
    "port.several-exposures",
    "port.taken",
    "port.unknown",
    "render.back-end-unknown",
    "render.foreign-file",
    "schedule.command",
    "schedule.containers",
    "schedule.gateway",
    "schedule.ports",
    "schedule.probe",
    "schedule.syntax",
    "stack.waiver-unused",
    "template.app-unknown",
    "template.failed",
    "template.file-name",
    "template.program-unknown",
    "template.secret-changed",
    "template.secret-form",
    "template.secret-in-value",
    "template.secret-unknown",
    "template.syntax",
    "template.undefined",
    "template.unreadable",
    "volume.backup-place",
    "volume.backup-stopped",
    "volume.below",
    "volume.claim-conflict",
    "volume.claim-size",
    "volume.claim-small",
    "volume.claim-unsupported",
    "volume.database-share",
    "volume.host-folder",
    "volume.library-folder",
    "volume.library-split",
    "volume.name",
    "volume.not-backed-up",
    "volume.not-persistent",
    "volume.overlap",
    "volume.owner-checked",
    "volume.place",
    "volume.share-owner",
    "volume.system-folder",
    "volume.unknown",
    "vpn.config",
    "vpn.direct",
    "vpn.direct-unneeded",
    "vpn.endpoint-address",
    "vpn.endpoint-ipv6",
    "vpn.endpoint-key",
    "vpn.endpoint-local",
    "vpn.endpoint-missing",
    "vpn.endpoint-port",
    "vpn.endpoints-mismatch",
    "vpn.endpoints-port",
    "vpn.forwarding-method",
    "vpn.forwarding-reserved",
    "vpn.forwarding-server",
    "vpn.forwarding-unsupported",
    "vpn.forwarding-unused",
    "vpn.gateway-kind",
    "vpn.gateway-left-out",
    "vpn.gateway-unknown",
    "vpn.health-target",
    "vpn.image-repository",
    "vpn.image-tag",
    "vpn.need-removed",
    "vpn.networks",
    "vpn.override",
    "vpn.own-app",
    "vpn.own-gateway",
    "vpn.own-image",
    "vpn.privileged",
    "vpn.protocol",
    "vpn.provider-unknown",
    "vpn.proxy",
    "vpn.sealed",
    "vpn.servers",
    "vpn.setting-secret",
    "vpn.setting-typed",
    "vpn.setting-unknown",
    "vpn.settings",
    "vpn.transport",
    "vpn.tunnel-range",
    "vpn.waiver-alone",
]
"""Every code that is written where a message is made. The empty one belongs to errors that only carry others, each with its own code.

Results of contracts and of the doctor derive theirs from a name: `verify.<contract>` and `doctor.<check>` (portable.model.contracts).
"""
_FOLDER: Final = Path(__file__).parent / "explanations"


class Explanation(Struct, frozen=True, kw_only=True):
    """The meaning of a code, for a person who sees it for the first time."""

    code: str
    title: str
    """One sentence that states the error or the difference."""
    cause: str
    """Why `portable` reports it: the consequence otherwise."""
    remedy: str
    """The next step; begins with an imperative verb."""


def bracketed(code: Code) -> str:
    """Return the code as it ends a message: ` [vpn.override]`."""
    return f" [{code}]" if code else ""


def area_names() -> tuple[str, ...]:
    """The areas of codes, sorted: the word before the dot."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))


def explanations_of(area: str) -> tuple[Explanation, ...]:
    """Explain every code of an area, in the order of its file. Empty where the area is unknown."""
    import tomllib  # only for `portable explain`

    file = _FOLDER / f"{area}.toml"
    if area not in area_names():
        return ()
    entries = tomllib.loads(file.read_text(encoding="utf-8"))
    return tuple(Explanation(code=f"{area}.{name}", **entry) for name, entry in entries.items())


def all_explanations() -> tuple[Explanation, ...]:
    """Explain every code, by area."""
    return tuple(explanation for area in area_names() for explanation in explanations_of(area))
