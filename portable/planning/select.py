"""Step 1: which apps and clouds run in this place, and in which order they start."""

from collections.abc import Iterable, Mapping

import msgspec

from portable.catalog.catalog import Catalog, Over
from portable.model.errors import InputError
from portable.model.source import Source
from portable.planning.inputs import CloudEntry, Entry, Input, Mistakes

SEAL = "seal"
MOUNTER = "rclone"
TOOLS = "tools"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The apps in start order, the gateway of those that need the VPN, the clouds, and the two helpers."""

    apps: Mapping[str, Entry]
    gateway: str | None
    clouds: Mapping[str, CloudEntry]
    mounter: Entry | None
    tools: Entry


def select(given: Input, catalog: Catalog, mistakes: Mistakes) -> Selection:
    """Choose apps by the stack's list, else the profile's, with what they need; raises InputError where names are wrong."""
    wanted = _wanted(given, catalog, mistakes)
    entries: dict[str, Entry] = {}
    clouds = _clouds(given, catalog, mistakes)
    pending = [*wanted, *((need, cloud.document.source(("needs-apps",))) for cloud in clouds.values() for need in cloud.facts.needs_apps)]
    excluded = set(given.profile.without)
    while pending:
        name, source = pending.pop(0)
        if name in entries or name in excluded:
            continue
        entry = _entry(given, catalog, name, source, mistakes)
        if entry is not None:
            entries[name] = entry
            pending += [(need, entry.document.source(("needs-apps",))) for need in entry.facts.needs_apps]
    mistakes.stop()
    gateway = _gateway(given, catalog, entries, mistakes)
    mounter = _entry(given, catalog, MOUNTER, given.profile_source("clouds"), mistakes) if clouds else None
    tools = _entry(given, catalog, TOOLS, given.profile_source(), mistakes) or mistakes.fail()
    mistakes.stop()
    return Selection(apps=_ordered(entries, gateway, mistakes), gateway=gateway, clouds=clouds, mounter=mounter, tools=tools)


def _wanted(given: Input, catalog: Catalog, mistakes: Mistakes) -> list[tuple[str, Source]]:
    names: list[tuple[str, Source]] = []
    if given.stack.apps is not None:
        listed = [(name, given.stack_source("apps", index)) for index, name in enumerate(given.stack.apps)]
    else:
        listed = [(name, given.profile_source("apps", index)) for index, name in enumerate(given.profile.apps)]
    seen: set[str] = set()
    for name, source in listed:
        known = catalog.resolve(name)
        if known is None:
            mistakes.unknown(source, "apps", "app", name, catalog.names())
        elif known in seen:
            mistakes.add(source, "apps", f"app {name!r} stands twice", "remove one")
        else:
            seen.add(known)
            names.append((known, source))
    for index, name in enumerate(given.profile.without):
        if catalog.resolve(name) is None:
            mistakes.unknown(given.profile_source("without", index), "without", "app", name, catalog.names())
    for holder, source_of in ((given.stack.override, given.stack_source), (given.profile.override, given.profile_source)):
        for name in holder:
            if catalog.resolve(name) != name:
                mistakes.unknown(source_of("override", name), "override", "app", name, catalog.names())
    for name in given.stack.ports:
        if catalog.resolve(name) != name:
            mistakes.unknown(given.stack_source("ports", name), "ports", "app", name, catalog.names())
    return names


def _entry(given: Input, catalog: Catalog, name: str, source: Source, mistakes: Mistakes) -> Entry | None:
    """The app's facts with the stack's and the profile's changes laid over them."""
    if catalog.resolve(name) is None:
        mistakes.unknown(source, "apps", "app", name, catalog.names())
        return None
    overrides: list[Over] = []
    if given.stack_document is not None:
        if name in given.stack.ports:
            for port in given.stack.ports[name]:
                if port not in (known := catalog.ports(name)):
                    mistakes.unknown(given.stack_source("ports", name, port), f"ports.{name}", "port", port, known)
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
    return Entry(facts=facts, document=document)


def _clouds(given: Input, catalog: Catalog, mistakes: Mistakes) -> dict[str, CloudEntry]:
    clouds: dict[str, CloudEntry] = {}
    for index, name in enumerate(given.profile.clouds):
        source = given.profile_source("clouds", index)
        if name not in catalog.cloud_names():
            mistakes.unknown(source, "clouds", "cloud", name, catalog.cloud_names())
            continue
        try:
            facts, document = catalog.cloud(name)
        except InputError as error:
            mistakes.extend(error.mistakes)
            continue
        clouds[name] = CloudEntry(facts=facts, document=document)
    return clouds


def _gateway(given: Input, catalog: Catalog, entries: dict[str, Entry], mistakes: Mistakes) -> str | None:
    """Add the gateway where an app needs one: the profile's VPN, or the seal where the place has none."""
    behind = [name for name, entry in entries.items() if entry.facts.egress == "vpn" and not waived_egress(given, name)]
    kind = "tunnel" if given.profile.vpn else "seal"
    name = given.profile.vpn.gateway if given.profile.vpn else SEAL
    if not behind and name not in entries:
        return None
    source = given.profile_source("vpn", "gateway") if given.profile.vpn else given.profile_source()
    entry = entries.get(name) or _entry(given, catalog, name, source, mistakes) or mistakes.fail()
    if entry.facts.gateway != kind:
        mistakes.add(source, "vpn.gateway", f"{name!r} is no gateway that can {'tunnel' if kind == 'tunnel' else 'seal'}")
        mistakes.stop()
    entries[name] = entry
    return name


def waived_egress(given: Input, app: str) -> bool:
    """Whether the profile lets this app out without the VPN, by name (promise 2 allows no general waiver)."""
    return any(w.field == "egress" and w.class_ == "security" and app in w.apps for w in given.profile.waive)


def _ordered(entries: Mapping[str, Entry], gateway: str | None, mistakes: Mistakes) -> dict[str, Entry]:
    """Start order, by name where nothing else decides; a cycle is told with the apps that form it."""
    before: dict[str, list[str]] = {}
    for name, entry in entries.items():
        names: Iterable[str] = [a.app for a in entry.facts.after] + list(entry.facts.needs_apps)
        before[name] = sorted({n for n in names if n in entries and n != name})
        if gateway and entry.facts.egress == "vpn" and name != gateway:
            before[name].append(gateway)
    ordered: dict[str, Entry] = {}
    trail: list[str] = []

    def visit(name: str) -> None:
        if name in ordered:
            return
        if name in trail:
            cycle = [*trail[trail.index(name) :], name]
            key = ("after",) if entries[name].facts.after else ("needs-apps",)
            mistakes.add(
                entries[name].document.source(key),
                ".".join(key),
                f"apps wait for one another: {' -> '.join(cycle)}",
                "remove one of these from `after` or `needs-apps`",
            )
            return
        trail.append(name)
        for earlier in before[name]:
            visit(earlier)
        trail.pop()
        ordered.setdefault(name, entries[name])

    for name in sorted(entries):
        visit(name)
    mistakes.stop()
    return ordered
