"""Step 5: findings that concern the plan as a whole, reported before anything runs."""

import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path

from portable.catalog.shipped import SHIPPED
from portable.formats.load import load
from portable.model import plan as p
from portable.model.codes import Code
from portable.model.devices import AnnotatedDevice, Device, HostDevice, PluginDevice
from portable.model.exposures import Lan, LoadBalancer
from portable.model.findings import Finding, waiver
from portable.planning.inputs import AppEntry, PlanInput
from portable.planning.select import Selection
from portable.planning.tunnel import Way
from portable.profiles.load import is_shipped


def check(plan: p.Plan, chosen: Selection, way: Way, given: PlanInput) -> Iterator[Finding]:
    """All findings on the whole plan."""
    yield from _egress(plan, chosen.apps, given)
    yield from _blocked_clients(plan, given)
    yield from _local_networks(plan)
    yield from _cluster_networks(plan, given)
    yield from _tunnel_networks(plan, way)
    yield from _namespace_rights(plan)
    yield from _forwarded_port(plan, way)
    yield from _upstream(chosen.apps)
    yield from _gpu(plan, chosen.apps)
    yield from _accounts(plan, chosen.apps, given)
    yield from _engine(chosen.apps, given)
    yield from _root(given)
    yield from _no_apps(plan, given)
    yield from _excluded_apps(chosen, given)
    yield from _overridden_list(chosen, given)
    yield from _own_apps(chosen.apps)


def _egress(plan: p.Plan, entries: Mapping[str, AppEntry], given: PlanInput) -> Iterator[Finding]:
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
                    text=f"{app} needs the VPN but connects to the internet without it here",
                    code="vpn.direct",
                    remedy=f"remove it from `egress.direct`, or accept it in the profile: {waiver('egress', app)}",
                    where=given.profile_source("egress", "direct", given.profile.egress.direct.index(app)),
                )
            elif isinstance(group.egress, p.Sealed):
                yield Finding(
                    field="egress",
                    path=f"groups.{group.name}.egress",
                    class_="function",
                    app=app,
                    text=f"{app} needs the VPN, and this profile has none: {app} is sealed and reaches only the place's own networks",
                    remedy="add a `vpn` section to the profile",
                    code="vpn.sealed",
                )


def _blocked_clients(plan: p.Plan, given: PlanInput) -> Iterator[Finding]:
    """Ports of sealed apps on the LAN: the seal answers only to `networks.local`. (Gluetun answers whoever calls a published port.)"""
    local = [ipaddress.ip_network(cidr) for cidr in given.profile.networks.local]
    host = _literal(given.profile.exposure.address)
    if any(host is None or host in network for network in local):
        return
    sealed = {app: group.egress.gateway for group in plan.groups if isinstance(group.egress, p.Sealed) for app in group.apps}
    for exposure in plan.exposures:
        if exposure.app not in sealed or not isinstance(exposure.how, Lan | LoadBalancer):
            continue
        yield Finding(
            field="exposure.sealed",
            path=f"exposures.{exposure.app}:{exposure.port}",
            class_="function",
            app=exposure.app,
            text=f"port {exposure.port} of {exposure.app} is published to the LAN, but {exposure.app} is sealed: {sealed[exposure.app]} "
            f"drops requests from the LAN, since `networks.local` {'does not contain ' + str(host) if local else 'is empty'}",
            remedy="add your LAN to the profile, for example `networks: {local: [192.168.1.0/24]}`, or publish the port on loopback",
            code="vpn.sealed-port",
        )


def _literal(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, if it is one and not a name."""
    try:
        return ipaddress.ip_address(address or "")
    except ValueError:
        return None


OWN = tuple(
    ipaddress.ip_network(cidr)
    for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10")
)
"""Networks that are not routed on the internet: RFC 1918, 3927, 4193, 4291, 6598."""


def _local_networks(plan: p.Plan) -> Iterator[Finding]:
    """Networks outside the tunnel must be the place's own: one network that is too wide exposes torrent traffic."""
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
                    text=f"{cidr} contains public addresses, and apps behind {group.egress.gateway} would reach them outside the tunnel",
                    remedy="list only your own networks under `networks`, such as 192.168.1.0/24, or accept it in the profile: "
                    + waiver("egress.networks", group.egress.gateway),
                    code="vpn.networks",
                )


