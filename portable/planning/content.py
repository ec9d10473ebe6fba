"""Step 4: containers with their environment and files, made from templates; secrets stay references."""

import functools
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from portable.catalog.catalog import Catalog
from portable.catalog.facts import AppFacts, CloudFacts, ContainerFacts, ImageFacts, ProbeFacts, SecretValue
from portable.catalog.inside import OutsideError, read_inside
from portable.catalog.quantities import millicores, seconds, size
from portable.formats.document import Document, Steps
from portable.model import plan as p
from portable.model.codes import Code
from portable.model.exposures import in_url
from portable.model.secret_refs import SecretRef, Text
from portable.model.source import Mistake
from portable.planning import _templates as templates
from portable.planning.backups import backs_up, seen, told
from portable.planning.cloud_mounts import cache_size, mounts_of, readers_of
from portable.planning.hosts import full_name, host_in_clouds, host_of
from portable.planning.inputs import AppEntry, Mistakes, PlanInput
from portable.planning.migrations import migration_seconds
from portable.planning.network import PlannedNetwork, address_of, at_this_host
from portable.planning.schedule import schedule
from portable.planning.select import Selection
from portable.planning.storage import LIBRARY_ID, Storage, volume_id
from portable.planning.tunnel import Way

CLOUD_CONFIG = "RCLONE_CONFIG"
"""The mounter's variable with the path of the cloud's configuration."""
_CLOUD = "cloud-"
_NODES = {"tun": "/dev/net/tun", "fuse": "/dev/fuse"}
"""Devices that have the same path on every Linux."""
_LOCAL = ("localhost", "127.0.0.1")


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Apps and clouds of the plan, every file, the tools container, and addresses by (app, port)."""

    apps: tuple[p.App, ...]
    clouds: tuple[p.Cloud, ...]
    files: tuple[p.File, ...]
    tools: p.Container
    addresses: Mapping[tuple[str, str], str]
    names: Mapping[str, tuple[str, ...]]
    """By app that has an interface: the host names by which people come to it."""
    every_address: Mapping[str, Collection[str]]
    """By app: all addresses by which people come to it."""


def content(
    given: PlanInput, chosen: Selection, way: Way, net: PlannedNetwork, store: Storage, catalog: Catalog, mistakes: Mistakes
) -> Content:
    """Make every container; a template error is a mistake with its file and line."""
    maker = _Maker(given, chosen, way, net, store, catalog, mistakes)
    apps = tuple(maker.app(name) for name in chosen.apps)
    clouds = tuple(maker.cloud(name, chosen.fuse_mount) for name in sorted(chosen.clouds)) if chosen.fuse_mount else ()
    tools = maker.container(
        "tools", chosen.tools.document, chosen.tools.facts.containers["main"], "tools", "main", maker.context("tools"), {}
    )
    maker.one_name_each(apps)
    return Content(
        apps=apps,
        clouds=clouds,
        files=tuple(sorted(maker.files.values(), key=lambda f: f.id)),
        tools=msgspec.structs.replace(tools, name="tools"),
        addresses=at_this_host(maker.addresses, net.exposures),
        names={name: maker.peoples_names(name) for name, entry in chosen.apps.items() if entry.facts.interface is not None},
        every_address=maker.addresses_by_app,
    )


class _Maker:
    """Makes containers from the results of the earlier steps."""

    def __init__(
        self, given: PlanInput, chosen: Selection, way: Way, net: PlannedNetwork, store: Storage, catalog: Catalog, mistakes: Mistakes
    ) -> None:
        self.given, self.chosen, self.net, self.store, self.catalog, self.mistakes = given, chosen, net, store, catalog, mistakes
        self.vpn = way.context()
        self.files: dict[str, p.File] = {}
        # Containers can use the secrets and files of apps and of the helpers that `portable` adds.
        helpers = {entry.facts.name: entry for entry in (chosen.tools, chosen.fuse_mount) if entry is not None}
        self.entries = {**chosen.apps, **helpers}
        self.secrets: dict[str, set[str]] = {}
        holders: list[AppFacts | CloudFacts] = [*(e.facts for e in self.entries.values()), *(c.facts for c in chosen.clouds.values())]
        for facts in holders:
            for name, secret in facts.secrets.items():
                self.secrets.setdefault(name, set()).update(secret.keys)
        ports = {(app, port.name): port for app, ports in net.ports.items() for port in ports}
        exposure = given.profile.exposure
        hosts = tuple(dict.fromkeys(map(in_url, filter(None, (exposure.address, *exposure.addresses)))))
        reached = [(e, ports[e.app, e.port]) for e in net.exposures if (e.app, e.port) in ports]
        first = ((e, address_of(e, port, hosts[0] if hosts else None)) for e, port in reached)
        self.addresses = {(e.app, e.port): address for e, address in first if address is not None}
        every = ((e.app, e.port, address_of(e, port, host)) for e, port in reached for host in hosts)
        self.every_address = {(app, name, address) for app, name, address in every if address is not None}

    def app(self, name: str) -> p.App:
        """An app with the containers and ports that this place has."""
        entry = self.chosen.apps[name]
        facts, ports = entry.facts, self.net.ports[name]
        used = {port.container for port in ports} | {c for c, f in facts.containers.items() if f.only_if_exposed is None}
        context = self.context(name)
        names = sorted(used, key=lambda c: (c != "main", c))
        return p.App(
            name=name,
            aliases=facts.aliases,
            title=facts.title,
            zone=facts.zone,
            ports=ports,
            containers=tuple(self.container(c, entry.document, facts.containers[c], name, c, context, facts.volumes) for c in names),
            clouds=tuple(c for c in facts.clouds if c in self.chosen.clouds),
            after=tuple(p.After(app=a.app, when=a.when) for a in facts.after if a.app in self.chosen.apps),
            schedule=schedule(entry, self.mistakes),
        )

    def one_name_each(self, apps: Iterable[p.App]) -> None:
        """Report containers that would have the same name: those of apps, the clouds' mounters, and `init`, which prepares folders."""
        owners = {"init": "the container that prepares folders"}
        owners |= {f"cloud-{cloud}": f"the mounter of cloud {cloud}" for cloud in self.chosen.clouds}
        for app in apps:
            for container in app.containers:
                called = app.name if container.role == "main" else f"{app.name}-{container.name}"
                if called in owners:
                    text = f"this container would be called {called!r}, like {owners[called]}"
                    at = ("name",) if container.role == "main" else ("containers", container.name)
                    self.reject(self.entries[app.name].document, at, text, "rename it", code="app.container-name", at_key=True)
                owners.setdefault(called, f"a container of {app.name}")

    def reject(self, document: Document, at: Steps, text: str, remedy: str, *, code: Code, at_key: bool = False) -> None:
        """Note a mistake in an app's or cloud's file."""
        self.mistakes.extend((document.mistake(at, text, remedy, code=code, at_key=at_key),))

    def cloud(self, name: str, fuse_mount: AppEntry) -> p.Cloud:
        """A cloud with its own mounter."""
        entry = self.chosen.clouds[name]
        facts = fuse_mount.facts.containers["main"]
        mounts = mounts_of(self.given, self.chosen, self.net, name)
        cloud = {
            "name": name,
            "remote": entry.facts.remote,
            "known_entry": entry.facts.known_entry,
            # rclone limits its cache only every few seconds (docs/facts/fuse.md#cache-limits): it must stop well before the volume is full.
            "cache": cache_size(entry.facts, mounts) * 4 // 5,
            "mounts": mounts,
        }
        context = self.context(fuse_mount.facts.name) | {"cloud": cloud, "url": functools.partial(self.url, f"{_CLOUD}{name}")}
        made = self.container("main", fuse_mount.document, facts, fuse_mount.facts.name, "main", context, {}, owner=f"cloud-{name}")
        config = made.env.get(CLOUD_CONFIG)
        if not isinstance(config, str):
            at = ("containers", "main", "environment")
            text = f"the mounter needs {CLOUD_CONFIG}, the path of a cloud's configuration"
            self.reject(fuse_mount.document, at, text, f"add `{CLOUD_CONFIG}: /rclone.conf`", code="cloud.mount-config")
            config = "/rclone.conf"
        template = self.catalog.cloud_folder(name) / entry.facts.template
        file = self.file(f"cloud-{name}-rclone-conf", template, context, entry.document, ("template",), 0o440)
        cache = tuple(p.Mount(volume=f"cloud-{name}-cache", path=path) for path in facts.volumes.values())
        env = {
            **made.env,
            **{k: self.value(str(v), context, entry.document, ("environment", k)) for k, v in entry.facts.environment.items()},
        }
        container = msgspec.structs.replace(
            made, name=name, env=env, files=(*made.files, p.FileMount(file=file, path=config)), mounts=(*made.mounts, *cache)
        )
        after = tuple(p.After(app=a.app, when=a.when) for a in entry.facts.after if a.app in self.chosen.apps)
        return p.Cloud(id=name, known_entry=entry.facts.known_entry, after=after, fuse_mount=container)

    def container(
        self,
        name: str,
        document: Document,
        facts: ContainerFacts,
        app: str,
        at: str,
        context: Mapping[str, Any],
        volumes: Mapping[str, Any],
        owner: str | None = None,
    ) -> p.Container:
        """One container; `owner` is the prefix of its files, if not the app's name."""
        where = ("containers", at)
        context = {**context, "memory": size(facts.resources.memory.limit)}
        prefix = owner or (app if name == "main" else f"{app}-{name}")
        mounts = [p.Mount(volume=volume_id(app, v), path=path) for v, path in sorted(facts.volumes.items()) if v in volumes]
        if facts.library is not None:
            mounts.append(p.Mount(volume=LIBRARY_ID, path=p.LIBRARY, access=facts.library))
        if facts.backs_up:
            mounts += [p.Mount(volume=volume.id, path=volume.path) for volume in seen(self.chosen, self.store)]
            mounts.append(p.Mount(volume=p.BACKUPS, path=f"/{p.BACKUPS}"))
        files = []
        for index, file in enumerate(facts.files):
            template = self.catalog.folder(app) / file.template
            made = self.file(f"{prefix}-{slug(file.path)}", template, context, document, (*where, "files", index), int(file.mode, 8))
            files.append(p.FileMount(file=made, path=file.path, seed=file.seed))
        secrets = self.entries[app].facts.secrets
        return p.Container(
            name=name,
            role="main" if at == "main" else "init" if facts.before_main else "sidecar",
            image=self.image(facts.image, facts.recipe),
            command=self.values(facts.command, context, document, (*where, "command")),
            args=self.values(facts.args, context, document, (*where, "args")),
            env={k: self.variable(v, context, document, (*where, "environment", k)) for k, v in sorted(facts.environment.items())},
            files=tuple(files),
            secrets=tuple(
                p.SecretMount(secret=s, keys=secrets[s].keys, path=path, optional=secrets[s].optional)
                for s, path in sorted(facts.secrets.items())
                if s in secrets
            ),
            mounts=tuple(mounts),
            identity=self.identity(facts),
            needs=self.needs(facts, app),
            read_only_root=facts.read_only_root,
            init=facts.init,
            probes=probes(self.probe(facts.probe, context, document, (*where, "probe")), migration_seconds(self.entries[app].facts, at)),
            fetch=facts.fetch,
            resources=resources(facts),
            stop_grace=seconds(facts.stop_grace),
        )

    def probe(
        self, facts: ProbeFacts | None, context: Mapping[str, Any], document: Document, at: tuple[str | int, ...]
    ) -> ProbeFacts | None:
        """The probe with its commands rendered."""
        if facts is None:
            return facts
        return msgspec.structs.replace(
            facts,
            exec=self.values(facts.exec, context, document, (*at, "exec")),
            startup_exec=self.values(facts.startup_exec, context, document, (*at, "startup-exec")),
        )

    def image(self, facts: ImageFacts, recipe: str | None) -> p.Image:
        return p.Image(repository=facts.repository, tag=facts.tag, digest=facts.digest, recipe=recipe)

    def identity(self, facts: ContainerFacts) -> p.Identity:
        """The stack's user in every place, so that a move keeps owners; root only if the image requires it."""
        stack = self.given.stack
        fixed = facts.identity == "fixed"
        return p.Identity(
            how=facts.identity, uid=0 if fixed else stack.uid, gid=0 if fixed else stack.gid, groups=facts.groups, umask=stack.umask
        )

    def needs(self, facts: ContainerFacts, app: str) -> p.Needs:
        asked, devices = facts.needs, self.given.profile.devices
        for need, wanted, device in (
            ("tun", asked.tun, devices.tun),
            ("fuse", asked.fuse, devices.fuse),
            ("gpu", asked.gpu == "required", devices.gpu),
        ):
            if wanted and device is None:
                text = f"{app} needs the device {need}, but profile {self.given.profile.name} does not have it"
                node = _NODES.get(need)
                remedy = f"add `devices: {{{need}: {{host: {{path: {node}}}}}}}`" if node else f"add it under `devices.{need}`"
                # The section `vpn` adds the gateway: report it there, since its author may not know the device.
                at = ("vpn",) if app == self.chosen.gateway and self.given.profile.vpn else ("devices",)
                source = self.given.profile_source(*at)
                self.mistakes.add(source, f"devices.{need}", text, f"{remedy}, or leave {app} out", code="app.device")
        return p.Needs(
            root_start=asked.root_start,
            net_admin=asked.net_admin,
            tun=asked.tun,
            fuse=asked.fuse,
            gpu=asked.gpu != "none" and devices.gpu is not None,
        )

    # --- templates

    def context(self, app: str) -> dict[str, Any]:
        """The values that templates may use; see `docs/reference/templates.md`."""
        stack = self.given.stack
        placed = app in self.chosen.apps
        return {
            "app": app,
            "uid": stack.uid,
            "gid": stack.gid,
            "umask": stack.umask,
            "timezone": stack.timezone,
            "stack": stack.name,
            "library": p.LIBRARY,
            "clouds": p.CLOUDS,
            "ports": {port.name: port.number for port in self.net.ports[app]} if placed else {},
            "url": functools.partial(self.url, app),
            "egress": type(self.net.group_of[app].egress).__name__.lower() if placed else "direct",
            "has": lambda name: name in self.chosen.apps,
            "secret": self.secret,
            "program": templates.program,
            "group": {
                "ports": self.net.group_ports(app) if placed else (),
                "raw_ports": self.net.group_raw_ports(app) if placed else (),
            },
            "networks": self.net.networks,
            "vpn": self.vpn,
            "names": self.names(app),
            "addresses": self.addresses_by_app.get(app, []),
            "address": lambda port="web": self.addresses.get((app, port), ""),
            "dashboard": self.dashboard(app),
            "reads": self.reads(app),
            # Covers all apps, so it is made only for the backup app: a thousand apps would each make it for a thousand.
            "backup": told(self.given, self.chosen, self.store) if placed and backs_up(self.chosen.apps[app].facts) else "",
            "folders": self.chosen.apps[app].facts.library.folders if placed else (),
        }

    @functools.cached_property
    def addresses_by_app(self) -> dict[str, list[str]]:
        """Every address by which people reach each app: those of the first name of the host, then those of its other names."""
        found: dict[str, dict[str, None]] = {}
        for (app, _), address in sorted(self.addresses.items()):
            found.setdefault(app, {})[address] = None
        for app, _, address in sorted(self.every_address, key=lambda each: each[2]):
            found.setdefault(app, {})[address] = None
        return {app: list(addresses) for app, addresses in found.items()}

    def reads(self, app: str) -> list[dict[str, str]]:
        """The clouds that an app reads here, each with the entry that shows that it is mounted."""
        read = self.chosen.apps[app].facts.clouds if app in self.chosen.apps else ()
        return [{"name": c, "known_entry": self.chosen.clouds[c].facts.known_entry} for c in read if c in self.chosen.clouds]

    def url(self, caller: str, app: str, port: str = "web") -> str:
        """The address of an app for another app, or for the mount of a cloud (`cloud-<name>`)."""
        for known in self.net.ports.get(app, ()):
            if known.name == port:
                return f"{'https' if known.serves == 'https' else 'http'}://{self.host(caller, app)}:{known.number}"
        raise templates.TemplateValueError(f"this place has no app {app!r} with a port {port!r}", code="template.app-unknown")

    def host(self, caller: str, app: str) -> str:
        """The host name of an app for another app, or for the mount of a cloud (`cloud-<name>`)."""
        cloud = caller.removeprefix(_CLOUD)
        if caller.startswith(_CLOUD) and cloud in self.chosen.clouds:
            return host_in_clouds(self.given, self.net, app, readers_of(self.chosen, cloud))
        return host_of(self.given, self.net, app, caller=caller)

    def secret(self, name: str, key: str = "value", *, optional: bool = False, form: str = "plain") -> str:
        """A placeholder for a secret that an app or cloud of the place declares."""
        if key not in self.secrets.get(name, ()):
            known = ", ".join(f"{n} ({', '.join(sorted(keys))})" for n, keys in sorted(self.secrets.items())) or "none"
            raise templates.TemplateValueError(f"unknown secret {name!r} with key {key!r}; known: {known}", code="template.secret-unknown")
        placeholder = f"@@portable-secret:{name}:{key}:{'optional' if optional else 'required'}:{form}@@"
        if not templates.SECRET.fullmatch(placeholder):
            text = f"secret {name!r} with key {key!r} and form {form!r} is not valid: forms are plain and qbittorrent"
            raise templates.TemplateValueError(text, code="template.secret-form")
        return placeholder

    def names(self, app: str) -> tuple[str, ...]:
        """The host names of an app, which its host check must allow."""
        if app not in self.chosen.apps:
            return ()
        own = (app, *self.chosen.apps[app].facts.aliases, full_name(self.given, app), *_LOCAL)
        return tuple(dict.fromkeys((*own, *self.peoples_names(app))))

    def peoples_names(self, app: str) -> tuple[str, ...]:
        """The host names by which people come to an app from another machine."""
        hosts = (re.sub(r"^[a-z]+://|:\d+$", "", address) for address in self.addresses_by_app.get(app, ()))
        return tuple(dict.fromkeys(host for host in hosts if host not in _LOCAL))

    def dashboard(self, caller: str) -> list[dict[str, Any]]:
        """Every app that has a web address, by zone, with the address for an app that calls it."""
        group = self.net.group_of.get(caller)
        # All apps of a fenced group reach the others by the same names, so one list serves the group.
        return self.dashboards("" if group is None or isinstance(group.egress, p.Direct) else group.apps[0])

    @functools.cache  # noqa: B019 - the maker lives as long as the planning
    def dashboards(self, caller: str) -> list[dict[str, Any]]:
        zones: dict[str, list[dict[str, Any]]] = {}
        shown: set[str] = set()
        for (app, port), address in sorted(self.addresses.items()):
            entry, number = self.chosen.apps[app].facts, next(q for q in self.net.ports[app] if q.name == port)
            if number.serves == "raw" or app in shown:
                continue
            shown.add(app)
            internal = f"{'https' if number.serves == 'https' else 'http'}://{self.host(caller, app)}:{number.number}"
            zones.setdefault(entry.zone, []).append(
                {
                    "name": app,
                    "title": entry.title,
                    "about": entry.about,
                    "icon": entry.icon or f"{app}.png",
                    "href": address,
                    "url": internal,
                    "monitor": internal + monitored(entry, port),
                }
            )
        return [{"zone": zone, "apps": apps} for zone, apps in sorted(zones.items())]

    def values(
        self, texts: Iterable[str] | None, context: Mapping[str, Any], document: Document, at: tuple[str | int, ...]
    ) -> tuple[str, ...] | None:
        return None if texts is None else tuple(self.value(t, context, document, (*at, i)) for i, t in enumerate(texts))

    def variable(self, value: str | int | SecretValue, context: Mapping[str, Any], document: Document, at: tuple[str | int, ...]) -> Text:
        if isinstance(value, SecretValue):
            return SecretRef(name=value.secret, key=value.key, optional=value.optional)
        return self.value(str(value), context, document, at)

    def value(self, text: str, context: Mapping[str, Any], document: Document, at: tuple[str | int, ...]) -> str:
        """Render a value, which may be a template. It cannot contain a secret, which would end up in a rendered file."""
        if "{{" not in text and "{%" not in text:
            return text

        def report(_: int, text: str, code: Code) -> None:
            self.reject(document, at, text, templates.escape(text), code=code)

        rendered = templates.rendered(text, context, report)
        if templates.SECRET.search(rendered):
            remedy = "write `{secret: name}`, or use a file template"
            self.reject(document, at, "a value cannot contain a secret", remedy, code="template.secret-in-value")
        return rendered

    def file(self, id_: str, template: Path, context: Mapping[str, Any], document: Document, at: tuple[str | int, ...], mode: int) -> str:
        """Render a template of the catalog into a file of the plan; returns its id."""
        try:
            text = read_inside(template, self.catalog.root(template))
        except (OSError, UnicodeDecodeError) as error:
            self.mistakes.extend((_unreadable(document, at, template.name, error),))
            return id_

        def report(line: int, text: str, code: Code) -> None:
            self.reject(document, at, f"template {template.name}:{line}: {text}", templates.escape(text), code=code)

        if id_ in self.files:
            report(1, f"two files would be called {id_}", "template.file-name")
        rendered = text if "{{" not in text and "{%" not in text else templates.rendered(text, context, report)
        self.files[id_] = p.File(id=id_, body=tuple(templates.parts(rendered)), mode=mode)
        return id_


