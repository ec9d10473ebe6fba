"""What the owner of a place makes ready before anything runs there: a list in the order in which it is needed."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import assert_never

from portable.catalog.facts import SecretFacts
from portable.catalog.quantities import amount
from portable.model.findings import Finding
from portable.model.plan import (
    CLOUDS,
    AnnotatedDevice,
    Claim,
    Device,
    Folder,
    HostDevice,
    Ingress,
    LoadBalancer,
    Plan,
    PluginDevice,
    Sealed,
    Tunnel,
    called,
)


def prepares(plan: Plan, back_end: str, secrets: Mapping[str, SecretFacts], findings: Iterable[Finding]) -> tuple[str, ...]:
    """Sentences; `secrets` is what the catalog says of them: `up` makes some by itself."""
    if back_end == "compose":
        found: Iterator[str] = chain(_places(plan), _devices(plan), _clouds(plan), _tunnels(plan), _values(plan, secrets))
    else:
        found = chain(
            _cluster(plan, back_end),
            _places(plan),
            _devices(plan),
            _tunnels(plan),
            _values(plan, secrets),
            _secrets(plan, findings),
            _applied(plan),
        )
    return tuple(dict.fromkeys(found))


def _cluster(plan: Plan, back_end: str) -> Iterator[str]:
    """What a cluster must be able to do."""
    if back_end == "kubernetes":
        yield "Kubernetes 1.29 or later: gateways, mounters and databases run as native sidecars."
    ways = {type(exposure.how) for exposure in plan.exposures}
    classless = [e.how for e in plan.exposures if isinstance(e.how, Ingress) and e.how.ingress_class is None]
    if Ingress in ways:
        which = "whose class is the cluster's default one (or name `exposure.ingress-class`)" if classless else "of the class that is named"
        yield f"An Ingress controller, {which}."
    if LoadBalancer in ways:
        yield "Something that serves Services of the type LoadBalancer, as MetalLB."
    if back_end == "kubernetes" and any(isinstance(group.egress, Tunnel | Sealed) for group in plan.groups):
        yield "A network plug-in that enforces NetworkPolicies, which Flannel alone does not: they are the second fence around the VPN."


def _clouds(plan: Plan) -> Iterator[str]:
    if plan.clouds:
        yield (
            f"A host that shares `{CLOUDS}` with containers (`portable up` sees to it; else `mount --make-rshared`): a cloud's mounter has "
            "the capability SYS_ADMIN there, and is let out of AppArmor's profile, so that it may mount."
        )


def _applied(plan: Plan) -> Iterator[str]:
    yield f"`portable render -p {plan.profile} -o FOLDER`; an administrator applies `kubectl apply -k FOLDER/administrator` first."
    yield "Then, with the Secrets there, `kubectl apply -k FOLDER`."


def _places(plan: Plan) -> Iterator[str]:
    for volume in plan.volumes:
        match volume.place:
            case Folder(path=path, mounted=True):
                yield (
                    f"A file system, mounted at `{path}`: `portable up` starts nothing while nothing is mounted there. Let the engine wait "
                    f"for it too, after a restart of the host: `RequiresMountsFor={path}` under `[Unit]` by `systemctl edit docker`."
                )
            case Folder(path=path):
                yield f"Room in `{path}`, which is made where it is missing."
            case Claim(name=name, existing=True):
                yield f"The claim `{name}`, which is referenced and never changed."
            case Claim(name=name, share=share) if share is not None:
                driver = ", and the CSI driver `smb.csi.k8s.io`" if share.protocol == "smb" else ""
                yield f"The share `//{share.server}/{share.export}` by {share.protocol.upper()}{driver}, for the claim `{name}`."
            case Claim(name=name, storage_class=None, size=size):
                yield f"A default storage class with block storage, for the claim `{name}` of {amount(size)}."
            case Claim(name=name, storage_class=class_, size=size):
                yield f"The storage class `{class_}`, for the claim `{name}` of {amount(size)}."


def _devices(plan: Plan) -> Iterator[str]:
    needs = [container.needs for container in plan.containers()]
    for name in ("tun", "fuse", "gpu"):
        device = getattr(plan.devices, name)
        if device is None or not any(getattr(need, name) for need in needs):
            continue
        if name == "fuse" and isinstance(device, AnnotatedDevice):
            yield "FUSE in the kernel of each node: what mounts clouds is privileged and finds `/dev/fuse`."
        else:
            yield f"The device {name}: {_device(device)}."


def _device(device: Device) -> str:
    match device:
        case HostDevice(path=path, group=None):
            return f"`{path}` of the host"
        case HostDevice(path=path, group=group):
            return f"`{path}` of the host, for the group with the number {group} (`stat -c %g {path}` tells it)"
        case PluginDevice(resource=resource):
            return f"a device plug-in that hands out `{resource}`"
        case AnnotatedDevice(path=path):
            return f"CRI-O allows `{path}` by the annotation `io.kubernetes.cri-o.Devices`"
    assert_never(device)


def _tunnels(plan: Plan) -> Iterator[str]:
    for group in plan.groups:
        if isinstance(group.egress, Tunnel):
            behind = ", ".join(name for name in group.apps if name != group.egress.gateway)
            yield f"An account of a VPN provider, for {group.egress.gateway}; behind it: {behind or 'nobody yet'}."


def _values(plan: Plan, secrets: Mapping[str, SecretFacts]) -> Iterator[str]:
    found: dict[tuple[str, str], bool] = {}
    for container in plan.containers():
        found |= {(ref.name, ref.key): ref.optional for ref in container.secret_refs}
    for file in plan.files:
        found |= {(ref.name, ref.key): ref.optional for ref in file.secret_refs}
    for (name, key), optional in sorted(found.items()):
        facts = secrets.get(name)
        if facts is None or not facts.generate:
            missing = " (may be missing)" if optional else ""
            about = f" {facts.about[:1].upper()}{facts.about[1:]}." if facts else ""
            yield f"The secret `{name}`, key `{key}`{missing}: `portable secrets set -p {plan.profile} {called(name, key)}`.{about}"


def _secrets(plan: Plan, findings: Iterable[Finding]) -> Iterator[str]:
    """What `portable secrets write` makes files of in one line; one line for each other command, whoever needs what it makes."""
    command = f"portable secrets write -p {plan.profile}"
    written: dict[str, None] = {}
    found: dict[str, list[str]] = {}
    for finding in findings:
        if finding.field not in ("secrets", "exposures.auth"):
            continue
        if command in finding.remedy:
            written[finding.text.split(" ")[1]] = None
        else:
            found.setdefault(finding.remedy, []).append(finding.text)
    if written:
        yield f"`{command} -o FOLDER` makes files of these Secrets and prints the command for each: {', '.join(sorted(written))}."
    for remedy, texts in found.items():
        more = f" {len(texts) - 1} more need it." if len(texts) > 1 else ""
        yield f"{texts[0]}{more} {remedy}."