def _cluster_networks(plan: p.Plan, given: PlanInput) -> Iterator[Finding]:
    """A gateway's firewall drops packets of networks that it does not know: on a cluster, those of pods and Services."""
    if given.profile.traits.picks_own_addresses or given.profile.networks.local:
        return  # an engine's own network is known to the gateway
    for group in plan.groups:
        if isinstance(group.egress, p.Direct):
            continue
        gateway = group.egress.gateway
        yield Finding(
            field="egress.cluster-networks",
            path=f"groups.{group.name}.egress.networks",
            class_="function",
            app=gateway,
            text=f"the profile does not name the networks of the cluster's pods and Services: {gateway} drops their packets, "
            f"so apps behind {gateway} and other apps cannot reach each other",
            remedy="name them, for example `networks: {local: [10.244.0.0/16, 10.96.0.0/12]}`; `kubectl cluster-info dump | grep -m2 -E "
            "'cluster-cidr|service-cluster-ip-range'` prints them",
            code="vpn.cluster-networks",
        )


def _tunnel_networks(plan: p.Plan, way: Way) -> Iterator[Finding]:
    """Local networks that overlap the tunnel's own addresses: those of its gateway, name server and forwarded ports."""
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
                    text=f"{cidr} {'covers' if whole else 'overlaps'} {inside}, the address range of {way.provider}'s tunnels: traffic to "
                    "that range would leave outside the tunnel, and the tunnel may fail",
                    remedy="list only your own networks under `networks`, such as 192.168.1.0/24, and choose another subnet; or accept it "
                    f"in the profile: {waiver('egress.tunnel', group.egress.gateway)}",
                    code="vpn.tunnel-range",
                )


def _forwarded_port(plan: p.Plan, way: Way) -> Iterator[Finding]:
    """A forwarded port without an app that listens on it."""
    for group in plan.groups:
        if isinstance(group.egress, p.Tunnel) and group.egress.port_forwarding and way.receiver is None:
            gateway = group.egress.gateway
            yield Finding(
                field="egress.port-forwarding",
                path=f"groups.{group.name}.egress.port_forwarding",
                class_="function",
                app=gateway,
                text=f"{gateway} requests a forwarded port, but no app behind it uses that port: only qBittorrent can",
                remedy="remove `vpn.port-forwarding`, or add qBittorrent",
                code="vpn.forwarding-unused",
            )


PROXIES = frozenset(("all_proxy", "ftp_proxy", "http_proxy", "https_proxy", "socks_proxy"))
"""Variables that make programs connect through a proxy, in lower case."""


def _namespace_rights(plan: p.Plan) -> Iterator[Finding]:
    """Apps behind a gateway that could change its firewall, or that connect through a proxy, which may reach the internet for them."""
    for group in plan.groups:
        if isinstance(group.egress, p.Direct):
            continue
        gateway = group.egress.gateway
        members = [app for app in plan.apps if app.name in group.apps]
        # A cloud's mounter runs in the pod of each app that reads the cloud; the planner sets its needs.
        fuse_mounts = [(app, f"clouds.{c.id}.fuse_mount", c.fuse_mount) for c in plan.clouds for app in members if c.id in app.clouds]
        for app, path, container in fuse_mounts:
            yield from _proxies(app.name, gateway, path, container)
        for app in (app for app in members if app.name != gateway):
            for container in app.containers:
                path = f"apps.{app.name}.containers.{container.name}"
                yield from _proxies(app.name, gateway, path, container)
                for need in (need for need in ("net_admin", "tun", "fuse") if getattr(container.needs, need)):
                    yield Finding(
                        field="egress.privileged",
                        path=f"{path}.needs.{need}",
                        class_="security",
                        verdict="refused",
                        app=app.name,
                        text=f"{app.name} needs `{need.replace('_', '-')}` behind {gateway}: with it, {app.name} can change the "
                        "firewall or leave the network namespace",
                        code="vpn.privileged",
                        remedy=f"remove the need, or accept it in the profile: {waiver('egress.privileged', app.name)}",
                    )


