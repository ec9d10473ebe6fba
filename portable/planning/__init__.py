"""Makes the plan from stack, profile and catalog, with every choice made. It reads only the catalog's templates from the disk."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from portable.catalog.catalog import Catalog
from portable.catalog.facts import AppFacts, CloudFacts, SecretFacts
from portable.formats.merge import Merged
from portable.model import plan as p
from portable.model.backups import BackedUpVolume
from portable.model.devices import AnnotatedDevice, Device, Devices, HostDevice, PluginDevice
from portable.model.findings import Finding, Waiver
from portable.model.source import Source
from portable.model.versions import OneWay
from portable.planning import aliases, backups, images, logins
from portable.planning.check import check
from portable.planning.clear_secrets import clear_secrets
from portable.planning.content import content
from portable.planning.external import external_secrets
from portable.planning.fence import fence
from portable.planning.gitops import encrypted_secrets, gitops
from portable.planning.host_checks import nameless_host_checks, unclaimed
from portable.planning.inputs import Mistakes, PlanInput
from portable.planning.lan import with_lan
from portable.planning.meaningless import meaningless
from portable.planning.memory import counted_once, memory
from portable.planning.metadata import metadata, metadata_findings
from portable.planning.naming import named_secrets
from portable.planning.network import network
from portable.planning.notify import about_notify, notify
from portable.planning.origins import located
from portable.planning.select import Selection, select
from portable.planning.storage import storage
from portable.planning.subnets import subnet_inside_local
from portable.planning.tunnel import tunnel
from portable.planning.unused import unused
from portable.profiles.types import DeviceFacts, WaiverFacts


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A plan with its findings, waivers, addresses and secrets."""

    plan: p.Plan
    findings: tuple[Finding, ...]
    waivers: tuple[Waiver, ...]
    addresses: Mapping[tuple[str, str], str]
    """By (app, port): the address for a browser."""
    names: Mapping[str, tuple[str, ...]]
    """By app that has an interface: the host names by which people come to it."""
    secrets: Mapping[str, SecretFacts]
    """Facts of the secrets that apps and clouds name."""
    given: PlanInput
    chosen: Selection

    @property
    def one_way(self) -> dict[str, tuple[OneWay, ...]]:
        """Versions of each app without a way back."""
        return {
            name: tuple(OneWay(version=fact.version, source=fact.source, is_slow=fact.slow) for fact in entry.facts.one_way)
            for name, entry in self.chosen.apps.items()
            if entry.facts.one_way
        }

    @property
    def backed_up(self) -> tuple[BackedUpVolume, ...]:
        """Every volume with state, if an app makes backups."""
        return backups.backed_up(self.chosen, self.plan.volumes)

    @property
    def generated(self) -> dict[str, str]:
        """Secrets that can be generated if they are missing, with the kind of value."""
        return {name: secret.generate for name, secret in self.secrets.items() if secret.generate}


def make(given: PlanInput, catalog: Catalog) -> Planned:
    """Select, tunnel, network, storage, content, check. Raises InputError with every mistake of the files."""
    mistakes = Mistakes()
    unused(given, mistakes)
    meaningless(given, mistakes)
    given = with_lan(given, mistakes)
    chosen = select(given, catalog, mistakes)
    written = chosen  # as the files have it, before the planner completes it
    chosen, way = tunnel(given, chosen, catalog, mistakes)
    net = network(given, chosen, way, mistakes)
    weakened = fence(given, written, way, net, catalog, mistakes)
    store = storage(given, chosen, net, mistakes)
    devices = _devices(given, mistakes)
    counted_once(given, mistakes)
    mistakes.stop()
    made = content(given, chosen, way, net, store, catalog, mistakes)
    mistakes.stop()
    plan = p.Plan(
        stack=given.stack.name,
        profile=given.profile.name,
        namespace=given.profile.namespace,
        callers=given.profile.networks.namespaces,
        timezone=given.stack.timezone,
        subnet=given.profile.networks.subnet,
        node_weight=given.profile.nodes.weight if given.profile.nodes.prefer else None,
        devices=devices,
        tools=made.tools,
        library=store.library,
        groups=net.groups,
        apps=made.apps,
        volumes=store.volumes,
        clouds=made.clouds,
        files=made.files,
        exposures=net.exposures,
        secret_names=given.profile.secrets.names,
        gitops=gitops(given, mistakes),
        notify=notify(given, mistakes),
    )
    named_secrets(plan, given, mistakes)
    encrypted_secrets(given, mistakes)
    marks, external = metadata(plan, given, catalog.names(), mistakes), external_secrets(plan, given, mistakes)
    plan = msgspec.structs.replace(plan, metadata=marks, external_secrets=external)
    mistakes.stop()
    findings = (*store.findings, *weakened, *backups.findings(chosen, store), *check(plan, chosen, way, given), *memory(given, plan))
    findings += tuple(aliases.findings(given, chosen, store, catalog))
    findings += tuple(logins.findings(plan, chosen.apps, made.addresses))
    findings += (*clear_secrets(plan), *metadata_findings(plan), *subnet_inside_local(given))
    findings += tuple(nameless_host_checks(given, chosen, net, catalog))
    findings += tuple(unclaimed(chosen, net, made.every_address))
    findings += tuple(_replaced_waivers(given, findings))
    return Planned(
        plan=plan,
        findings=(*(located(f, given, chosen) for f in findings), *images.moving(chosen.entries), *images.findings(given, chosen.entries)),
        waivers=_waivers(given),
        addresses=made.addresses,
        names=made.names,
        secrets={**about_notify(plan), **_secrets(chosen)},
        given=given,
        chosen=chosen,
    )


