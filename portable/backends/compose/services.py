"""The services of a project for the driver: network owners, start order, ports, files and secrets, all from the plan."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from portable.backends.common import Index, PlacedContainer, containers, index
from portable.backends.compose.init import SCRIPT, init, seeds
from portable.backends.compose.jobs import mounted_script
from portable.backends.compose.names import INIT, app_service, owner_of, service_name
from portable.backends.compose.network import NETWORK, network
from portable.backends.compose.order import order
from portable.model.base import Struct
from portable.model.plan import Container, File, Plan
from portable.model.variables import secret_variable

_DIGEST_LENGTH = 12


class ServicePort(Struct, frozen=True, kw_only=True):
    """A published port."""

    number: int
    protocol: str
    address: str


class Service(Struct, frozen=True, kw_only=True):
    """One service of a project, with the fields that reconciliation uses."""

    name: str
    app: str
    image: str
    owner: str | None = None
    """The service whose network namespace it shares."""
    after: Mapping[str, str] = {}
    """Service to wait for -> condition of Compose, for example `service_healthy`."""
    once: bool = False
    """Whether it runs once and then ends."""
    ports: tuple[ServicePort, ...] = ()
    files: Mapping[str, str] = {}
    """Config file -> digest of its content."""
    secrets: tuple[str, ...] = ()
    """Variables with the values of its secrets."""
    secret_files: tuple[str, ...] = ()
    """Config files with secrets in them: of their text only one digest for all files is known."""
    seeds: tuple[str, ...] = ()
    """The variables that only fill files for an app's first start."""
    seed_files: tuple[str, ...] = ()
    """The config files for an app's first start."""
    called: Mapping[str, str] = {}
    """Variable of a whole file -> the secrets in it, as `portable secrets` names them."""
    networks: tuple[str, ...] = ()


def planned_services(plan: Plan) -> tuple[Service, ...]:
    """Return all services of a plan, sorted by name."""
    known = index(plan)
    services = [_service(placed, known) for placed in containers(plan) if placed.app or placed.cloud]
    return tuple(sorted((*services, _init(known)), key=lambda service: service.name))


def subnets(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the configured subnets, by network."""
    return {NETWORK: (plan.subnet,)} if plan.subnet else {}


def published_ports(entries: Iterable[Mapping[str, Any] | str]) -> tuple[ServicePort, ...]:
    """Return the published ports of a service, from Compose's long form, or from the short form that a patch may use.

    Ranges and ports without a host port are omitted: the engine chooses their number.
    """
    ports = []
    for entry in entries:
        form = _long_form(entry) if isinstance(entry, str) else entry
        if str(form.get("published") or "").isdigit():
            protocol, address = str(form.get("protocol") or "tcp"), str(form.get("host_ip") or "")
            ports.append(ServicePort(number=int(form["published"]), protocol=protocol, address=address))
    return tuple(ports)


def _long_form(entry: str) -> dict[str, str]:
    """Return the long form of `[ADDRESS:]NUMBER:INSIDE[/PROTOCOL]`; `published` is empty if there is no host port."""
    ports, _, protocol = entry.partition("/")
    host, _, _ = ports.rpartition(":")
    address, _, number = host.rpartition(":")
    return {"published": number, "protocol": protocol, "host_ip": address.strip("[]")}


def _service(placed: PlacedContainer, known: Index) -> Service:
    waits, mine = mounted_script(placed), _files(placed.container, known)
    used = [*([waits[0]] if waits else ()), *mine]
    owner = _owner(placed, known)
    keys = network(placed, known).keys
    return Service(
        name=service_name(placed),
        app=placed.app.name if placed.app else service_name(placed),
        image=placed.container.image.reference,
        owner=owner,
        after={name: how["condition"] for name, how in sorted(order(placed, known).keys.get("depends_on", {}).items())},
        ports=published_ports(keys.get("ports", ())),
        files=_digests(used),
        secrets=tuple(sorted({*_variables(placed.container), *(secret_variable(file.id) for file in used if file.is_secret)})),
        secret_files=_with_secrets(used),
        called=_called(used),
        networks=() if "network_mode" in keys else tuple(sorted(keys.get("networks", (NETWORK,)))),
    )


def _init(known: Index) -> Service:
    tools, seeded = known.plan.tools, seeds(known)
    mounted = frozenset(mount.volume for placed in containers(known.plan) for mount in placed.container.mounts)
    script = File(id=SCRIPT, body=(init(known, mounted).script[SCRIPT]["content"],))
    used = [script, *seeded, *_files(tools, known)]
    only_seeds = {secret_variable(file.id) for file in seeded if file.is_secret} - set(_variables(tools))
    return Service(
        name=INIT,
        app=INIT,
        image=tools.image.reference,
        once=True,
        files=_digests(used),
        secrets=tuple(sorted({*_variables(tools), *(secret_variable(file.id) for file in used if file.is_secret)})),
        secret_files=_with_secrets(used),
        seeds=tuple(sorted(only_seeds)),
        seed_files=tuple(sorted(file.id for file in seeded)),
        called=_called(used),
    )


def _owner(placed: PlacedContainer, known: Index) -> str | None:
    """Return the service whose network it shares; None for a service with its own network, or without one."""
    group = known.group_of.get(placed.app.name) if placed.app else None
    owner = owner_of(group, known) if group else None
    return None if owner is None or placed.container is owner[1] else app_service(*owner)


def _files(container: Container, known: Index) -> list[File]:
    """Return the files that the container mounts, except seeds."""
    return [known.files[mount.file] for mount in container.files if not mount.seed and mount.file in known.files]


def _digests(files: Iterable[File]) -> dict[str, str]:
    """Return a digest of the content of each file that has no secret."""
    texts = {file.id: "".join(str(part) for part in file.body) for file in files if not file.is_secret}
    return {name: hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH] for name, text in sorted(texts.items())}


def _with_secrets(files: Iterable[File]) -> tuple[str, ...]:
    """Return the files that contain secrets."""
    return tuple(sorted(file.id for file in files if file.is_secret))


def _variables(container: Container) -> list[str]:
    """Return the variables of the container's secrets: in its environment, and mounted by key."""
    return [secret_variable(ref.name, ref.key) for ref in container.secret_refs]


def _called(files: Iterable[File]) -> dict[str, str]:
    """Return the names of the secrets in each file, by the variable that holds the whole file."""
    return {secret_variable(file.id): ", ".join(sorted({ref.name for ref in file.secret_refs})) for file in files if file.is_secret}