def _proxies(app: str, gateway: str, path: str, container: p.Container) -> Iterator[Finding]:
    for variable in (name for name, value in container.env.items() if value != "" and name.lower() in PROXIES):
        yield Finding(
            field="egress.proxy",
            path=f"{path}.env.{variable}",
            class_="security",
            verdict="refused",
            app=app,
            text=f"{variable} makes {path.split('.')[1]} connect through a proxy, and a proxy in a local network reaches the internet "
            f"without {gateway}",
            code="vpn.proxy",
            remedy=f"remove it, or accept it in the profile: {waiver('egress.proxy', app)}",
        )


def _root(given: PlanInput) -> Iterator[Finding]:
    """Apps whose user or group is root's: whoever takes one over writes the files of root."""
    ids: tuple[tuple[str, int, Code], ...] = (("uid", given.stack.uid, "stack.root-uid"), ("gid", given.stack.gid, "stack.root-gid"))
    for key, value, code in ids:
        if value == 0:
            who = "as root" if key == "uid" else "in the group of root"
            yield Finding(
                field=f"stack.{key}",
                path=f"stack.{key}",
                class_="security",
                text=f"`{key}: 0` runs every app {who}: an app that is taken over can write files of root in its folders and mounts",
                remedy=f"set `{key}` in portable.yaml to that of the user who owns the library, for example `{key}: 1000`",
                code=code,
                where=given.stack_source(key),
            )


def _no_apps(plan: p.Plan, given: PlanInput) -> Iterator[Finding]:
    """A list without apps: `up` would start none but those that clouds bring, and remove what runs."""
    listed = given.stack.apps is not None
    if plan.apps and (given.stack.apps if given.stack.apps is not None else given.profile.apps):
        return
    starts = f"only {', '.join(sorted(app.name for app in plan.apps))}" if plan.apps else "nothing"
    yield Finding(
        field="apps",
        path="apps",
        class_="function",
        text=f"no app is listed: `portable up` starts {starts}, and removes the containers of apps that ran before",
        remedy="list apps, for example `apps: [sonarr, jellyfin]`; `portable catalog list` shows all",
        code="app.none-listed",
        where=given.stack_source("apps") if listed else given.profile_source("apps"),
    )


def _excluded_apps(chosen: Selection, given: PlanInput) -> Iterator[Finding]:
    for name in given.stack.apps or ():
        if name in chosen.excluded:
            yield Finding(
                field="without",
                path="without",
                class_="function",
                app=None,
                text=f"the stack lists {name}, but profile {given.profile.name} is `without` it: {name} does not run here",
                remedy="nothing to do, or change the stack or the profile",
                code="app.left-out",
            )


def _overridden_list(chosen: Selection, given: PlanInput) -> Iterator[Finding]:
    """Apps of a person's own profile that the stack's list overrides. The list of a shipped profile is only a proposal."""
    if given.stack.apps is None or is_shipped(Path(given.profile_source("apps").file)):
        return
    planned = {known for name, entry in chosen.apps.items() for known in (name, *entry.facts.aliases)}
    overridden = dict.fromkeys(name for name in given.profile.apps if name not in planned and name not in chosen.excluded)
    if overridden:
        yield Finding(
            field="apps",
            path="apps",
            class_="function",
            app=None,
            text=f"profile {given.profile.name} lists {', '.join(overridden)}, but the stack's own list overrides it: they do not run here",
            remedy="add them to the stack's `apps`, or remove that list so that each profile has its own",
            code="app.list-overridden",
        )


def _own_apps(entries: Mapping[str, AppEntry]) -> Iterator[Finding]:
    """A person's own app that replaces a shipped one, which is easily forgotten."""
    for name, entry in entries.items():
        file = entry.document.file
        if not file.startswith(f"{SHIPPED}/") and (SHIPPED / "apps" / name / "app.yaml").is_file():
            yield Finding(
                field="catalog",
                path=f"apps.{name}",
                class_="function",
                app=name,
                text=f"{name} is your own app from {file}, instead of the shipped one",
                remedy="nothing to do; rename your app to use both",
                code="app.replaces-shipped",
            )
            if entry.facts.egress != "vpn" and load(SHIPPED / "apps" / name / "app.yaml").data.get("egress") == "vpn":
                yield Finding(
                    field="egress",
                    path=f"apps.{name}",
                    class_="security",
                    verdict="refused",
                    app=name,
                    text=f"the shipped {name} needs the VPN, but your own app from {file} does not use it",
                    remedy=f"write `egress: vpn` there, rename your app, or accept it in the profile: {waiver('egress', name)}",
                    code="vpn.own-app",
                    where=entry.document.source(("egress",)),
                )


