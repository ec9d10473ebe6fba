"""Protects the fence: overrides of a gateway that could weaken it are mistakes, or findings that a waiver accepts by name."""

import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from portable.catalog.catalog import Catalog
from portable.catalog.facts import AppFacts, ContainerFacts, PortFacts, ProbeFacts
from portable.catalog.gateways import FenceFacts, SettingsFacts, providers_of, secret_files, settings_of, typed_names
from portable.catalog.shipped import SHIPPED
from portable.formats.document import Steps
from portable.model.codes import Code
from portable.model.findings import Finding, waiver
from portable.model.secret_refs import called
from portable.planning.check import OWN
from portable.planning.inputs import AppEntry, Mistakes, PlanInput
from portable.planning.network import PlannedNetwork
from portable.planning.select import Selection
from portable.planning.tunnel import Way

_MAIN: Steps = ("containers", "main")
_ENVIRONMENT: Steps = (*_MAIN, "environment")
# The parts of a gateway's file that an override may change freely: texts, start order and host resources. The rest may affect the fence.
_FREE_OF_APP = frozenset(
    ("about", "after", "aliases", "claim", "icon", "lacks", "login", "needs_apps", "one_way", "title", "upstream", "zone")
)
_FREE_OF_CONTAINER = frozenset(("environment", "fetch", "image", "resources", "stop_grace"))
_CHANGES = {
    "args": "the process that it runs",
    "command": "the process that it runs",
    "containers": "the containers that run in the network namespace before the firewall is up",
    "files": "the files of its firewall and its control server",
    "gateway": "whether it has a firewall",
    "identity": "the user that may change the firewall",
    "library": "the files that it sees",
    "needs": "its rights to change the network, and other rights",
    "ports": "the ports that the firewall opens",
    "probe": "whether apps wait until the firewall is up",
    "schedule": "whether it always runs",
    "secrets": "the files of its settings",
    "volumes": "the files of its settings",
}


def fence(given: PlanInput, chosen: Selection, way: Way, net: PlannedNetwork, catalog: Catalog, mistakes: Mistakes) -> tuple[Finding, ...]:
    """Findings on the gateways of a place, as its files define them; variables that a gateway does not know are mistakes."""
    findings: list[Finding] = []
    for name, entry in chosen.apps.items():
        if entry.facts.gateway is None and catalog.says(name, "gateway") is None:
            continue
        findings += _own_gateway(entry, catalog)
        if not given.profile.override.get(name) and not given.stack.override.get(name):
            continue
        base, _ = catalog.app(name)
        findings += _app_changes(entry, base)
        findings += _variables(given, entry, base, catalog.folder(name), way, net, mistakes)
    return tuple(findings)


def _own_gateway(entry: AppEntry, catalog: Catalog) -> Iterator[Finding]:
    """A person's own gateway, or a shipped one whose image is built from their own recipe."""
    name = entry.facts.name
    if not catalog.folder(name).is_relative_to(SHIPPED):
        yield _finding(
            entry,
            "own",
            ("gateway",),
            f"{name} is your own gateway, from {catalog.folder(name)}: its file decides which traffic leaves outside the tunnel, and "
            "whether apps wait for the firewall",
            "use the shipped gateway",
            code="vpn.own-gateway",
        )
        return
    for container, facts in entry.facts.containers.items():
        recipe = catalog.recipes.get(facts.recipe) if facts.recipe else None
        if recipe is not None and not recipe.is_relative_to(SHIPPED):
            text = f"the image of {name} may be built from your own recipe, {recipe}: it decides which traffic leaves outside the tunnel"
            yield _finding(entry, "image", ("containers", container, "recipe"), text, "rename your recipe", code="vpn.own-image")


def _app_changes(entry: AppEntry, base: AppFacts) -> Iterator[Finding]:
    """Changes of an app's file and of its main container, except variables."""
    facts = entry.facts
    for field in facts.__struct_fields__:
        if field in _FREE_OF_APP or field in ("containers", "ports"):
            continue
        if getattr(facts, field) != getattr(base, field):
            yield _changed(entry, field, (_kebab(field),))
    if _without_numbers(facts.ports) != _without_numbers(base.ports):
        yield _changed(entry, "ports", ("ports",))
    for name in sorted(facts.containers.keys() ^ base.containers.keys()):
        yield _changed(entry, "containers", ("containers", name))
    if "main" in facts.containers and "main" in base.containers:
        yield from _container_changes(entry, facts.containers["main"], base.containers["main"])
    for name in sorted((facts.containers.keys() & base.containers.keys()) - {"main"}):
        if facts.containers[name] != base.containers[name]:
            yield _changed(entry, "containers", ("containers", name))


def _question(probe: ProbeFacts | None) -> object:
    """The check of a probe without its times, which are free: apps wait for the first healthy answer, whatever the interval."""
    return None if probe is None else (probe.http, probe.tcp, probe.exec, probe.live)


