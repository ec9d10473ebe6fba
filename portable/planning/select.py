"""Step 1: which apps and clouds run in this place, and in which order they start."""

from collections.abc import Collection, Iterator, Mapping

import msgspec

from portable.catalog.catalog import Catalog, Over
from portable.catalog.facts import AppFacts, CloudFacts
from portable.formats.document import Steps
from portable.model.errors import InputError
from portable.model.findings import waiver
from portable.model.source import Mistake, Source
from portable.planning import images
from portable.planning.inputs import AppEntry, CloudEntry, Mistakes, PlanInput

SEAL = "seal"
MOUNTER = "rclone"
TOOLS = "tools"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The apps in start order, the gateway of the apps that need the VPN, the clouds, and the two helpers."""

    apps: Mapping[str, AppEntry]
    gateway: str | None
    clouds: Mapping[str, CloudEntry]
    fuse_mount: AppEntry | None
    tools: AppEntry
    excluded: frozenset[str]
    """The apps that the profile is `without`: their names, and the aliases by which the stack or the profile list them."""

    @property
    def entries(self) -> tuple[AppEntry, ...]:
        """The entries of all apps and helpers."""
        return (*self.apps.values(), *((self.fuse_mount,) if self.fuse_mount else ()), self.tools)


def select(given: PlanInput, catalog: Catalog, mistakes: Mistakes) -> Selection:
    """Choose the apps of the stack's list, else of the profile's, and the apps that they need. Raises InputError for unknown names."""
    wanted = _listed_apps(given, catalog, mistakes)
    _check_names(given, catalog, mistakes)
    entries: dict[str, AppEntry] = {}
    clouds = _clouds(given, catalog, mistakes)
    excluded = {catalog.resolve(name) or name for name in given.profile.without}
    pending = [(name, source, "") for name, source in wanted if name not in excluded]
    pending += [(need, e.document.source(("needs-apps",)), f"cloud {c}") for c, e in clouds.items() for need in e.facts.needs_apps]
    for name, source, needed_by in pending:  # grows during the loop
        if name in entries:
            continue
        if name in excluded:
            text, remedy = f"{needed_by} needs {name}, but this profile is `without` it", "leave both out, or neither"
            mistakes.add(source, "needs-apps", text, remedy, code="app.needed")
            continue
        entry = _entry(given, catalog, name, source, mistakes)
        if entry is not None and (entry.facts.fuse_mount or entry.facts.tools):
            text = f"{name} is not an app on its own: `portable` adds it where it is needed"
            mistakes.add(source, "apps", text, "remove it", code="app.helper")
        elif entry is not None:
            entries[name] = entry
            pending += [(need, entry.document.source(("needs-apps",)), name) for need in entry.facts.needs_apps]
    mistakes.stop()
    if wanted and all(name in excluded for name, _ in wanted):
        text, remedy = "no app is left: `without` excludes all listed apps", "remove at least one app from `without`"
        mistakes.add(given.profile_source("without"), "without", text, remedy, code="app.none-left")
    _check_direct(given, entries, mistakes)
    gateway = _gateway(given, catalog, entries, excluded, mistakes)
    fuse_mount = _entry(given, catalog, MOUNTER, given.profile_source("clouds"), mistakes) if clouds else None
    tools = _entry(given, catalog, TOOLS, given.profile_source(), mistakes) or mistakes.fail()
    _one_name_each(entries, mistakes)
    apps = _ordered(entries, clouds, gateway, mistakes)
    mistakes.stop()
    listed = (name for name in (*(given.stack.apps or ()), *given.profile.apps) if catalog.resolve(name) in excluded)
    return Selection(
        apps=apps, gateway=gateway, clouds=clouds, fuse_mount=fuse_mount, tools=tools, excluded=frozenset((*excluded, *listed))
    )


def _listed_apps(given: PlanInput, catalog: Catalog, mistakes: Mistakes) -> list[tuple[str, Source]]:
    names: list[tuple[str, Source]] = []
    if given.stack.apps is not None:
        listed = [(name, given.stack_source("apps", index)) for index, name in enumerate(given.stack.apps)]
    else:
        listed = [(name, given.profile_source("apps", index)) for index, name in enumerate(given.profile.apps)]
    seen: dict[str, str] = {}
    for name, source in listed:
        known = catalog.resolve(name)
        if known is None:
            mistakes.unknown(source, "apps", "app", name, catalog.names(), code="app.unknown")
        elif known in seen:
            text = f"{seen[known]!r} and {name!r} are both {known}" if seen[known] != name else f"app {name!r} is listed twice"
            mistakes.add(source, "apps", text, "remove one", code="app.duplicate")
        else:
            seen[known] = name
            names.append((known, source))
    overridden = given.profile.apps if given.stack.apps is not None else ()  # overridden by the stack, but still validated
    for key, listed_names in (("apps", overridden), ("without", given.profile.without)):
        for index, name in enumerate(listed_names):
            if catalog.resolve(name) is None:
                mistakes.unknown(given.profile_source(key, index), key, "app", name, catalog.names(), code="app.unknown")
    return names


def _check_names(given: PlanInput, catalog: Catalog, mistakes: Mistakes) -> None:
    """Report settings for unknown apps, which would be ignored silently. Settings for an app that does not run here are allowed."""
    stack, profile = given.stack, given.profile
    references = [(given.stack_source("override", name), "override", name) for name in stack.override]
    references += [(given.stack_source("ports", name), "ports", name) for name in stack.ports]
    references += [(given.profile_source("override", name), "override", name) for name in profile.override]
    references += [(given.images_source("images", name), "images", name) for name in given.images.images]
    references += [(given.profile_source("exposure", "apps", name), "exposure.apps", name) for name in profile.exposure.apps]
    references += [(given.profile_source("storage", "apps", name), "storage.apps", name) for name in profile.storage.apps]
    references += [(given.profile_source("addresses", name), "addresses", name) for name in profile.addresses]
    references += [
        (given.profile_source("memory", "shares", share, "apps", place), f"memory.shares.{share}.apps", name)
        for share, facts in (profile.memory.shares if profile.memory else {}).items()
        for place, name in enumerate(facts.apps)
    ]
    references += [
        (given.profile_source("egress", "direct", place), f"egress.direct[{place}]", name)
        for place, name in enumerate(profile.egress.direct)
    ]
    references += [
        (given.profile_source("waive", index, "apps", place), f"waive[{index}].apps", name)
        for index, accepted in enumerate(profile.waive)
        for place, name in enumerate(accepted.apps)
    ]
    for source, path, name in references:
        known = catalog.resolve(name)
        if known is None:
            mistakes.unknown(source, path, "app", name, catalog.names(), code="app.unknown")
        elif known != name:
            mistakes.add(source, path, f"{name!r} is an alias of {known!r}", f"write {known!r}", code="app.alias")


def _entry(given: PlanInput, catalog: Catalog, name: str, source: Source, mistakes: Mistakes) -> AppEntry | None:
    """The app's facts with the overrides of the stack and the profile."""
    if catalog.resolve(name) is None:
        mistakes.unknown(source, "apps", "app", name, catalog.names(), code="app.unknown")
        return None
    overrides: list[Over] = []
    if given.stack_document is not None:
        if name in given.stack.ports:
            for port in given.stack.ports[name]:
                if port not in (known := catalog.ports(name)):
                    mistakes.unknown(given.stack_source("ports", name, port), f"ports.{name}", "port", port, known, code="port.unknown")
            ports = {port: {"number": number} for port, number in given.stack.ports[name].items() if port in catalog.ports(name)}
            overrides.append(((given.stack_document, ("ports", name)), {"ports": ports}))
        if name in given.stack.override:
            overrides.append(((given.stack_document, ("override", name)), given.stack.override[name]))
    if name in given.profile.override:
        overrides.append(((given.profile_document, ("override", name)), given.profile.override[name]))
    try:
        facts, document = catalog.app(name, overrides)
    except InputError as error:
        mistakes.extend(error.mistakes)
        return None
    if overrides:
        facts = images.own_pins(facts, catalog.data(name), (d for d in (given.stack_document, given.profile_document) if d is not None))
    updated, pinned = images.taken(given, facts)
    entry = AppEntry(facts=updated, document=document, pinned=pinned)
    if overrides:
        mistakes.extend(_forbidden(given, entry, catalog))
    return entry


