"""Applies changes with Docker Compose in several passes, and removes containers that must be gone before."""

from collections.abc import Mapping
from pathlib import Path

from portable.engines.docker.engine import Engine
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import Observed, ObservedContainer
from portable.live.compose.desired import ComposeStack, Desired, current
from portable.live.compose.look import look
from portable.live.compose.reconcile import in_order, reconcile
from portable.live.compose.restart import restart_in_order
from portable.live.compose.stop import stop_all
from portable.live.compose.waiting import Watch
from portable.live.last_images import note_images
from portable.local.files import write_private
from portable.local.folders import FILE, project_folder
from portable.local.lock import Lock
from portable.model.changes import NETWORK, Change
from portable.model.progress import Deduplicated

_PASSES = 3
"""Runs of Compose before a remaining difference is an error; from the second run on, Compose is forced to recreate."""


class Work:
    """The common arguments of one application of changes."""

    def __init__(
        self,
        engine: Engine,
        stack: ComposeStack,
        effective: Mapping[str, str],
        variables: Mapping[str, str],
        lock: Lock,
        progress: Deduplicated,
        until: float | None,
        doubted: dict[str, str],
    ) -> None:
        self.engine, self.stack, self.effective, self.variables = engine, stack, effective, variables
        self.lock, self.progress, self.until = lock, progress, until
        self.doubted = doubted
        """Id of a container to the time, by the engine's clock, before which its health checks are ignored."""

    def look(self) -> tuple[Desired, Observed]:
        """The present desired and observed state."""
        return look(self.engine, self.stack, self.effective, self.variables)

    def watch(self, desired: Desired, names: set[str], outdated: frozenset[str] = frozenset()) -> Watch:
        """A watch over these services with the common timeout."""
        return Watch(self.engine, desired, names, self.progress, self.until, outdated, self.doubted)


def carry_out(work: Work, desired: Desired, observed: Observed, changes: tuple[Change, ...], apps: tuple[str, ...]) -> None:
    """Apply the changes and observe again, in several passes. Changes that Compose did not notice are forced in the next pass."""
    engine = work.engine
    note_images(desired.project, _images(desired, observed, changes))
    force = False
    for _ in range(_PASSES):
        file = written_document(desired)
        _clear_away(work, file, desired, observed, changes)
        services = [
            name for name in in_order(desired) if any(c.service == name and c.kind in ("create", "recreate", "start") for c in changes)
        ]
        for seen in current(observed).values():
            if seen.state == "paused" and seen.service in services:
                work.doubted[seen.id] = engine.unpause(seen.id)
        outdated = frozenset(
            seen.id for seen in current(observed).values() if any(c.service == seen.service and c.kind == "recreate" for c in changes)
        )
        watch = work.watch(desired, {c.service for c in changes if c.service in {s.name for s in desired.services}}, outdated)
        waited = False
        if services:
            try:
                watch.alongside(
                    engine.compose_up(desired.project, file, services, work.variables, force=force, keep_open=(work.lock.descriptor,))
                )
            except DockerError:
                # Compose gives up if the last health check of a dependency failed, even if that check is outdated.
                if not (stale := watch.stale()):
                    raise
                work.watch(desired, stale).until_well()
                waited = True
        restarts = [name for name in in_order(desired) if any(c.service == name and c.kind == "restart" for c in changes)]
        if restarts:
            restart_in_order(engine, desired, engine.observe(desired.project), restarts, watch)
        desired, observed = work.look()
        remaining = reconcile(desired, observed, apps=apps)
        changes = remaining if waited else tuple(c for c in remaining if c.kind in ("create", "recreate", "restart", "remove"))
        if not changes:
            return
        force = not waited
    raise DockerError(
        "failed",
        f"Docker Compose did not make these changes: {'; '.join(c.sentence() for c in changes)}",
        code="up.incomplete",
        where=engine.address.url,
        remedy="run the same command again, with `portable --debug` before the verb to see the output of Compose",
    )


def _images(desired: Desired, observed: Observed, changes: tuple[Change, ...]) -> dict[str, tuple[str, str]]:
    """App and image of each service: those that run, and those that are about to."""
    started = {change.service for change in changes if change.kind in ("create", "recreate")}
    running = {seen.service: (seen.app, seen.image) for seen in current(observed).values()}
    return {**running, **{service.name: (service.app, service.image) for service in desired.services if service.name in started}}


def _clear_away(work: Work, file: Path, desired: Desired, observed: Observed, changes: tuple[Change, ...]) -> None:
    """Remove containers and networks that must be gone before Compose starts; never a volume."""
    engine = work.engine
    names = {s.name for s in desired.services}
    gone = [
        c
        for c in observed.containers
        if any(ch.kind == "remove" and ch.service in (c.service, c.name) for ch in changes) and not _counts(c, observed, names)
    ]
    remade = {ch.service.removeprefix(NETWORK) for ch in changes if ch.kind == "recreate" and ch.service.startswith(NETWORK)}
    if remade:
        on_them = {s.name for s in desired.services if set(s.networks) & remade}
        gone += [c for c in observed.containers if c.service in on_them or desired_owner(desired, c.service) in on_them]
    # A container that was created but never started may lack files, which Compose copies in after creating it. One that could not be
    # started keeps its fault, for example a wrong mount.
    half = [
        c
        for c in observed.containers
        if (c.state == "created" or (c.state == "exited" and c.error))
        and c.service in names
        and c not in gone
        and any(ch.service == c.service for ch in changes)
    ]
    keep_volumes = [c for c in half if c.anonymous_volumes and (c.replaces or c.state == "exited")]
    gone += [c for c in half if c not in keep_volumes]
    stop_all(engine, [c for c in gone if c.state in ("running", "restarting", "paused")])
    for seen in gone:
        engine.remove(seen.id)
    if keep_volumes:
        running = engine.compose_recreate(
            desired.project, file, sorted({c.service for c in keep_volumes}), work.variables, keep_open=(work.lock.descriptor,)
        )
        work.watch(desired, set()).alongside(running)
    kept_names: set[str] = set()
    for network in sorted(observed.networks, key=lambda n: not n.in_use):
        if network.key in remade or network.name in kept_names:
            engine.remove_network(network.id)
        kept_names.add(network.name)


def desired_owner(desired: Desired, name: str) -> str | None:
    """The service whose network namespace a service shares; None for its own."""
    return next((s.owner for s in desired.services if s.name == name), None)


def _counts(seen: ObservedContainer, observed: Observed, names: set[str]) -> bool:
    """Whether it is the current container of a service of the stack."""
    return seen.service in names and current(observed)[seen.service].id == seen.id


def written_document(desired: Desired) -> Path:
    """Write the document for Compose in the project's private folder; returns its path."""
    from portable.backends.output import COMPOSE_FIRST
    from portable.formats.emit import dump

    path = project_folder(desired.project) / FILE
    write_private(path, dump(dict(desired.body), compose=True, first=COMPOSE_FIRST))
    return path