def _container_changes(entry: AppEntry, facts: ContainerFacts, base: ContainerFacts) -> Iterator[Finding]:
    for field in facts.__struct_fields__:
        if field not in (*_FREE_OF_CONTAINER, "probe") and getattr(facts, field) != getattr(base, field):
            yield _changed(entry, field, (*_MAIN, _kebab(field)))
    if _question(facts.probe) != _question(base.probe):
        yield _changed(entry, "probe", (*_MAIN, "probe"))
    if facts.image.repository != base.image.repository:
        name = entry.facts.name
        text = f"{name} runs {facts.image.repository} instead of {base.image.repository}: its firewall is not known"
        remedy = f"use another `tag` of {base.image.repository} instead"
        yield _finding(entry, "image", (*_MAIN, "image", "repository"), text, remedy, code="vpn.image-repository")
    elif facts.image.tag != base.image.tag:
        name, tag = entry.facts.name, facts.image.tag
        yield Finding(
            field="gateway.image.tag",
            path=f"apps.{name}.containers.main.image.tag",
            class_="function",
            app=name,
            text=f"{name} runs {tag}, but its settings are those of {base.image.tag}: a variable that {tag} renamed has no effect",
            remedy="read the release notes between the two tags, or remove the tag from `override`",
            code="vpn.image-tag",
            where=entry.document.source((*_MAIN, "image", "tag")),
        )


def _variables(
    given: PlanInput, entry: AppEntry, base: AppFacts, folder: Path, way: Way, net: PlannedNetwork, mistakes: Mistakes
) -> Iterator[Finding]:
    """Report each variable that an override changes: set by `vpn`, a secret, unknown, or part of the fence; the others are free."""
    if "main" not in entry.facts.containers or "main" not in base.containers:
        return
    now, before = entry.facts.containers["main"].environment, base.containers["main"].environment
    removed = _removed_variables(given, entry.facts.name) & way.sets.keys()
    changed = sorted({name for name in now.keys() | before.keys() if now.get(name) != before.get(name)} | removed)
    settings = settings_of(folder) if changed else None
    if settings is None:
        return
    providers = providers_of(folder)
    typed, files = typed_names(providers, settings), secret_files(providers)
    groups = {name: group for group in settings.fence for name in group.names}
    gateway, document = entry.facts.name, entry.document
    for name in changed:
        at, new = (*_ENVIRONMENT, name), now.get(name)
        value = str(new) if isinstance(new, str | int) else None  # a removed variable or a secret always differs from the plan
        if value is not None and _is_planned(value, way.sets.get(name) or _catalog_value(before.get(name), gateway, way, net)):
            continue
        if (key := typed.get(name)) is not None:
            text = f"the profile's section `vpn` sets {name}, so that firewall and gateway agree"
            remedy = f"remove it from `override`, and write `vpn.{key}`"
            mistakes.extend((document.mistake(at, text, remedy, code="vpn.setting-typed"),))
        elif (file := _file_of(name, settings, files)) is not None:
            text = f"{name} is {'the file of a secret' if name == file else 'a secret'}, so it does not belong in a profile or stack"
            mistakes.extend((document.mistake(at, text, _storing_remedy(given, file, way), code="vpn.setting-secret"),))
        elif (group := groups.get(name) or _by_file(name, settings, typed, groups)) is not None:
            if value is not None and _is_harmless(name, value, group, before):
                continue
            text = f"an override changes {name} of {gateway}, which controls {group.changes}"
            path = f"apps.{gateway}.containers.main.env.{name}" if name in now else f"apps.{gateway}.containers.main"
            remedy = group.remedies.get(name, "remove it from `override`")
            yield msgspec.structs.replace(_finding(entry, f"settings.{name}", at, text, remedy, code="vpn.override"), path=path)
        elif name in settings.targets:
            yield from _targets(entry, name, value or "", net)
        elif name not in settings.free:
            text, remedy = f"{gateway} has no setting {name}, and would ignore it silently", _nearest_setting(name, settings, typed)
            mistakes.extend((document.mistake(at, text, remedy, code="vpn.setting-unknown"),))


def _removed_variables(given: PlanInput, app: str) -> set[str]:
    """The variables that an override sets to null. For variables that planning adds, nothing else would show it."""
    removed: set[str] = set()
    environment: dict[str, object]
    for override in (given.stack.override, given.profile.override):
        environment = override.get(app, {})
        for step in ("containers", "main", "environment"):
            inner = environment.get(step)
            environment = inner if isinstance(inner, dict) else {}
        removed = {name for name in removed if name not in environment} | {name for name, value in environment.items() if value is None}
    return removed


def _is_planned(value: str, planned: str | None) -> bool:
    """Whether an override has the planned value. Lists may have any order; upper and lower case matter only in paths and commands."""
    if planned is None or "/portable/" in planned or planned.startswith("/"):
        return value == planned
    return {part.strip().lower() for part in value.split(",")} == {part.strip().lower() for part in planned.split(",")}