def _forbidden(given: PlanInput, entry: AppEntry, catalog: Catalog) -> Iterator[Mistake]:
    """Overrides that the app does not support, or that are not allowed."""
    facts, document, name = entry.facts, entry.document, entry.facts.name
    if facts.egress != "vpn" and catalog.says(name, "egress") == "vpn":
        text = f"{name} needs the VPN, and an override cannot change that"
        remedy = f"allow it by name in the profile: `egress: {{direct: [{name}]}}`, and {waiver('egress', name)}"
        yield document.mistake(("egress",), text, remedy, code="vpn.need-removed")
    for port, port_facts in facts.ports.items():
        number = catalog.says(name, "ports", port, "number")
        if port_facts.fixed and number not in (None, port_facts.number):
            text = f"{name} always listens on {number}: nothing would answer at {port_facts.number}"
            remedy = "expose it at another number (`exposure.apps`), or change the port of the app that it clashes with"
            asked = given.stack_document is not None and port in given.stack.ports.get(name, {})
            source = given.stack_source("ports", name, port) if asked else document.source(("ports", port, "number"))
            yield Mistake(source=source, path=f"ports.{port}.number", text=text, remedy=remedy, code="port.fixed")


def _clouds(given: PlanInput, catalog: Catalog, mistakes: Mistakes) -> dict[str, CloudEntry]:
    clouds: dict[str, CloudEntry] = {}
    for index, name in enumerate(given.profile.clouds):
        source = given.profile_source("clouds", index)
        if name not in catalog.cloud_names():
            mistakes.unknown(source, "clouds", "cloud", name, catalog.cloud_names(), code="cloud.unknown")
            continue
        if name in clouds:
            mistakes.add(source, "clouds", f"cloud {name!r} is listed twice", "remove one", code="cloud.duplicate")
            continue
        try:
            facts, document = catalog.cloud(name)
        except InputError as error:
            mistakes.extend(error.mistakes)
            continue
        clouds[name] = CloudEntry(facts=facts, document=document)
    return clouds


