"""Step 5: what cuts across the other steps, as findings: what a person should know before anything runs."""

import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path

from portable.catalog.shipped import SHIPPED
from portable.formats.load import load
from portable.model import plan as p
from portable.model.findings import Finding, waiver
from portable.planning.inputs import Entry, Input
from portable.planning.select import Selection
from portable.planning.tunnel import Way
from portable.profiles.load import is_shipped


def check(plan: p.Plan, chosen: Selection, way: Way, given: Input) -> Iterator[Finding]:
    """Everything that the plan leaves open."""
    yield from _egress(plan, chosen.apps, given)
    yield from _past_the_fence(plan)
    yield from _of_the_tunnel(plan, way)
    yield from _in_the_namespace(plan)
    yield from _forwarded(plan, way)
    yield from _upstream(chosen.apps)
    yield from _gpu(plan, chosen.apps)
    yield from _accounts(plan, chosen.apps, given)
    yield from _engine(chosen.apps, given)
    yield from _left_out(given)
    yield from _not_listed(chosen.apps, given)
    yield from _own(chosen.apps)


def _egress(plan: p.Plan, entries: Mapping[str, Entry], given: Input) -> Iterator[Finding]:
    for group in plan.groups:
        for app in group.apps:
            if entries[app].facts.egress != "vpn":
                continue
            if isinstance(group.egress, p.Direct):
                yield Finding(
                    field="egress",
                    path=f"groups.{group.name}.egress",
                    class_="security",
                    verdict="refused",
                    app=app,
                    text=f"{app} needs the VPN and reaches the outside without it here",
                    remedy=f"remove it from `egress.direct`, or accept it in the profile: {waiver('egress', app)}",
                    where=given.profile_source("egress", "direct", given.profile.egress.direct.index(app)),
                )
            elif isinstance(group.egress, p.Sealed):
                yield Finding(
                    field="egress",
                    path=f"groups.{group.name}.egress",
                    class_="function",
                    app=app,
                    text=f"{app} needs the VPN and this place has none: it is sealed and reaches only the place's own networks",
                    remedy="add a `vpn` section to the profile",
                )


OWN = tuple(
    ipaddress.ip_network(cidr)
    for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10")
)
"""Networks that nobody else's traffic is routed to: RFC 1918, 3927, 4193, 4291, 6598."""


def _past_the_fence(plan: p.Plan) -> Iterator[Finding]:
    """What the gateway lets past its tunnel must be the place's own: one wide network there, and torrents are in the open."""
    for group in plan.groups:
        if isinstance(group.egress, p.Direct):
            continue
        for cidr in group.egress.networks:
            network = ipaddress.ip_network(cidr)
            if not any(network.version == own.version and network.subnet_of(own) for own in OWN):  # type: ignore[arg-type]
                yield Finding(
                    field="egress.networks",
                    path=f"groups.{group.name}.egress.networks",
                    class_="security",
                    verdict="refused",
                    app=group.egress.gateway,
                    text=f"{cidr} is not the place's own alone, and apps behind {group.egress.gateway} would reach it past the tunnel",
                    remedy="name under `networks` only what is yours, as 192.168.1.0/24, or accept it in the profile: "
                    + waiver("egress.networks", group.egress.gateway),
                )


def _of_the_tunnel(plan: p.Plan, way: Way) -> Iterator[Finding]:
    """Networks that would be reached past the tunnel although the tunnel's own addresses lie there: its gateway, names and ports."""
    for group in plan.groups:
        if not isinstance(group.egress, p.Tunnel):
            continue
        for cidr in group.egress.networks:
            network = ipaddress.ip_network(cidr)
            for inside in map(ipaddress.ip_network, way.networks):
                if network.version != inside.version or not network.overlaps(inside):
                    continue
                whole = inside.subnet_of(network)  # type: ignore[arg-type]
                yield Finding(
                    field="egress.tunnel",
                    path=f"groups.{group.name}.egress.networks",
                    class_="security",
                    verdict="refused" if whole else "noted",
                    app=group.egress.gateway,
                    text=f"{cidr} {'covers' if whole else 'overlaps'} {inside}, where the addresses of {way.provider}'s tunnels lie: what "
                    "is meant for them would leave past the tunnel, and the tunnel itself may fail",
                    remedy="name under `networks` only what is yours, as 192.168.1.0/24, and choose another subnet; or accept it in the "
                    f"profile: {waiver('egress.tunnel', group.egress.gateway)}",
                )