def _catalog_value(text: object, gateway: str, way: Way, net: PlannedNetwork) -> str | None:
    """The catalog's value, rendered; None if its template needs more than networks, ports and tunnel."""
    if not isinstance(text, str) or "{{" not in text:
        return None if text is None else str(text)
    import jinja2  # only for a changed variable that has a template

    from portable.planning._templates import template

    group = {"ports": net.group_ports(gateway), "raw_ports": net.group_raw_ports(gateway)}
    try:
        return template(text).render({"group": group, "networks": net.networks, "vpn": way.context()})
    except jinja2.TemplateError:
        return None


def _is_harmless(name: str, value: str, group: FenceFacts, before: Mapping[str, object]) -> bool:
    """Whether a value is harmless. An empty value counts as no value: harmless only if the catalog sets none."""
    harmless = group.harmless.get(name)
    return value.lower() == harmless.lower() if value and harmless is not None else not value and (harmless == "" or name not in before)


def _file_of(name: str, settings: SettingsFacts, files: frozenset[str]) -> str | None:
    """The variable that names the file of a secret, for a variable with the secret's value or file."""
    if name in files:
        return name
    bare = next((name.removesuffix(suffix) for suffix in settings.suffixes if name.endswith(suffix)), name)
    return settings.plain.get(bare)


def _storing_remedy(given: PlanInput, file: str, way: Way) -> str:
    path = way.sets.get(file)
    if path is None:
        return f"remove it: {way.provider or 'the tunnel'} with {way.protocol} does not use this secret"
    secret, key = path.rsplit("/", 2)[1:]
    return f"remove it, and store the secret with `portable secrets set -p {given.profile.name} {called(secret, key)}`"


def _targets(entry: AppEntry, name: str, value: str, net: PlannedNetwork) -> Iterator[Finding]:
    """Health targets in the place's own networks, which answer even if the tunnel is dead."""
    own = [*OWN, *map(ipaddress.ip_network, net.networks)]
    for host in (part.strip().rpartition(":")[0] or part.strip() for part in value.split(",")):
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            if "." in host or not host:
                continue
        else:
            if not any(address in network for network in own):
                continue
        yield Finding(
            field=f"gateway.settings.{name}",
            path=f"apps.{entry.facts.name}.containers.main.env.{name}",
            class_="function",
            app=entry.facts.name,
            text=f"{name} contains {host}, which may answer without the tunnel: {entry.facts.name} would not notice a dead tunnel",
            remedy="use hosts on the internet, or remove it from `override`",
            code="vpn.health-target",
            where=entry.document.source((*_ENVIRONMENT, name)),
        )


def _by_file(name: str, settings: SettingsFacts, typed: Mapping[str, str], groups: Mapping[str, FenceFacts]) -> FenceFacts | None:
    """The group of a variable that names a file with another variable's value."""
    for suffix in settings.suffixes:
        bare = name.removesuffix(suffix)
        if name.endswith(suffix) and bare in {*typed, *settings.known}:
            remedy = (
                groups[bare].remedies.get(bare)
                if bare in groups
                else f"remove it, and write `vpn.{typed[bare]}`"
                if bare in typed
                else None
            )
            return FenceFacts(changes=f"the file of {bare}", names=(name,), remedies={name: remedy} if remedy else {})
    return None


def _nearest_setting(name: str, settings: SettingsFacts, typed: Mapping[str, str]) -> str:
    import difflib  # only for a mistake

    near = difflib.get_close_matches(name.upper(), sorted({*typed, *settings.known}), 1)
    if not near:
        return "remove it, or use a name from `settings.yaml` in its folder of the catalog"
    return f"did you mean {near[0]}?" + (f" That is `vpn.{typed[near[0]]}` of the profile" if near[0] in typed else "")


def _changed(entry: AppEntry, field: str, at: Steps) -> Finding:
    key = _kebab(field)
    text = f"an override changes `{key}` of {entry.facts.name}, which controls {_CHANGES.get(key, 'how the gateway works')}"
    return _finding(entry, key, at, text, "remove it from `override`", code="vpn.override")


def _finding(entry: AppEntry, field: str, at: Steps, text: str, remedy: str, *, code: Code) -> Finding:
    name = entry.facts.name
    return Finding(
        field=f"gateway.{field}",
        path=f"apps.{name}",
        class_="security",
        verdict="refused",
        app=name,
        text=text,
        remedy=f"{remedy}, or accept it in the profile: {waiver(f'gateway.{field}', name)}",
        code=code,
        where=entry.document.source(at),
    )


def _without_numbers(ports: Mapping[str, PortFacts]) -> dict[str, PortFacts]:
    """Ports without their numbers, which a stack may change: the gateway listens on loopback at any number."""
    return {name: msgspec.structs.replace(port, number=1) for name, port in ports.items()}


def _kebab(field: str) -> str:
    return field.replace("_", "-")
