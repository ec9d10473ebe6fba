"""Render a plan as one Compose project."""

from collections import Counter
from typing import Any

from portable.backends.common import Index, containers, distinct, index, note, refuse
from portable.backends.compose import jobs
from portable.backends.compose.files import declared, file_findings
from portable.backends.compose.init import init
from portable.backends.compose.names import INIT, key_secret, project_name, service_name
from portable.backends.compose.network import network_findings, networks
from portable.backends.compose.part import ServicePart
from portable.backends.compose.privileges import device_findings
from portable.backends.compose.service import service
from portable.backends.compose.storage import named_volumes, volume_findings
from portable.model.findings import Finding
from portable.model.plan import Folder, Plan
from portable.model.rendering import RenderedDocument, Rendering
from portable.model.variables import secret_variable

FILE = "compose.yaml"
MOUNTED = "x-portable-mounted"
"""Volume id to the host folder on which a file system must be mounted."""


def render(plan: Plan) -> Rendering:
    """Return the Compose project of a plan, and the findings on everything that it does not translate."""
    known = index(plan)
    everywhere = tuple(containers(plan))
    users = Counter(mount.volume for placed in everywhere for mount in placed.container.mounts)
    if plan.library:
        users[plan.library.volume] += 0
    mounted = frozenset(users)
    services = {service_name(placed): service(placed, known) for placed in everywhere if placed.app or placed.cloud}
    prepared = init(known, mounted)
    services[INIT] = prepared.service
    used = _used_files(known, prepared.seeded)
    configs, secrets = declared(known, used)
    findings = (
        *_plan_findings(known),
        *network_findings(known),
        *volume_findings(known, dict(users)),
        *file_findings(known, frozenset(used)),
        *device_findings(plan, tuple(placed.container.needs for placed in everywhere)),
        *(finding for part in services.values() for finding in part.findings),
    )
    body = {
        "name": project_name(plan),
        "services": {name: part.keys for name, part in services.items()},
        "networks": networks(known),
        "volumes": named_volumes(known, mounted),
        "configs": {**configs, **prepared.script, **jobs.configs(known)},
        "secrets": {**secrets, **_keys(known)},
        # Compose ignores this key; `portable up` checks these folders before it starts anything.
        MOUNTED: {v.id: v.place.path for v in plan.volumes if isinstance(v.place, Folder) and v.place.mounted},
    }
    return Rendering(
        documents=(RenderedDocument(file=FILE, body={key: value for key, value in body.items() if value}),), findings=distinct(findings)
    )


def _used_files(known: Index, seeded: frozenset[str]) -> list[str]:
    mounted = [
        mount.file for placed in containers(known.plan) for mount in placed.container.files if not mount.seed and mount.file in known.files
    ]
    return list(dict.fromkeys([*mounted, *sorted(seeded)]))


def _keys(known: Index) -> dict[str, Any]:
    """Return the secrets that are mounted by key."""
    return {
        key_secret(mount.secret, key): {"environment": secret_variable(mount.secret, key)}
        for placed in containers(known.plan)
        for mount in placed.container.secrets
        for key in mount.keys
    }


def _plan_findings(known: Index) -> list[Finding]:
    """Return the findings that belong to no service."""
    plan = known.plan
    findings: list[Finding] = []
    if plan.namespace is not None:
        text = "Compose has no namespaces; the project name groups the containers."
        findings.append(note("namespace", "namespace", "cosmetic", text, code="compose.cluster-setting"))
    if plan.callers:
        text = "Compose has no namespaces, so none can be admitted: other projects reach only published ports."
        findings.append(note("callers", "callers", "cosmetic", text, code="compose.cluster-setting"))
    if plan.node_weight is not None:
        text = "A Compose engine is one node, so node preferences have no effect."
        findings.append(note("node_weight", "node_weight", "cosmetic", text, code="compose.cluster-setting"))
    if plan.secret_names:
        text = "Compose has no Secret objects, so their names have no effect."
        findings.append(note("secret_names", "secret_names", "cosmetic", text, code="compose.cluster-setting"))
    if plan.metadata:
        text = "Compose has no objects with annotations: the labels and annotations of the profile have no effect."
        remedy = "remove `metadata`, or set what a proxy on this host needs in its own configuration"
        findings.append(note("metadata", "metadata", "function", text, remedy, code="compose.cluster-setting"))
    if plan.external_secrets is not None:
        text = "No operator fetches secrets for a Compose engine: no app would have any."
        remedy = "use another source in this profile, such as `secrets: {source: command, command: [...]}`"
        findings.append(refuse("secrets.source", "external_secrets", "function", text, remedy, code="compose.external-secrets"))
    if plan.gitops is not None:
        text = "Flux and Argo CD do not drive a Compose engine, so nothing applies the rendered files by itself."
        findings.append(note("gitops", "gitops", "function", text, "run `portable up`", code="compose.gitops"))
    if plan.notify is not None:
        text = "`portable` itself sends messages, no container: a failed task of a scheduled app is reported only while the healer runs."
        remedy = "install the healer, as root: `portable heal --install`"
        findings.append(note("notify", "notify", "function", text, remedy, code="compose.notify"))
    if plan.apps:
        findings.append(note("apps.title", "apps.*.title", "cosmetic", "Compose services have no titles.", code="compose.metadata"))
        text = "Compose has no service accounts to separate zones; all apps share one network."
        findings.append(note("apps.zone", "apps.*.zone", "cosmetic", text, code="compose.metadata"))
    if plan.clouds:
        text = "Compose does not pass on `known_entry`: the mount container's own probe reads that entry."
        findings.append(note("clouds.known_entry", "clouds.*.known_entry", "cosmetic", text, code="compose.metadata"))
    for path, images in (
        ("apps.*.containers.*.image.recipe", [container.image for app in plan.apps for container in app.containers]),
        ("clouds.*.fuse_mount.image.recipe", [cloud.fuse_mount.image for cloud in plan.clouds]),
        ("tools.image.recipe", [plan.tools.image]),
    ):
        if any(image.recipe for image in images):
            text = "The Compose file only names images: those built from a recipe must exist on the engine, or in a registry."
            remedy = "run `portable images build` if an image cannot be pulled"
            findings.append(note("images.recipe", path, "cosmetic", text, remedy, code="compose.recipe"))
    return findings


__all__ = ["FILE", "ServicePart", "render"]