def _forwarded(plan: p.Plan, way: Way) -> Iterator[Finding]:
    """A forwarded port without an app that listens there."""
    for group in plan.groups:
        if isinstance(group.egress, p.Tunnel) and group.egress.port_forwarding and way.receiver is None:
            gateway = group.egress.gateway
            yield Finding(
                field="egress.port-forwarding",
                path=f"groups.{group.name}.egress.port_forwarding",
                class_="function",
                app=gateway,
                text=f"{gateway} asks for a forwarded port, and no app behind it is told which: only qBittorrent is",
                remedy="remove `vpn.port-forwarding`, or add qBittorrent",
            )


PROXIES = frozenset(("all_proxy", "ftp_proxy", "http_proxy", "https_proxy", "socks_proxy"))
"""Variables by which programs call somebody else in the place of whom they mean, in small letters."""


def _in_the_namespace(plan: p.Plan) -> Iterator[Finding]:
    """Apps behind a gateway that could change its firewall, or are told to call a proxy, which may reach the outside for them."""
    for group in plan.groups:
        if isinstance(group.egress, p.Direct):
            continue
        gateway = group.egress.gateway
        members = [app for app in plan.apps if app.name in group.apps]
        # What mounts a cloud is in the pod of each app that reads it; a mounter's needs are the planner's own.
        mounters = [(app, f"clouds.{c.id}.mounter", c.mounter) for c in plan.clouds for app in members if c.id in app.clouds]
        for app, path, container in mounters:
            yield from _proxied(app.name, gateway, path, container)
        for app in (app for app in members if app.name != gateway):
            for container in app.containers:
                path = f"apps.{app.name}.containers.{container.name}"
                yield from _proxied(app.name, gateway, path, container)
                for need in (need for need in ("net_admin", "tun", "fuse") if getattr(container.needs, need)):
                    yield Finding(
                        field="egress.privileged",
                        path=f"{path}.needs.{need}",
                        class_="security",
                        verdict="refused",
                        app=app.name,
                        text=f"{app.name} needs `{need.replace('_', '-')}` behind {gateway}: with that it can change the "
                        "firewall, or leave its network namespace",
                        remedy=f"remove the need, or accept it in the profile: {waiver('egress.privileged', app.name)}",
                    )


def _proxied(app: str, gateway: str, path: str, container: p.Container) -> Iterator[Finding]:
    for variable in (name for name, value in container.env.items() if value != "" and name.lower() in PROXIES):
        yield Finding(
            field="egress.proxy",
            path=f"{path}.env.{variable}",
            class_="security",
            verdict="refused",
            app=app,
            text=f"{variable} lets {path.split('.')[1]} call through a proxy, and one in a network of the place's own reaches the outside "
            f"past {gateway}",
            remedy=f"remove it, or accept it in the profile: {waiver('egress.proxy', app)}",
        )


def _left_out(given: Input) -> Iterator[Finding]:
    for name in given.stack.apps or ():
        if name in given.profile.without:
            yield Finding(
                field="without",
                path="without",
                class_="function",
                app=None,
                text=f"the stack has {name}, and profile {given.profile.name} is `without` it: it does not run here",
                remedy="nothing to do, or change one of the two",
            )


def _not_listed(entries: Mapping[str, Entry], given: Input) -> Iterator[Finding]:
    """What a person's own profile lists and does not get, since the stack has a list for all places. A shipped one's is a proposal."""
    if given.stack.apps is None or is_shipped(Path(given.profile_source("apps").file)):
        return
    here = {known for name, entry in entries.items() for known in (name, *entry.facts.aliases)}
    left = dict.fromkeys(name for name in given.profile.apps if name not in here and name not in given.profile.without)
    if left:
        yield Finding(
            field="apps",
            path="apps",
            class_="function",
            app=None,
            text=f"profile {given.profile.name} lists {', '.join(left)}, and the stack's own list, which counts, does not: not here",
            remedy="write what runs to the stack's `apps`, or remove that list and let each profile have its own",
        )