def template_mistakes(facts: AppFacts, document: Document, folder: Path, root: Path) -> Iterator[Mistake]:
    """Mistakes in an app's templates that no place could avoid: unreadable files, syntax errors, unknown names."""
    sources: list[tuple[Steps, str, str]] = []
    for name, container in facts.containers.items():
        for index, file in enumerate(container.files):
            at: Steps = ("containers", name, "files", index)
            try:
                sources.append((at, read_inside(folder / file.template, root), f"template {file.template}:"))
            except (OSError, UnicodeDecodeError) as error:
                yield _unreadable(document, at, file.template, error)
        sources += [
            (("containers", name, "environment", key), v, "line ") for key, v in container.environment.items() if isinstance(v, str)
        ]
    for at, text, where in sources:
        if "{{" in text or "{%" in text:
            for line, why, code in templates.problems(text):
                yield document.mistake(at, f"{where}{line}: {why}", templates.escape(why), code=code)


def _unreadable(document: Document, at: Steps, name: str, error: Exception) -> Mistake:
    text, remedy = f"cannot read the template {name!r}: {error}", "add the file as UTF-8 text to the folder of its app or cloud"
    if isinstance(error, OutsideError):
        return document.mistake(at, text, "copy the file into the folder of its app or cloud", code="template.outside")
    return document.mistake(at, text, remedy, code="template.unreadable")


