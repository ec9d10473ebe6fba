"""Compares desired and observed state, and returns the changes with their causes. Pure. The first rule that applies gives the cause."""

from collections.abc import Iterable, Mapping

from portable.backends.compose.files import DIGEST
from portable.backends.compose.services import Service
from portable.engines.docker.observed import Observed, ObservedContainer
from portable.live.compose.desired import FILES, SECRETS, Desired, current
from portable.model.changes import NETWORK, Change

SEEDS_ONLY = "; it is used at the first start only: an app that has settings already keeps the old value, so change it there too"
SEED_FILES_ONLY = (
    "; it is used at the first start only: an app that has settings already keeps them, so change them there too "
    "(`portable wire` adds new names of the host)"
)


def reconcile(desired: Desired, observed: Observed, *, apps: tuple[str, ...] = ()) -> tuple[Change, ...]:
    """The necessary changes in start order; empty if nothing differs. With `apps`, only for these and their dependencies."""
    pending: dict[str, Change] = {}
    seen = current(observed)
    replaced = networks_anew(desired, observed)
    for service in _in_order(desired):
        if (change := _of(service, desired, observed, seen, pending, replaced)) is not None:
            pending[service.name] = change
    wanted = scope(desired, apps) if apps else {s.name for s in desired.services}
    wanted |= {s.name for s in desired.services if s.owner in wanted and s.owner in pending and s.name in seen}
    changes = [change for name, change in pending.items() if name in wanted]
    networks = [change for key, change in sorted(replaced.items())]
    return (*(() if apps else _orphans(desired, observed)), *(() if apps else networks), *_leftovers(desired, observed, seen), *changes)


def scope(desired: Desired, apps: Iterable[str]) -> set[str]:
    """The services of these apps and all their dependencies."""
    names = {s.name: s for s in desired.services}
    todo = [s.name for s in desired.services if s.app in set(apps)]
    wanted: set[str] = set()
    while todo:
        name = todo.pop()
        if name in wanted or name not in names:
            continue
        wanted.add(name)
        todo += [*names[name].after, names[name].owner or ""]
    return wanted


def _in_order(desired: Desired) -> list[Service]:
    """Owners of a network before its sharers, dependencies before dependents; a cycle is ordered by name."""
    names = {s.name: s for s in desired.services}
    ordered: dict[str, Service] = {}
    visiting: set[str] = set()

    def visit(service: Service) -> None:
        if service.name in ordered or service.name in visiting:
            return
        visiting.add(service.name)
        for before in sorted({*service.after, *([service.owner] if service.owner else [])}):
            if before in names:
                visit(names[before])
        ordered[service.name] = service

    for service in desired.services:
        visit(service)
    return list(ordered.values())


def in_order(desired: Desired) -> tuple[str, ...]:
    """Names of the services in start order."""
    return tuple(s.name for s in _in_order(desired))


def _of(
    service: Service,
    desired: Desired,
    observed: Observed,
    seen: dict[str, ObservedContainer],
    pending: dict[str, Change],
    networks: dict[str, Change],
) -> Change | None:
    def change(kind: str, cause: str) -> Change:
        return Change(kind=kind, service=service.name, app=service.app, cause=cause)  # type: ignore[arg-type]

    container = seen.get(service.name)
    if container is None:
        return change("create", "it does not exist yet")
    if container.state in ("dead", "removing"):
        return change("recreate", f"its container is {container.state}")
    if container.state == "created":
        return change("recreate", "its container was created but never started" + (f": {container.error}" if container.error else ""))
    if container.state == "exited" and container.error:
        return change("recreate", f"it could not be started: {container.error}")
    if cause := _differs(service, desired, container):
        return change("recreate", cause)
    for network in service.networks:
        if network in networks:
            return change("recreate", f"its network {network} is recreated")
        if cause := off_network(network, container, observed):
            return change("recreate", cause)
    owner = seen.get(service.owner) if service.owner else None
    if service.owner:
        above = pending.get(service.owner)
        if above is not None and above.kind in ("create", "recreate"):
            return change("recreate", f"it shares the network of {service.owner}, which is {above.kind}d")
        if owner is not None and container.joins != owner.id:
            return change("recreate", f"it shares the network of {service.owner}, which was recreated from outside")
    if service.name in desired.hashes and container.config_hash not in desired.hashes[service.name]:
        keys = desired.settings.get(service.name)
        return change("recreate", f"its {' and '.join(keys)} changed" if keys else "its settings changed")
    if service.once:
        return (
            change("start", f"it did not finish (exit code {container.exit_code})")
            if container.state == "exited" and container.exit_code != 0
            else None
        )
    if container.state in ("exited", "paused"):
        return change("start", "it is paused" if container.state == "paused" else _why_exited(container))
    if service.owner and container.state in ("running", "restarting"):
        above = pending.get(service.owner)
        if above is not None:
            return change("restart", f"it shares the network of {service.owner}, which is {above.kind}ed")
        if owner is not None and owner.started_at > container.started_at:
            return change("restart", f"it shares the network of {service.owner}, which was restarted from outside")
    return None