def _gateway(given: PlanInput, catalog: Catalog, entries: dict[str, AppEntry], excluded: Collection[str], mistakes: Mistakes) -> str | None:
    """Add the gateway where an app needs one: the profile's VPN, or the seal where the place has none."""
    behind = [name for name, entry in entries.items() if entry.facts.egress == "vpn" and not runs_outside(given, name)]
    kind = "tunnel" if given.profile.vpn else "seal"
    asked = given.profile.vpn.gateway if given.profile.vpn else SEAL
    name = catalog.resolve(asked) or asked
    if not behind and name not in entries:
        return None
    source = given.profile_source("vpn", "gateway") if given.profile.vpn else given.profile_source()
    if name in excluded:
        at = given.profile_source("without")
        remedy = "leave them out too, or let them connect directly by name: `egress: {direct: [...]}`"
        mistakes.add(at, "without", f"{', '.join(behind)} cannot run here without {name}", remedy, code="vpn.gateway-left-out")
    if catalog.resolve(name) is None:
        gateways = [known for known in catalog.names() if catalog.says(known, "gateway") == kind]
        mistakes.unknown(source, "vpn.gateway", "gateway", name, gateways, code="vpn.gateway-unknown")
        mistakes.stop()
    entry = entries.get(name) or _entry(given, catalog, name, source, mistakes) or mistakes.fail()
    if entry.facts.gateway != kind:
        text, remedy = f"app {name!r} is not a gateway of the kind {kind}", f"set `vpn.gateway` to an app with `gateway: {kind}`"
        mistakes.add(source, "vpn.gateway", text, remedy, code="vpn.gateway-kind")
        mistakes.stop()
    entries[name] = entry
    return name


def runs_outside(given: PlanInput, app: str) -> bool:
    """Whether the profile lets this app connect without the VPN; by name only, since promise 2 allows no general permission."""
    return app in given.profile.egress.direct