def slug(path: str) -> str:
    """The last part of a path as a name that is valid in every back end."""
    name = re.sub(r"[^a-z0-9]+", "-", path.rsplit("/", 1)[-1].lower()).strip("-")
    return name or hashlib.sha256(path.encode()).hexdigest()[:8]


def monitored(facts: AppFacts, port: str) -> str:
    """The path that shows that an app answers at this port: that of its probe, since `/` is an error in some apps."""
    checks = (container.probe.http for container in facts.containers.values() if container.probe is not None)
    path = next((check.path for check in checks if check is not None and check.port == port), "/")
    return "" if path == "/" else path


def probes(facts: ProbeFacts | None, least: int = 0) -> p.Probes:
    """The probes of a container: the startup time of the app's file, and one check for ready and live; live is more patient."""
    if facts is None:
        return p.Probes()
    if facts.http is not None:
        how: p.Http | p.Tcp | p.Exec = p.Http(port=facts.http.port, path=facts.http.path, ok=facts.http.ok)
    elif facts.tcp is not None:
        how = p.Tcp(port=facts.tcp)
    else:
        how = p.Exec(command=facts.exec or ())
    period, timeout = seconds(facts.period), seconds(facts.timeout)
    start = min(period, 3)
    starting = p.Exec(command=facts.startup_exec) if facts.startup_exec else how
    return p.Probes(
        startup=p.Check(how=starting, period=start, timeout=timeout, failures=max(1, -(-max(least, seconds(facts.startup)) // start))),
        ready=p.Check(how=how, period=period, timeout=timeout, failures=facts.failures),
        live=p.Check(how=how, period=period * 3, timeout=timeout * 2, failures=facts.failures) if facts.live else None,
    )


def resources(facts: ContainerFacts) -> p.Resources:
    """Memory and CPU as numbers: bytes and thousandths of a CPU."""
    asked = facts.resources
    return p.Resources(
        memory_request=size(asked.memory.request),
        memory_limit=size(asked.memory.limit),
        cpu_request=millicores(asked.cpu) if asked.cpu else None,
        shm=size(asked.shm) if asked.shm else None,
    )
