"""The prerequisites of a profile, in the order in which they are needed."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import assert_never

from portable.catalog.facts import SecretFacts
from portable.catalog.quantities import amount
from portable.model.devices import AnnotatedDevice, Device, HostDevice, PluginDevice
from portable.model.exposures import GatewayRoute, Ingress, LoadBalancer
from portable.model.findings import Finding
from portable.model.gitops import Flux, GitOps
from portable.model.plan import (
    CLOUDS,
    Claim,
    Folder,
    Plan,
    Sealed,
    Tunnel,
)
from portable.model.secret_refs import called
from portable.model.traits import Traits, traits_of


def prepares(plan: Plan, back_end: str, secrets: Mapping[str, SecretFacts], findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the prerequisites as sentences. `secrets` are the catalog's facts by name: `portable up` generates some of them."""
    traits = traits_of(back_end)
    if not traits.has_namespaces:
        sentences: Iterator[str] = chain(_places(plan), _devices(plan), _clouds(plan), _tunnels(plan), _values(plan, secrets))
    else:
        sentences = chain(
            _cluster(plan, traits),
            _places(plan),
            _devices(plan),
            _tunnels(plan),
            _values(plan, secrets),
            _secrets(plan, findings),
            _applied(plan),
        )
    return tuple(dict.fromkeys(sentences))


def _cluster(plan: Plan, traits: Traits) -> Iterator[str]:
    """Yield the features that the cluster must have."""
    if not traits.bundles_network:
        yield "Kubernetes 1.29 or later: gateways, databases and the mount containers of clouds run as native sidecars."
    ways = {type(exposure.how) for exposure in plan.exposures}
    classless = [e.how for e in plan.exposures if isinstance(e.how, Ingress) and e.how.ingress_class is None]
    gateways = [e.how for e in plan.exposures if isinstance(e.how, GatewayRoute)]
    if Ingress in ways:
        which = "whose class is the cluster's default (or set `exposure.ingress-class`)" if classless else "of the configured class"
        yield f"An Ingress controller, {which}."
    for how in sorted({(h.gateway, h.gateway_namespace or plan.namespace or plan.stack) for h in gateways}):
        yield f"A controller of the Gateway API, and its Gateway `{how[0]}` in namespace `{how[1]}`, which accepts routes of the apps."
    if LoadBalancer in ways:
        yield "A load balancer for Services of the type LoadBalancer, such as MetalLB."
    if not traits.bundles_network and any(isinstance(group.egress, Tunnel | Sealed) for group in plan.groups):
        yield "A network plug-in that enforces NetworkPolicies; Flannel alone does not. They are the second fence around the VPN."


def _clouds(plan: Plan) -> Iterator[str]:
    if plan.clouds:
        yield (
            f"A host that shares the mounts below `{CLOUDS}` with containers: `portable up` sets this up, or run `mount --make-rshared`. "
            "The mount container of a cloud gets SYS_ADMIN, and runs with AppArmor unconfined, so that it can mount."
        )


def _applied(plan: Plan) -> Iterator[str]:
    if plan.gitops is not None:
        yield from _committed(plan, plan.gitops)
        return
    administrator = "kubectl apply --server-side -k FOLDER/administrator"
    yield f"Run `portable render -p {plan.profile} -o FOLDER`; an administrator first runs `{administrator}`."
    first = "When the Secrets exist" if plan.external_secrets is None else "When the store has the values"
    yield f"{first}, run `kubectl apply --server-side -k FOLDER`."


def _committed(plan: Plan, gitops: GitOps) -> Iterator[str]:
    """Yield what makes a controller apply the files."""
    if not gitops.administrator:
        yield f"An administrator runs `kubectl apply --server-side -k {gitops.path}/administrator`."
    tool = "Flux" if isinstance(gitops.controller, Flux) else "Argo CD"
    yield f"{tool} in the cluster, which reads the repository. Run `portable render -p {plan.profile} -o {gitops.path}` there, and push it."
    yield f"Once, run `kubectl apply --server-side -f {gitops.path}/gitops.yaml`: {tool} applies all other files."