def _check_direct(given: PlanInput, entries: Mapping[str, AppEntry], mistakes: Mistakes) -> None:
    """Reject apps in `egress.direct` that do not need the VPN, and waivers meant to let an app out: they only accept a finding."""
    profile = given.profile
    needing = [name for name, entry in entries.items() if entry.facts.egress == "vpn"]
    for place, name in enumerate(profile.egress.direct):
        if name in entries and name not in needing:
            at = given.profile_source("egress", "direct", place)
            text = f"{name} does not need the VPN: this has no effect"
            mistakes.add(at, f"egress.direct[{place}]", text, "remove it", code="vpn.direct-unneeded")
    own = given.profile_source("name").file
    for index, accepted in enumerate(profile.waive):
        at = given.profile_source("waive", index)
        if (accepted.field, accepted.class_) != ("egress", "security") or (at.file != own and profile.egress.direct):
            continue  # an inherited waiver may be about an app that this profile keeps behind the VPN
        if inside := [name for name in accepted.apps if name in needing and not runs_outside(given, name)]:
            text = f"a waiver only accepts a finding: {', '.join(inside)} would still run behind the VPN"
            direct = ", ".join((*profile.egress.direct, *inside))
            remedy = f"add `egress: {{direct: [{direct}]}}` to the profile, and keep this waiver"
            mistakes.add(at, f"waive[{index}]", text, remedy, code="vpn.waiver-alone")


def _one_name_each(entries: Mapping[str, AppEntry], mistakes: Mistakes) -> None:
    """Every app answers at its name and its aliases (promise 1), so no two apps can share one."""
    owners = dict.fromkeys(entries, "")
    for name, entry in entries.items():
        for index, alias in enumerate(entry.facts.aliases):
            if alias in owners:
                other = f"an alias of {owners[alias]!r}" if owners[alias] else "the name of another app"
                text, source = f"alias {alias!r} of {name!r} is also {other}", entry.document.source(("aliases", index))
                mistakes.add(source, f"aliases[{index}]", text, "remove one", code="app.alias-taken")
            owners.setdefault(alias, name)


def _ordered(
    entries: Mapping[str, AppEntry], clouds: Mapping[str, CloudEntry], gateway: str | None, mistakes: Mistakes
) -> dict[str, AppEntry]:
    """Start order, by name where nothing else decides; a cycle is a mistake that names its apps and clouds."""
    nodes: dict[str, AppEntry | CloudEntry] = {**entries, **{_cloud(name): entry for name, entry in clouds.items()}}
    predecessors = {name: [n for n in _predecessors(entry.facts) if n in nodes] for name, entry in nodes.items()}
    for name, entry in entries.items():
        if gateway and entry.facts.egress == "vpn" and name != gateway:
            predecessors[name].append(gateway)
    ordered: dict[str, None] = {}
    for first in sorted(entries):
        # From an app to the ones that it waits for; without recursion, so that chains can have any length.
        trail = {first: iter(predecessors[first])}
        while trail:
            name, rest = next(reversed(trail.items()))
            earlier = next((n for n in rest if n not in ordered), None)
            if earlier is None:
                ordered[name] = None
                del trail[name]
            elif earlier in trail:
                way = list(trail)
                cycle = " -> ".join([*way[way.index(earlier) :], earlier])
                text, remedy = f"these wait for each other: {cycle}", "remove one of them from `after`, `needs-apps` or `clouds`"
                mistakes.add(_source_of_waiting(nodes[name], earlier), "after", text, remedy, code="app.cycle")
            else:
                trail[earlier] = iter(predecessors[earlier])
    return {name: entries[name] for name in ordered if name in entries}


def _cloud(name: str) -> str:
    """The name of a cloud among apps; app names cannot contain a blank."""
    return f"cloud {name}"


def _predecessors(facts: AppFacts | CloudFacts) -> list[str]:
    """The apps that start earlier, and the clouds that an app reads."""
    names = {after.app for after in facts.after} | set(facts.needs_apps)
    return sorted(names | ({_cloud(c) for c in facts.clouds} if isinstance(facts, AppFacts) else set()))


def _source_of_waiting(entry: AppEntry | CloudEntry, earlier: str) -> Source:
    """The place in the file that makes it wait for `earlier`."""
    facts = entry.facts
    places: list[tuple[Steps, str]] = [(("after", i, "app"), after.app) for i, after in enumerate(facts.after)]
    places += [(("needs-apps", i), need) for i, need in enumerate(facts.needs_apps)]
    places += [(("clouds", i), _cloud(cloud)) for i, cloud in enumerate(facts.clouds)] if isinstance(facts, AppFacts) else []
    return entry.document.source(next((steps for steps, name in places if name == earlier), ("egress",)))
