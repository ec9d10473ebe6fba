"""Codes of all findings and errors: each names one cause, and stays the same when its text changes.

A code is `area.cause`. The folder `explanations` has a file for each area, with a title, the cause and the remedy of each code.
`portable explain CODE` prints them; docs/reference/findings.md lists them all.
"""

from pathlib import Path
from typing import Final, Literal, TypeAlias

from portable.model.base import Struct

# A line for each code would make a long file.
# fmt: off
Code: TypeAlias = Literal[
    "",
    "app.alias", "app.alias-state", "app.alias-taken", "app.claim", "app.container-name", "app.cycle", "app.device", "app.duplicate",
    "app.engine", "app.gpu", "app.gpu-group", "app.helper", "app.lacks", "app.left-out", "app.list-overridden", "app.login", "app.needed",
    "app.none-left", "app.none-listed", "app.replaces-shipped", "app.unknown", "app.upstream",
    "backup.check-failed", "backup.ended-early", "backup.failed", "backup.list-failed", "backup.no-claim", "backup.no-pod",
    "backup.not-covered", "backup.not-running", "backup.not-set-up", "backup.outdated", "backup.time",
    "build.base-image", "build.certificates", "build.dockerfile", "build.failed", "build.no-image", "build.own-base",
    "build.unknown-recipe",
    "catalog.app-name", "catalog.before-main", "catalog.duplicate-path", "catalog.file-name", "catalog.folder-name", "catalog.image",
    "catalog.image-version", "catalog.memory", "catalog.name", "catalog.no-main", "catalog.outside", "catalog.port-name",
    "catalog.probe", "catalog.reserved-path", "catalog.state-folder", "catalog.unknown-app", "catalog.unknown-cloud",
    "catalog.unknown-container", "catalog.unknown-port", "catalog.unknown-recipe", "catalog.unknown-secret", "catalog.unknown-secret-key",
    "catalog.unknown-volume",
    "cloud.duplicate", "cloud.mount-config", "cloud.unknown",
    "cluster.absent", "cluster.busy", "cluster.conflict", "cluster.context", "cluster.context-server", "cluster.exec-user",
    "cluster.failed", "cluster.gitops", "cluster.gone", "cluster.invalid", "cluster.inventory", "cluster.kubeconfig-absent",
    "cluster.kubeconfig-unreadable", "cluster.locked", "cluster.missing", "cluster.obstacles", "cluster.old", "cluster.other-tool",
    "cluster.pull", "cluster.refused", "cluster.settings", "cluster.slow", "cluster.unsupported",
    "compose.claim", "compose.cluster-setting", "compose.device", "compose.external-secrets", "compose.gitops", "compose.groups",
    "compose.http-client", "compose.live-probe", "compose.metadata", "compose.mount-unchecked", "compose.network-policy", "compose.notify",
    "compose.optional-secret", "compose.private-port", "compose.read-only-root", "compose.recipe", "compose.restart",
    "compose.schedule-command", "compose.schedule-timezone", "compose.startup-probe", "compose.tmpfs-name", "compose.tmpfs-shared",
    "compose.volume-folder", "compose.volume-size",
    "config.app-unknown", "config.device-missing", "config.device-unused", "config.file-unknown", "config.file-unused",
    "config.main-container", "config.role-ignored", "config.tools-ignored", "config.variable-override",
    "engine.absent", "engine.address", "engine.address-password", "engine.client-new", "engine.client-old", "engine.compose-absent",
    "engine.compose-broken", "engine.compose-old", "engine.config-folder", "engine.config-invalid", "engine.config-unreadable",
    "engine.context", "engine.cut-short", "engine.denied", "engine.docker-absent", "engine.failed", "engine.feature", "engine.gone",
    "engine.image", "engine.name", "engine.old", "engine.podman", "engine.podman-socket", "engine.silent", "engine.ssh-denied",
    "engine.ssh-host-key", "engine.timeout", "engine.tls",
    "exposure.certificate", "exposure.gateway", "exposure.http-only", "exposure.no-name", "exposure.unsupported",
    "file.disk-full", "file.home", "file.locked", "file.permission", "file.read-only", "file.record", "file.root-command",
    "file.unreadable", "file.write",
    "health.client-unused", "health.probe-missing",
    "host.address", "host.apparmor", "host.busy", "host.cgroup", "host.command", "host.containerd", "host.device", "host.disk-errors",
    "host.file-sharing", "host.firewall", "host.full", "host.gpu-runtime", "host.hidden-folder", "host.kernel-module", "host.keyring",
    "host.limits", "host.memory", "host.missing-folder", "host.mount", "host.nesting", "host.not-a-folder", "host.not-mounted",
    "host.open-files", "host.owner", "host.port", "host.privileged-port", "host.read-only", "host.rootless", "host.selinux",
    "host.storage-driver", "host.subordinate-ids", "host.sysctl", "host.unshared", "host.user-namespaces",
    "image.floating", "image.update-unfinished", "image.update-unused",
    "kubernetes.address", "kubernetes.claim-existing", "kubernetes.claim-node", "kubernetes.cloud-readiness",
    "kubernetes.device-annotation", "kubernetes.device-cgroup", "kubernetes.folder", "kubernetes.fs-group", "kubernetes.full-names",
    "kubernetes.fuse-privileged", "kubernetes.gitops-administrator", "kubernetes.gitops-key", "kubernetes.gitops-sops",
    "kubernetes.gitops-waves", "kubernetes.grace-period", "kubernetes.groups", "kubernetes.ingress-namespace", "kubernetes.init-process",
    "kubernetes.metadata-unused", "kubernetes.network-policy", "kubernetes.node-weight", "kubernetes.notify", "kubernetes.private-port",
    "kubernetes.probe-status", "kubernetes.probe-tcp", "kubernetes.recipe", "kubernetes.run-as-user", "kubernetes.schedule-pod",
    "kubernetes.schedule-sidecar", "kubernetes.scratch", "kubernetes.sealed-dns", "kubernetes.secret", "kubernetes.secret-fetched",
    "kubernetes.secret-form", "kubernetes.secret-place", "kubernetes.secret-rotation", "kubernetes.secret-store",
    "kubernetes.secret-unfetched", "kubernetes.start-order", "kubernetes.volume-name", "kubernetes.vpn-endpoints",
    "memory.counted-twice", "memory.exceeded",
    "metadata.added", "metadata.app", "metadata.conflict", "metadata.invalid", "metadata.reserved",
    "migrate.busy", "migrate.case-twins", "migrate.confirm-first", "migrate.database", "migrate.database-damaged", "migrate.database-open",
    "migrate.differs", "migrate.egress", "migrate.failed", "migrate.fenced", "migrate.large-files", "migrate.left-out", "migrate.library",
    "migrate.links-outside", "migrate.long-paths", "migrate.lost-acls", "migrate.lost-attributes", "migrate.lost-links",
    "migrate.lost-mode", "migrate.lost-names", "migrate.lost-ownership", "migrate.lost-sparse", "migrate.lost-special",
    "migrate.lost-symlinks", "migrate.lost-times", "migrate.manifest", "migrate.mounts-inside", "migrate.mover", "migrate.mover-absent",
    "migrate.mover-old", "migrate.nested", "migrate.no-apps", "migrate.no-inodes", "migrate.no-space", "migrate.no-volume",
    "migrate.not-begun", "migrate.other-writer", "migrate.owner", "migrate.pair", "migrate.past-confirm", "migrate.secrets",
    "migrate.source-changed", "migrate.source-empty", "migrate.source-kind", "migrate.source-shrunk", "migrate.source-swapped",
    "migrate.source-unfinished", "migrate.source-unmounted", "migrate.start-gate", "migrate.target-kind", "migrate.target-not-empty",
    "migrate.target-refused", "migrate.target-runs", "migrate.unfinished", "migrate.unknown-volume", "migrate.unknown-waiver",
    "migrate.unreadable", "migrate.version",
    "network.address-unsupported", "network.address-used", "network.container-unknown", "network.endpoint", "network.foreign",
    "network.gateway-outside", "network.gone", "network.group-missing", "network.in-use", "network.namespace", "network.no-address",
    "network.overlap", "network.pools", "network.port-unknown", "network.subnet-inside", "network.subnet-missing",
    "notify.empty", "notify.not-set-up", "notify.ping", "notify.state", "notify.undelivered", "notify.url",
    "openshift.login-gateway", "openshift.login-passthrough", "openshift.login-secret", "openshift.termination",
    "order.app-unknown", "order.redundant", "order.start-only",
    "patch.applied", "patch.no-effect", "patch.path", "patch.refused", "patch.replaced", "patch.target", "patch.unused", "patch.value",
    "patch.value-invalid",
    "plan.account", "plan.address", "plan.address-outside", "plan.address-reserved", "plan.address-shared", "plan.address-taken",
    "plan.device", "plan.engine-address", "plan.findings-open", "plan.gitops-controller", "plan.gitops-login", "plan.gpu-unsupported",
    "plan.network", "plan.no-effect", "plan.secret-command", "plan.secret-encrypted", "plan.secret-pattern", "plan.secret-shared",
    "plan.secret-sops", "plan.secret-store", "plan.secret-unknown", "plan.subnet-ipv6", "plan.subnet-local", "plan.subnet-missing",
    "plan.subnet-small", "plan.time-zone", "plan.waiver-reason", "plan.waivers-replaced",
    "port.balancer-address", "port.clash", "port.fixed", "port.gateway-missing", "port.host-missing", "port.host-name", "port.lan-address",
    "port.name-missing", "port.own-number", "port.peers", "port.private", "port.raw-host", "port.several-exposures", "port.taken",
    "port.unknown", "port.way-missing",
    "profile.circle", "profile.file-name", "profile.folder-denied", "profile.folder-name", "profile.name", "profile.set-key",
    "profile.set-syntax", "profile.unknown",
    "registry.certificate", "registry.denied", "registry.format", "registry.plain-http", "registry.platform", "registry.rate-limit",
    "registry.short-name", "registry.unreachable",
    "render.back-end-unknown", "render.foreign-file",
    "restore.failed", "restore.not-begun",
    "schedule.command", "schedule.containers", "schedule.ended-early", "schedule.gateway", "schedule.no-pod", "schedule.ports",
    "schedule.probe", "schedule.syntax",
    "secret.certificate", "secret.command-empty", "secret.control-character", "secret.empty", "secret.encoding", "secret.encrypt",
    "secret.encrypted-folder", "secret.external", "secret.file-absent", "secret.file-denied", "secret.file-encoding", "secret.file-kind",
    "secret.file-mode", "secret.file-owner", "secret.file-path", "secret.file-syntax", "secret.file-unreadable", "secret.missing",
    "secret.openvpn-endpoint", "secret.openvpn-login", "secret.openvpn-name", "secret.openvpn-remote", "secret.other-owner",
    "secret.plain-file", "secret.program", "secret.read-only", "secret.sops-absent", "secret.sops-decrypt", "secret.sops-value",
    "secret.too-long", "secret.variable-clash", "secret.wireguard-address", "secret.wireguard-ipv6", "secret.wireguard-key",
    "secret.wireguard-local", "secret.zero-byte",
    "security.clear-secret", "security.file-mode", "security.image-user", "security.secret-form", "security.secret-variable",
    "security.umask",
    "stack.file-name", "stack.root-gid", "stack.root-uid", "stack.waiver-refused", "stack.waiver-unused",
    "storage.claim-conflict", "storage.cloud-unknown", "storage.default-class", "storage.nfs-login", "storage.purpose",
    "storage.root-squash", "storage.seed", "storage.volume-unknown", "storage.volume-unused",
    "template.app-unknown", "template.failed", "template.file-name", "template.outside", "template.program-unknown",
    "template.secret-changed", "template.secret-form", "template.secret-in-value", "template.secret-unknown", "template.syntax",
    "template.too-large", "template.too-much-work", "template.undefined", "template.unreadable",
    "unit.needs-root", "unit.no-systemd", "unit.systemctl",
    "up.downgrade", "up.foreign-project", "up.image-changed", "up.incomplete", "up.no-driver", "up.not-created", "up.not-running",
    "up.one-way", "up.restore-unfinished", "up.rollback-unfinished", "up.shared-data", "up.stops-all", "up.timeout", "up.tools-image",
    "up.unhealthy", "up.unknown-app",
    "update.backup-failed", "update.backup-gone", "update.drift", "update.needs-stop", "update.no-backups", "update.no-record",
    "update.no-stack", "update.no-state", "update.not-covered", "update.not-writable", "update.state-not-restored", "update.undecided",
    "usage.app-exists", "usage.beacon", "usage.command-line", "usage.fix-needs-root", "usage.fix-remote", "usage.folder-absent",
    "usage.folder-empty", "usage.graph-format", "usage.listen", "usage.moved", "usage.option-missing", "usage.options-conflict",
    "usage.page-file", "usage.page-format", "usage.profile-exists", "usage.profile-name", "usage.secret-issued", "usage.secret-terminal",
    "usage.secrets-engine", "usage.secrets-owner", "usage.take-over", "usage.unknown-app", "usage.unknown-code", "usage.unknown-schema",
    "usage.unknown-secret", "usage.unknown-task",
    "value.choice", "value.format", "value.key", "value.length", "value.missing-key", "value.range", "value.rule", "value.type",
    "value.unknown-key",
    "verify.unknown-contract",
    "volume.backup-place", "volume.backup-stopped", "volume.below", "volume.case-twins", "volume.claim-conflict", "volume.claim-size",
    "volume.claim-small", "volume.claim-unsupported", "volume.database-share", "volume.host-folder", "volume.library-folder",
    "volume.library-split", "volume.name", "volume.name-missing", "volume.not-backed-up", "volume.not-persistent", "volume.overlap",
    "volume.owner-checked", "volume.place", "volume.share-contradiction", "volume.share-login", "volume.share-option",
    "volume.share-option-invalid", "volume.share-option-unknown", "volume.share-owner", "volume.share-symlinks", "volume.system-folder",
    "volume.unknown",
    "vpn.cluster-networks", "vpn.config", "vpn.direct", "vpn.direct-unneeded", "vpn.endpoint-address", "vpn.endpoint-ipv6",
    "vpn.endpoint-key", "vpn.endpoint-local", "vpn.endpoint-missing", "vpn.endpoint-port", "vpn.endpoints-mismatch", "vpn.endpoints-port",
    "vpn.forwarding-method", "vpn.forwarding-reserved", "vpn.forwarding-server", "vpn.forwarding-unsupported", "vpn.forwarding-unused",
    "vpn.gateway-kind", "vpn.gateway-left-out", "vpn.gateway-unknown", "vpn.health-target", "vpn.image-repository", "vpn.image-tag",
    "vpn.need-removed", "vpn.networks", "vpn.override", "vpn.own-app", "vpn.own-gateway", "vpn.own-image", "vpn.privileged", "vpn.protocol",
    "vpn.provider-unknown", "vpn.proxy", "vpn.sealed", "vpn.sealed-port", "vpn.servers", "vpn.setting-secret", "vpn.setting-typed",
    "vpn.setting-unknown", "vpn.settings", "vpn.transport", "vpn.tunnel-range", "vpn.waiver-alone",
    "wire.credentials-rejected", "wire.entry-conflict", "wire.login-blocked", "wire.no-answer", "wire.no-profile", "wire.not-running",
    "wire.program-unsupported", "wire.request-rejected", "wire.secret-missing", "wire.setting-not-kept", "wire.sign-in-needed",
    "wire.unexpected-answer",
    "yaml.alias", "yaml.character", "yaml.duplicate-key", "yaml.empty", "yaml.encoding", "yaml.escape", "yaml.indentation", "yaml.key-type",
    "yaml.merge-key", "yaml.nesting", "yaml.number", "yaml.several-documents", "yaml.size", "yaml.special-character", "yaml.syntax",
    "yaml.tab", "yaml.tag", "yaml.top-level", "yaml.unclosed", "yaml.version",
]
# fmt: on
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