def _secrets(chosen: Selection) -> dict[str, SecretFacts]:
    every: list[AppFacts | CloudFacts] = [*(e.facts for e in chosen.apps.values()), *(c.facts for c in chosen.clouds.values())]
    return {name: secret for facts in every for name, secret in facts.secrets.items()}


def _devices(given: PlanInput, mistakes: Mistakes) -> Devices:
    def device(name: str, facts: DeviceFacts | None) -> Device | None:
        if facts is None:
            return None
        ways = [w for w in (facts.host, facts.plugin, facts.annotation) if w is not None]
        if len(ways) != 1:
            text, remedy = (
                "a device needs exactly one of host, plugin and annotation",
                f"keep one: `devices: {{{name}: {{host: {{path: ...}}}}}}`",
            )
            mistakes.add(given.profile_source("devices", name), f"devices.{name}", text, remedy, code="plan.device")
        _unsupported_gpu(given, name, facts, mistakes)
        if facts.host is not None:
            return HostDevice(path=facts.host.path, group=facts.host.group if facts.host.group is not None else facts.group)
        if facts.plugin is not None:
            return PluginDevice(resource=facts.plugin, group=facts.group)
        return AnnotatedDevice(path=facts.annotation or "", group=facts.group)

    facts = given.profile.devices
    return Devices(tun=device("tun", facts.tun), fuse=device("fuse", facts.fuse), gpu=device("gpu", facts.gpu))


def _unsupported_gpu(given: PlanInput, name: str, facts: DeviceFacts, mistakes: Mistakes) -> None:
    """Reject GPUs that need more than their device file.

    Programs for NVIDIA GPUs need NVIDIA's libraries, and only the NVIDIA runtime adds these to a container.
    """
    named = (facts.host.path if facts.host else None, facts.plugin, facts.annotation)
    if any(value.removeprefix("/dev/").startswith("nvidia") for value in named if value is not None):
        text = "NVIDIA GPUs are not supported: a container would get the device, but not the libraries of its driver"
        remedy = (
            f"remove `devices.{name}`, or name an Intel or AMD GPU: `devices: {{gpu: {{host: {{path: /dev/dri/renderD128, group: 104}}}}}}`"
        )
        mistakes.add(given.profile_source("devices", name), f"devices.{name}", text, remedy, code="plan.gpu-unsupported")


def _waivers(given: PlanInput) -> tuple[Waiver, ...]:
    own = given.profile_source("name").file  # `name` is always the profile's own key, whatever it extends
    return tuple(
        Waiver(field=w.field, class_=w.class_, reason=w.reason, apps=w.apps, code=w.code, where=where, inherited=where.file != own)
        for w, where in ((w, given.profile_source("waive", index)) for index, w in enumerate(given.profile.waive))
    )


def _replaced_waivers(given: PlanInput, findings: Iterable[Finding]) -> Iterator[Finding]:
    """A finding on inherited waivers that the profile's own list replaces, although their findings still exist."""
    if not isinstance(given.profile_document, Merged):
        return
    own, findings = _waivers(given), tuple(findings)
    gone: dict[str, Source] = {}
    for waivers, where in given.profile_document.replaced("waive"):
        try:
            inherited = msgspec.convert(waivers, tuple[WaiverFacts, ...])
        except msgspec.ValidationError:
            continue  # a replaced list is not validated
        for facts in inherited:
            waiver = Waiver(field=facts.field, class_=facts.class_, reason=facts.reason, apps=facts.apps, code=facts.code)
            if any(waiver.accepts(f) and not any(w.accepts(f) for w in own) for f in findings):
                gone[facts.field] = where
    if gone:
        file = ", ".join(dict.fromkeys(Path(where.file).name for where in gone.values()))
        yield Finding(
            field="waive",
            path="waive",
            class_="function",
            text=f"the profile's own list `waive` replaces that of {file}, which accepted {', '.join(gone)}: these findings are open again",
            remedy="copy the waivers that you still want into the profile's list",
            code="plan.waivers-replaced",
            where=given.profile_source("waive"),
        )