def _upstream(entries: Mapping[str, AppEntry]) -> Iterator[Finding]:
    for name, entry in entries.items():
        upstream = entry.facts.upstream
        for lacking in entry.facts.lacks:
            yield Finding(
                field="lacks",
                path=f"apps.{name}",
                class_="function",
                app=name,
                text=f"{name}: {lacking}.",
                remedy="nothing to do",
                code="app.lacks",
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
            code="app.upstream",
        )


def _gpu(plan: p.Plan, entries: Mapping[str, AppEntry]) -> Iterator[Finding]:
    if plan.devices.gpu is not None:
        yield from _gpu_group(plan, plan.devices.gpu)
        return
    for app in plan.apps:
        for container in app.containers:
            if entries[app.name].facts.containers[container.name].needs.gpu == "optional":
                yield Finding(
                    field="devices.gpu",
                    path=f"apps.{app.name}.containers.{container.name}.needs.gpu",
                    class_="function",
                    app=app.name,
                    text=f"{app.name} could use a GPU, but the profile names none: it transcodes on the CPU",
                    remedy="add the GPU under `devices.gpu` of the profile",
                    code="app.gpu",
                )


def _gpu_group(plan: p.Plan, gpu: Device) -> Iterator[Finding]:
    """A GPU's node belongs to a user group of the host; a process that is not root cannot open it without that group's number.

    Images that start as root and know PUID join the group of the node by themselves. See docs/facts/gpus.md#group-numbers.
    """
    if gpu.group is not None:
        return
    match gpu:
        case HostDevice(path=path):
            node, remedy = path, f"devices: {{gpu: {{host: {{path: {path}, group: NUMBER}}}}}}"
        case PluginDevice(resource=resource):
            node, remedy = "/dev/dri/renderD128", f"devices: {{gpu: {{plugin: {resource}, group: NUMBER}}}}"
        case AnnotatedDevice(path=path):
            node, remedy = path, f"devices: {{gpu: {{annotation: {path}, group: NUMBER}}}}"
    for app in plan.apps:
        for container in app.containers:
            who = container.identity
            if container.needs.gpu and who.how == "user" and who.uid != 0 and not who.groups:
                yield Finding(
                    field="devices.gpu.group",
                    path="devices.gpu",
                    class_="function",
                    app=app.name,
                    text=f"{app.name} runs as {who.uid}:{who.gid}, and the profile does not name the user group of the GPU: {app.name} "
                    "cannot open it, and transcodes on the CPU",
                    remedy=f"run `stat -c %g {node}` on the host, and write the number: `{remedy}`",
                    code="app.gpu-group",
                )


def _accounts(plan: p.Plan, entries: Mapping[str, AppEntry], given: PlanInput) -> Iterator[Finding]:
    """A pod has one account: report apps whose zone has another account than their group."""
    accounts = given.profile.accounts
    for group in plan.groups:
        zones = {app: entries[app].facts.zone for app in group.apps}
        wanted = {app: accounts[zone] for app, zone in zones.items() if zone in accounts}
        for app, account in wanted.items():
            if account != group.account:
                yield Finding(
                    field="accounts",
                    path=f"groups.{group.name}.account",
                    class_="function",
                    app=app,
                    text=f"{app} shares the pod of {group.name}, which runs as {group.account}: it does not use the account {account} of "
                    f"its zone {zones[app]}",
                    remedy="set one account for all zones of a pod under `accounts`",
                    code="plan.account",
                )


def _engine(entries: Mapping[str, AppEntry], given: PlanInput) -> Iterator[Finding]:
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
                text=f"{name} needs the engine's socket, which gives full control of the host: no app gets it, and no waiver accepts this"
                if has_docker
                else f"{name} controls a Docker engine, which a cluster does not have; no waiver accepts this",
                remedy="leave it out; to update images, set newer ones in the catalog or under `override` and run `portable up`, which "
                "restarts a gateway with its whole group"
                if has_docker
                else "leave it out; let Renovate or a GitOps controller propose newer images in the profile",
                code="app.engine",
                is_waivable=False,
            )
