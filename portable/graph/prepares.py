"""What the owner of a place makes ready before anything runs there: a list in the order in which it is needed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import assert_never

from portable.model.findings import Finding
from portable.model.plan import AnnotatedDevice, Claim, Container, Device, Folder, HostDevice, Plan, PluginDevice, SecretRef, Tunnel, called

_MEBI = 2**20


def prepares(plan: Plan, back_end: str, generated: Mapping[str, str], findings: Iterable[Finding]) -> tuple[str, ...]:
    """Sentences; `generated` names the secrets that `up` makes by itself on an engine."""
    compose = back_end == "compose"
    return tuple(
        dict.fromkeys(
            (
                *_places(plan),
                *_devices(plan),
                *_tunnels(plan),
                *(() if compose else (f"As an administrator: `kubectl apply -k k8s/{plan.profile}/administrator`.",)),
                *(_values(plan, generated) if compose else _secrets(findings)),
            )
        )
    )


def _places(plan: Plan) -> Iterator[str]:
    for volume in plan.volumes:
        match volume.place:
            case Folder(path=path, mounted=True):
                yield f"A file system, mounted at `{path}`: nothing starts while nothing is mounted there."
            case Folder(path=path):
                yield f"Room in `{path}`, which is made where it is missing."
            case Claim(name=name, existing=True):
                yield f"The claim `{name}`, which is referenced and never changed."
            case Claim(name=name, share=share) if share is not None:
                yield f"The share `//{share.server}/{share.export}` by {share.protocol.upper()}, for the claim `{name}`."
            case Claim(name=name, storage_class=None, size=size):
                yield f"A default storage class with block storage, for the claim `{name}` of {size // _MEBI} MiB."
            case Claim(name=name, storage_class=class_, size=size):
                yield f"The storage class `{class_}`, for the claim `{name}` of {size // _MEBI} MiB."


def _devices(plan: Plan) -> Iterator[str]:
    needs = [container.needs for container in _containers(plan)]
    for name in ("tun", "fuse", "gpu"):
        device = getattr(plan.devices, name)
        if device is not None and any(getattr(need, name) for need in needs):
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


def _values(plan: Plan, generated: Mapping[str, str]) -> Iterator[str]:
    found: dict[tuple[str, str], bool] = {}
    for container in _containers(plan):
        for value in container.env.values():
            if isinstance(value, SecretRef):
                found[value.name, value.key] = value.optional
        for mount in container.secrets:
            found |= {(mount.secret, key): mount.optional for key in mount.keys}
    for file in plan.files:
        found |= {(part.name, part.key): part.optional for part in file.body if isinstance(part, SecretRef)}
    for (name, key), optional in sorted(found.items()):
        if name not in generated:
            missing = " (may be missing)" if optional else ""
            yield f"The secret `{name}`, key `{key}`{missing}: `portable secrets set -p {plan.profile} {called(name, key)}`."


def _secrets(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        if finding.field in ("secrets", "exposures.auth"):
            yield f"{finding.text} {finding.remedy}."


def _containers(plan: Plan) -> Iterator[Container]:
    for app in plan.apps:
        yield from app.containers
    for cloud in plan.clouds:
        yield cloud.mounter
