"""Step 1: which apps and clouds run in this place, and in which order they start."""

from collections.abc import Iterator, Mapping

import msgspec

from portable.catalog.catalog import Catalog, Over
from portable.catalog.facts import AppFacts, CloudFacts
from portable.formats.document import Steps
from portable.model.errors import InputError
from portable.model.findings import waiver
from portable.model.source import Mistake, Source
from portable.planning import images
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

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Those of the apps and of the helpers."""
        return (*self.apps.values(), *((self.mounter,) if self.mounter else ()), self.tools)


def select(given: Input, catalog: Catalog, mistakes: Mistakes) -> Selection:
    """Choose apps by the stack's list, else the profile's, with what they need; raises InputError where names are wrong."""
    wanted = _wanted(given, catalog, mistakes)
    _mentioned(given, catalog, mistakes)
    entries: dict[str, Entry] = {}
    clouds = _clouds(given, catalog, mistakes)
    excluded = {catalog.resolve(name) for name in given.profile.without}
    pending = [(name, source, "") for name, source in wanted if name not in excluded]
    pending += [(need, e.document.source(("needs-apps",)), f"cloud {c}") for c, e in clouds.items() for need in e.facts.needs_apps]
    for name, source, needed_by in pending:  # grows while it is walked
        if name in entries:
            continue
        if name in excluded:
            mistakes.add(source, "needs-apps", f"{needed_by} needs {name}, which this place is `without`", "leave both out, or none")
            continue
        entry = _entry(given, catalog, name, source, mistakes)
        if entry is not None and (entry.facts.mounter or entry.facts.tools):
            mistakes.add(source, "apps", f"{name} is no app of its own: it comes along where it is needed", "remove it")
        elif entry is not None:
            entries[name] = entry
            pending += [(need, entry.document.source(("needs-apps",)), name) for need in entry.facts.needs_apps]
    mistakes.stop()
    if wanted and all(name in excluded for name, _ in wanted):
        mistakes.add(given.profile_source("without"), "without", "no app is left: all that were named are left out here")
    _let_out(given, entries, mistakes)
    gateway = _gateway(given, catalog, entries, mistakes)
    mounter = _entry(given, catalog, MOUNTER, given.profile_source("clouds"), mistakes) if clouds else None
    tools = _entry(given, catalog, TOOLS, given.profile_source(), mistakes) or mistakes.fail()
    _one_name_each(entries, mistakes)
    apps = _ordered(entries, clouds, gateway, mistakes)
    mistakes.stop()
    return Selection(apps=apps, gateway=gateway, clouds=clouds, mounter=mounter, tools=tools)


def _wanted(given: Input, catalog: Catalog, mistakes: Mistakes) -> list[tuple[str, Source]]:
    names: list[tuple[str, Source]] = []
    if given.stack.apps is not None:
        listed = [(name, given.stack_source("apps", index)) for index, name in enumerate(given.stack.apps)]
    else:
        listed = [(name, given.profile_source("apps", index)) for index, name in enumerate(given.profile.apps)]
    seen: dict[str, str] = {}
    for name, source in listed:
        known = catalog.resolve(name)
        if known is None:
            mistakes.unknown(source, "apps", "app", name, catalog.names())
        elif known in seen:
            both = f"{seen[known]!r} and {name!r} are both {known}" if seen[known] != name else f"app {name!r} stands twice"
            mistakes.add(source, "apps", both, "remove one")
        else:
            seen[known] = name
            names.append((known, source))
    overridden = given.profile.apps if given.stack.apps is not None else ()  # it counts for nothing, and may not be wrong all the same
    for key, said in (("apps", overridden), ("without", given.profile.without)):
        for index, name in enumerate(said):
            if catalog.resolve(name) is None:
                mistakes.unknown(given.profile_source(key, index), key, "app", name, catalog.names())
    return names


def _mentioned(given: Input, catalog: Catalog, mistakes: Mistakes) -> None:
    """What is said of an app that nothing is called would be passed over in silence. An app that does not run here may be mentioned."""
    stack, profile = given.stack, given.profile
    mentioned = [(given.stack_source("override", name), "override", name) for name in stack.override]
    mentioned += [(given.stack_source("ports", name), "ports", name) for name in stack.ports]
    mentioned += [(given.profile_source("override", name), "override", name) for name in profile.override]
    mentioned += [(given.images_source("images", name), "images", name) for name in given.images.images]
    mentioned += [(given.profile_source("exposure", "apps", name), "exposure.apps", name) for name in profile.exposure.apps]
    mentioned += [(given.profile_source("storage", "apps", name), "storage.apps", name) for name in profile.storage.apps]
    mentioned += [(given.profile_source("addresses", name), "addresses", name) for name in profile.addresses]
    mentioned += [
        (given.profile_source("memory", "shares", share, "apps", place), f"memory.shares.{share}.apps", name)
        for share, facts in (profile.memory.shares if profile.memory else {}).items()
        for place, name in enumerate(facts.apps)
    ]
    mentioned += [
        (given.profile_source("egress", "direct", place), f"egress.direct[{place}]", name)
        for place, name in enumerate(profile.egress.direct)
    ]
    mentioned += [
        (given.profile_source("waive", index, "apps", place), f"waive[{index}].apps", name)
        for index, accepted in enumerate(profile.waive)
        for place, name in enumerate(accepted.apps)
    ]
    for source, path, name in mentioned:
        known = catalog.resolve(name)
        if known is None:
            mistakes.unknown(source, path, "app", name, catalog.names())
        elif known != name:
            mistakes.add(source, path, f"{name!r} is an alias of {known!r}", f"write {known!r}")


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
    taken, pinned = images.taken(given, facts)
    entry = Entry(facts=taken, document=document, pinned=pinned)
    if overrides:
        mistakes.extend(_impossible(given, entry, catalog))
    return entry


def _impossible(given: Input, entry: Entry, catalog: Catalog) -> Iterator[Mistake]:
    """Changes to an app's file that it can't follow, or may not."""
    facts, document, name = entry.facts, entry.document, entry.facts.name
    if facts.egress != "vpn" and catalog.says(name, "egress") == "vpn":
        text = f"{name} needs the VPN, and a change to its file can't take that away"
        remedy = f"let it out by its name in the profile: `egress: {{direct: [{name}]}}`, and {waiver('egress', name)}"
        yield document.mistake(("egress",), text, remedy)
    for port, port_facts in facts.ports.items():
        number = catalog.says(name, "ports", port, "number")
        if port_facts.fixed and number not in (None, port_facts.number):
            text = f"{name} listens on {number} and can't be told another port: nothing would answer at {port_facts.number}"
            remedy = "expose it at another number (`exposure.apps`), or give the app that it clashes with another one"
            asked = given.stack_document is not None and port in given.stack.ports.get(name, {})
            source = given.stack_source("ports", name, port) if asked else document.source(("ports", port, "number"))
            yield Mistake(source=source, path=f"ports.{port}.number", text=text, remedy=remedy)


def _clouds(given: Input, catalog: Catalog, mistakes: Mistakes) -> dict[str, CloudEntry]:
    clouds: dict[str, CloudEntry] = {}
    for index, name in enumerate(given.profile.clouds):
        source = given.profile_source("clouds", index)
        if name not in catalog.cloud_names():
            mistakes.unknown(source, "clouds", "cloud", name, catalog.cloud_names())
            continue
        if name in clouds:
            mistakes.add(source, "clouds", f"cloud {name!r} stands twice", "remove one")
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
    behind = [name for name, entry in entries.items() if entry.facts.egress == "vpn" and not runs_outside(given, name)]
    kind = "tunnel" if given.profile.vpn else "seal"
    asked = given.profile.vpn.gateway if given.profile.vpn else SEAL
    name = catalog.resolve(asked) or asked
    if not behind and name not in entries:
        return None
    source = given.profile_source("vpn", "gateway") if given.profile.vpn else given.profile_source()
    if name in given.profile.without:
        at = given.profile_source("without")
        remedy = "leave them out too, or let them out by their names: `egress: {direct: [...]}`"
        mistakes.add(at, "without", f"{', '.join(behind)} can't be here without {name}", remedy)
    if catalog.resolve(name) is None:
        gateways = [known for known in catalog.names() if catalog.says(known, "gateway") == kind]
        mistakes.unknown(source, "vpn.gateway", "gateway", name, gateways)
        mistakes.stop()
    entry = entries.get(name) or _entry(given, catalog, name, source, mistakes) or mistakes.fail()
    if entry.facts.gateway != kind:
        mistakes.add(source, "vpn.gateway", f"{name!r} is no gateway that can {'tunnel' if kind == 'tunnel' else 'seal'}")
        mistakes.stop()
    entries[name] = entry
    return name


def runs_outside(given: Input, app: str) -> bool:
    """Whether the profile lets this app out without the VPN; by name, since promise 2 allows no general permission."""
    return app in given.profile.egress.direct


def _let_out(given: Input, entries: Mapping[str, Entry], mistakes: Mistakes) -> None:
    """Reject an app in `egress.direct` that needs no VPN, and a waiver that is meant to let an app out: it only accepts a finding."""
    profile = given.profile
    needing = [name for name, entry in entries.items() if entry.facts.egress == "vpn"]
    for place, name in enumerate(profile.egress.direct):
        if name in entries and name not in needing:
            at = given.profile_source("egress", "direct", place)
            mistakes.add(at, f"egress.direct[{place}]", f"{name} does not need the VPN: this changes nothing", "remove it")
    own = given.profile_source("name").file
    for index, accepted in enumerate(profile.waive):
        at = given.profile_source("waive", index)
        if (accepted.field, accepted.class_) != ("egress", "security") or (at.file != own and profile.egress.direct):
            continue  # an inherited waiver may be about an app that this profile keeps behind the VPN
        if inside := [name for name in accepted.apps if name in needing and not runs_outside(given, name)]:
            text = f"a waiver accepts a finding and changes nothing: {', '.join(inside)} would stay behind the VPN"
            direct = ", ".join((*profile.egress.direct, *inside))
            remedy = f"add `egress: {{direct: [{direct}]}}` to the profile, and keep this waiver"
            mistakes.add(at, f"waive[{index}]", text, remedy)


def _one_name_each(entries: Mapping[str, Entry], mistakes: Mistakes) -> None:
    """Every app answers at its name and its aliases (promise 1), so that no two can have the same one."""
    taken = dict.fromkeys(entries, "")
    for name, entry in entries.items():
        for index, alias in enumerate(entry.facts.aliases):
            if alias in taken:
                other = f"{taken[alias]!r} is called so too" if taken[alias] else "an app of this place is called so"
                mistakes.add(
                    entry.document.source(("aliases", index)), f"aliases[{index}]", f"alias {alias!r} of {name!r}: {other}", "remove one"
                )
            taken.setdefault(alias, name)


def _ordered(entries: Mapping[str, Entry], clouds: Mapping[str, CloudEntry], gateway: str | None, mistakes: Mistakes) -> dict[str, Entry]:
    """Start order, by name where nothing else decides; a cycle is told with the apps and clouds that form it."""
    nodes: dict[str, Entry | CloudEntry] = {**entries, **{_cloud(name): entry for name, entry in clouds.items()}}
    before = {name: [n for n in _before(entry.facts) if n in nodes] for name, entry in nodes.items()}
    for name, entry in entries.items():
        if gateway and entry.facts.egress == "vpn" and name != gateway:
            before[name].append(gateway)
    ordered: dict[str, None] = {}
    for first in sorted(entries):
        trail = {first: iter(before[first])}  # from what is wanted to what it waits for; no recursion, so of any length
        while trail:
            name, rest = next(reversed(trail.items()))
            earlier = next((n for n in rest if n not in ordered), None)
            if earlier is None:
                ordered[name] = None
                del trail[name]
            elif earlier in trail:
                way = list(trail)
                cycle = " -> ".join([*way[way.index(earlier) :], earlier])
                text, remedy = f"these wait for one another: {cycle}", "remove one of these from `after`, `needs-apps` or `clouds`"
                mistakes.add(_source_of_waiting(nodes[name], earlier), "after", text, remedy)
            else:
                trail[earlier] = iter(before[earlier])
    return {name: entries[name] for name in ordered if name in entries}


def _cloud(name: str) -> str:
    """What a cloud is called among apps; no app can have a name with a blank in it."""
    return f"cloud {name}"


def _before(facts: AppFacts | CloudFacts) -> list[str]:
    """What must be there first: apps, and the clouds that an app reads."""
    names = {after.app for after in facts.after} | set(facts.needs_apps)
    return sorted(names | ({_cloud(c) for c in facts.clouds} if isinstance(facts, AppFacts) else set()))


def _source_of_waiting(entry: Entry | CloudEntry, earlier: str) -> Source:
    """Where the file says that it waits for that."""
    facts = entry.facts
    said: list[tuple[Steps, str]] = [(("after", i, "app"), after.app) for i, after in enumerate(facts.after)]
    said += [(("needs-apps", i), need) for i, need in enumerate(facts.needs_apps)]
    said += [(("clouds", i), _cloud(cloud)) for i, cloud in enumerate(facts.clouds)] if isinstance(facts, AppFacts) else []
    return entry.document.source(next((steps for steps, name in said if name == earlier), ("egress",)))