def _own(entries: Mapping[str, Entry]) -> Iterator[Finding]:
    """An app of a person's own that takes the place of a shipped one, which is easily forgotten."""
    for name, entry in entries.items():
        file = Path(entry.document.file)
        if not file.is_relative_to(SHIPPED) and (SHIPPED / "apps" / name / "app.yaml").is_file():
            yield Finding(
                field="catalog",
                path=f"apps.{name}",
                class_="function",
                app=name,
                text=f"{name} is your own, of {file}, and not the shipped one",
                remedy="nothing to do; call it otherwise, and both can be used",
            )
            if entry.facts.egress != "vpn" and load(SHIPPED / "apps" / name / "app.yaml").data.get("egress") == "vpn":
                yield Finding(
                    field="egress",
                    path=f"apps.{name}",
                    class_="security",
                    verdict="refused",
                    app=name,
                    text=f"the shipped {name} needs the VPN, and your own one, of {file}, says that it does not",
                    remedy=f"write `egress: vpn` there, call it otherwise, or accept it in the profile: {waiver('egress', name)}",
                    where=entry.document.source(("egress",)),
                )


def _upstream(entries: Mapping[str, Entry]) -> Iterator[Finding]:
    for name, entry in entries.items():
        upstream = entry.facts.upstream
        for lacking in entry.facts.lacks:
            yield Finding(
                field="lacks", path=f"apps.{name}", class_="function", app=name, text=f"{name}: {lacking}.", remedy="nothing to do"
            )
        if upstream.status in ("active", "quiet"):
            continue
        follows = f"; its successor is {upstream.successor}" if upstream.successor else ""
        yield Finding(
            field="upstream",
            path=f"apps.{name}.containers.main.image",
            class_="security" if upstream.status == "unmaintained" else "function",
            app=name,
            text=f"{name} is {upstream.status} upstream{follows}{': ' + upstream.note if upstream.note else ''}",
            remedy=f"run {upstream.successor} instead" if upstream.successor else "look for another app",
        )


def _gpu(plan: p.Plan, entries: Mapping[str, Entry]) -> Iterator[Finding]:
    if plan.devices.gpu is not None:
        return
    for app in plan.apps:
        for container in app.containers:
            if entries[app.name].facts.containers[container.name].needs.gpu == "optional":
                yield Finding(
                    field="devices.gpu",
                    path=f"apps.{app.name}.containers.{container.name}.needs.gpu",
                    class_="function",
                    app=app.name,
                    text=f"{app.name} could use a GPU and this place names none: it transcodes on the processor",
                    remedy="name it under `devices.gpu` of the profile",
                )


def _accounts(plan: p.Plan, entries: Mapping[str, Entry], given: Input) -> Iterator[Finding]:
    """A pod has one account. Where the apps of a group belong to zones with several, which one it is should surprise nobody."""
    said = given.profile.accounts
    for group in plan.groups:
        zones = {app: entries[app].facts.zone for app in group.apps}
        asked = {app: said[zone] for app, zone in zones.items() if zone in said}
        for app, account in asked.items():
            if account != group.account:
                yield Finding(
                    field="accounts",
                    path=f"groups.{group.name}.account",
                    class_="function",
                    app=app,
                    text=f"{app} shares the pod of {group.name}, which runs as {group.account}: the account {account} of its zone "
                    f"{zones[app]} is not used for it",
                    remedy="give the zones of one pod one account",
                )


def _engine(entries: Mapping[str, Entry], given: Input) -> Iterator[Finding]:
    """Secure by default: no app container gets the engine's socket."""
    has_docker = given.profile.traits.runs_docker
    for name, entry in entries.items():
        if any(container.needs.engine for container in entry.facts.containers.values()):
            yield Finding(
                field="needs.engine",
                path=f"apps.{name}",
                class_="security",
                verdict="refused",
                app=name,
                text=f"{name} would drive the engine that runs it, and who has the engine's socket owns the host: no app gets it"
                if has_docker
                else f"{name} drives a Docker engine, and a cluster has none for it",
                remedy="leave it out; name newer images in the catalog or under `override`, and `portable up` brings them, a gateway with "
                "its whole group"
                if has_docker
                else "leave it out; Renovate or a GitOps controller proposes newer images in the profile",
            )