def off_network(network: str, container: ObservedContainer, observed: Observed) -> str:
    """Why a running container is not on an existing network (given by its key); empty if it is."""
    names = {n.name for n in observed.networks if n.key == network}
    gone = container.state == "running" and names and not names & set(container.networks)
    return f"it was taken off the network {network} from outside" if gone else ""


def _why_exited(container: ObservedContainer) -> str:
    return "it is not running (" + ("it ran out of memory" if container.out_of_memory else f"exit code {container.exit_code}") + ")"


def _differs(service: Service, desired: Desired, container: ObservedContainer) -> str:
    """The cause if it is known exactly; other differences only show in Compose's hash."""
    if container.image != service.image:
        return f"its image changed from {container.image} to {service.image}"
    if service.image in desired.image_ids and container.image_id != desired.image_ids[service.image]:
        return f"the engine has a newer image of {service.image}"
    labels = desired.body["services"][service.name].get("labels") or {}
    if cause := _changed_files(service, labels, container):
        return cause
    if container.labels.get(SECRETS) != labels.get(SECRETS):
        called = [service.called.get(v) or v.removeprefix("PORTABLE_SECRET_").lower().replace("_", "-") for v in service.secrets]
        named = list(dict.fromkeys(called))
        changed_ones = (
            f"its {_these('secret', named)} changed"
            if len(named) == 1
            else f"one of its secrets changed ({', '.join(named)})"
            if named
            else "it no longer has a secret"
        )
        return changed_ones + (SEEDS_ONLY if service.secrets and service.seeds == service.secrets else "")
    return ""


def _changed_files(service: Service, labels: Mapping[str, str], container: ObservedContainer) -> str:
    """The cause if a config file changed, else empty. Of files with secrets, one digest covers the text around the values."""
    files = dict(part.split("=", 1) for part in container.labels.get(FILES, "").split() if "=" in part)
    changed = [name for name in sorted({*files, *service.files}) if files.get(name) != service.files.get(name)]
    text = f"its config {_these('file', changed)} changed" if changed else ""
    known = container.labels.get(DIGEST)
    if not changed and known and known != labels.get(DIGEST):
        changed = list(service.secret_files)
        one_of = f"one of its config files changed ({', '.join(changed)})" if changed else ""
        text = one_of if len(changed) != 1 else f"its config file {changed[0]} changed"
    return text + (SEED_FILES_ONLY if changed and set(changed) <= set(service.seed_files) else "")


def _these(noun: str, names: list[str]) -> str:
    return f"{noun}{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _orphans(desired: Desired, observed: Observed) -> list[Change]:
    names = {s.name for s in desired.services}
    gone = sorted({(c.service, c.labels.get("portable.app", "")) for c in observed.containers if c.service not in names})
    return [
        Change(kind="remove", service=service, app=app, cause="it is no longer part of the stack; its data stays") for service, app in gone
    ]


def _leftovers(desired: Desired, observed: Observed, seen: dict[str, ObservedContainer]) -> list[Change]:
    names = {s.name: s for s in desired.services}
    double = [c for c in observed.containers if c.service in names and c.id != seen[c.service].id]
    return [
        Change(
            kind="remove",
            service=c.name,
            app=names[c.service].app,
            cause=f"a second container of {c.service}, left by an interrupted change",
        )
        for c in double
    ]


def networks_anew(desired: Desired, observed: Observed) -> dict[str, Change]:
    """The networks, by key, that must be recreated; all containers on them must be removed first."""
    changes: dict[str, Change] = {}
    for network in observed.networks:
        wanted = desired.subnets.get(network.key)
        if wanted and network.subnets != wanted:
            cause = f"its subnet changed from {', '.join(network.subnets) or 'none'} to {', '.join(wanted)}"
            changes[network.key] = Change(kind="recreate", service=f"{NETWORK}{network.key}", cause=cause)
    return changes