def _places(plan: Plan) -> Iterator[str]:
    for volume in plan.volumes:
        match volume.place:
            case Folder(path=path, mounted=True):
                yield (
                    f"A file system mounted at `{path}`: without it, `portable up` starts nothing. Make Docker wait for it at boot too: "
                    f"run `systemctl edit docker`, and add `RequiresMountsFor={path}` under `[Unit]`."
                )
            case Folder(path=path):
                yield f"Free space in the folder `{path}`, which is created if it does not exist."
            case Claim(name=name, existing=True):
                yield f"The existing claim `{name}`, which is never changed."
            case Claim(name=name, share=share) if share is not None:
                driver = ", and the CSI driver `smb.csi.k8s.io`" if share.protocol == "smb" else ""
                yield f"The {share.protocol.upper()} share `//{share.server}/{share.export}`{driver}, for the claim `{name}`."
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
            yield "FUSE in the kernel of each node: the mount containers of clouds are privileged and use `/dev/fuse`."
        else:
            yield f"The device {name}: {_device(device)}."


def _device(device: Device) -> str:
    match device:
        case HostDevice(path=path, group=None):
            return f"`{path}` of the host"
        case HostDevice(path=path, group=group):
            return f"`{path}` of the host, readable by group {group} (check with `stat -c %g {path}`)"
        case PluginDevice(resource=resource):
            return f"a device plug-in that provides `{resource}`"
        case AnnotatedDevice(path=path):
            return f"CRI-O must allow `{path}` in the annotation `io.kubernetes.cri-o.Devices`"
    assert_never(device)


def _tunnels(plan: Plan) -> Iterator[str]:
    for group in plan.groups:
        if isinstance(group.egress, Tunnel):
            behind = ", ".join(name for name in group.apps if name != group.egress.gateway)
            yield f"An account with a VPN provider, for {group.egress.gateway}; behind it: {behind or 'no apps yet'}."


def _values(plan: Plan, secrets: Mapping[str, SecretFacts]) -> Iterator[str]:
    optionals: dict[tuple[str, str], bool] = {}
    if plan.external_secrets is None:
        optionals |= {(ref.name, ref.key): ref.optional for container in plan.containers() for ref in container.secret_refs}
        optionals |= {(ref.name, ref.key): ref.optional for file in plan.files for ref in file.secret_refs}
    if plan.notify is not None:
        refs = (*([plan.notify.url] if plan.notify.url else ()), *plan.notify.pings.values())
        optionals |= {(ref.name, ref.key): False for ref in refs}
    for (name, key), optional in sorted(optionals.items()):
        facts = secrets.get(name)
        if facts is None or not facts.generate:
            missing = " (optional)" if optional else ""
            about = f" {facts.about[:1].upper()}{facts.about[1:]}." if facts else ""
            yield f"The secret `{name}`, key `{key}`{missing}: `portable secrets set -p {plan.profile} {called(name, key)}`.{about}"


def _secrets(plan: Plan, findings: Iterable[Finding]) -> Iterator[str]:
    """Yield one line for all Secrets that `portable secrets write` prepares, and one line for each other command."""
    command = f"portable secrets write -p {plan.profile}"
    written: dict[str, None] = {}
    by_remedy: dict[str, list[str]] = {}
    for finding in findings:
        if finding.field not in ("secrets", "secrets.form", "exposures.auth"):
            continue
        if finding.code == "kubernetes.secret-fetched":
            yield finding.text
        elif command in finding.remedy:
            written[finding.text.split(" ")[1]] = None
        else:
            by_remedy.setdefault(finding.remedy, []).append(finding.text)
    if written:
        yield f"`{command} -o FOLDER` writes files for these Secrets, and prints the command for each: {', '.join(sorted(written))}."
    for remedy, texts in by_remedy.items():
        more = f" {len(texts) - 1} more findings have the same remedy." if len(texts) > 1 else ""
        yield f"{texts[0]}{more} {remedy[:1].upper()}{remedy[1:]}."
