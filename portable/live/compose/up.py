"""`up` and `diff`."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping

from portable.engines.docker.engine import Engine, EngineReader
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import Observed
from portable.live.compose import images
from portable.live.compose.apply import Work, carry_out
from portable.live.compose.apps import apps_of, images_of, plain, refuse_unknown
from portable.live.compose.desired import ComposeStack, Desired, current
from portable.live.compose.host import check_devices, check_folders, check_mounts, check_shared, share, shared_binds
from portable.live.compose.look import look
from portable.live.compose.preflight import check_ports, check_space, refuse_shared
from portable.live.compose.recipes import Recipes, recipes_of
from portable.live.compose.reconcile import networks_anew, reconcile, scope
from portable.live.compose.restart import restart
from portable.live.compose.status import status
from portable.live.compose.suitability import check_data, check_engine
from portable.live.compose.waiting import Watch
from portable.live.fences import LABEL, fences_of, refuse_fenced
from portable.live.image_updates import refuse_unready
from portable.live.restoring import Copying, copying, mark_copying, refuse_half_restored, started_again
from portable.live.results import Outcome
from portable.local.lock import Lock, locked
from portable.model.changes import NETWORK, Change
from portable.model.errors import PortableError, Refused, caught, raise_all
from portable.model.progress import Deduplicated, Event, Progress, silent
from portable.secrets.generate import foreseen, generate_missing, known_values, missing
from portable.secrets.lookup import resolve
from portable.secrets.sources import Source
from portable.secrets.values import Resolved
from portable.secrets.vpn import check_tunnel


def diff(
    engine: EngineReader,
    stack: ComposeStack,
    source: Source | Resolved,
    *,
    apps: tuple[str, ...] = (),
    recipes: Recipes | None = None,
) -> tuple[Change, ...]:
    """The changes that `up` would make; needs no method that writes."""
    foreseen, desired, observed = _foresee(engine, stack, source, apps, recipes)
    return (*foreseen.changes, *_changes(desired, observed, apps))


def rehearse(
    engine: EngineReader, stack: ComposeStack, resolved: Resolved, *, apps: tuple[str, ...] = (), recipes: Recipes | None = None
) -> tuple[Change, ...]:
    """The changes that `up` would make. Raises every problem that would stop it, together; writes nothing, secrets included."""
    refuse_unknown(stack, apps)
    engine.check()
    engine.hide = resolved.hide
    problems = caught(lambda: check_tunnel(stack.plan, resolved), lambda: _refuse_half_way(engine, stack, _started_for(plain(stack), apps)))
    return _rehearsed(engine, stack, resolved, apps, recipes or recipes_of(stack.recipes), problems)


def _rehearsed(
    engine: EngineReader,
    stack: ComposeStack,
    resolved: Resolved,
    apps: tuple[str, ...],
    recipes: Recipes,
    problems: tuple[PortableError, ...],
) -> tuple[Change, ...]:
    """The changes that `up` would make. Raises the `problems` that are known already, and all others."""
    try:
        return _looked_ahead(engine, stack, resolved, apps, recipes, problems)
    except DockerError:
        raise_all(problems)  # they need no engine; that the engine fails is an obstacle of the next run
        raise


def _looked_ahead(
    engine: EngineReader,
    stack: ComposeStack,
    resolved: Resolved,
    apps: tuple[str, ...],
    recipes: Recipes,
    problems: tuple[PortableError, ...],
) -> tuple[Change, ...]:
    needed = images_of(engine, stack, apps)
    expected = images.foresee(engine, needed, recipes)
    effective = {**images.foresee(engine, stack.images, recipes).effective, **expected.effective} if apps else expected.effective
    desired, observed = look(engine, stack, effective, stack.environment(resolved))
    try:
        changes = _changes(desired, observed, apps)
    except Refused as refused:
        problems, changes = (*problems, refused), reconcile(desired, observed, apps=apps)
    started = {c.app for c in changes if c.kind != "remove"} - _started_for(plain(stack), apps)
    problems = (
        *problems,
        *caught(lambda: _refuse_half_way(engine, stack, started), lambda: _preflight(engine, stack, desired, observed, changes)),
    )
    raise_all((*problems, *caught(lambda: images.refuse_unavailable(engine, expected, recipes, needed))))
    return (*expected.changes, *changes)


def _foresee(
    engine: EngineReader, stack: ComposeStack, source: Source | Resolved, apps: tuple[str, ...], recipes: Recipes | None
) -> tuple[images.Resolution, Desired, Observed]:
    """The images, the desired and the observed state as `up` would find them."""
    refuse_unknown(stack, apps)
    recipes = recipes or recipes_of(stack.recipes)
    engine.check()
    resolved = source if isinstance(source, Resolved) else resolve(stack.secrets, source)
    check_tunnel(stack.plan, resolved)
    engine.hide = resolved.hide
    foreseen = images.foresee(engine, images_of(engine, stack, apps), recipes)
    effective = {**images.foresee(engine, stack.images, recipes).effective, **foreseen.effective} if apps else foreseen.effective
    return (foreseen, *look(engine, stack, effective, stack.environment(resolved)))


def up(
    engine: Engine,
    stack: ComposeStack,
    source: Source,
    *,
    apps: tuple[str, ...] = (),
    deadline: float | None = None,
    recipes: Recipes | None = None,
    generated: Mapping[str, str] = {},
    progress: Progress = silent,
    held: Lock | None = None,
) -> Outcome:
    """Make the project run as planned, and wait until it is healthy. Unchanged services are not touched.

    Raises DockerError, UsageError or Refused before any change if the problem is known then; otherwise the work done stays, and the same
    command continues from there. `deadline` is the timeout of the waiting in seconds. `generated` maps the secrets that are generated if
    they are missing to their kinds. `held` is the project's lock, if the caller has it.
    """
    refuse_unknown(stack, apps)
    recipes = recipes or recipes_of(stack.recipes)
    engine.check()
    if generated and missing(stack.secrets, generated, source):
        # Store no secret for a command that is going to be refused.
        rehearse(engine, stack, foreseen(stack.secrets, generated, source), apps=apps, recipes=recipes)
        generate_missing(stack.secrets, generated, source, project=stack.project, progress=progress)
    resolved, problems = _values(stack, source)
    engine.hide = resolved.hide
    variables = stack.environment(resolved)
    with locked(stack.project, "up", progress=progress, held=held) as lock:
        wanted = _started_for(plain(stack), apps)
        if problems := (*problems, *caught(lambda: _refuse_half_way(engine, stack, wanted))):
            _rehearsed(engine, stack, resolved, apps, recipes, problems)
        end_copies(engine, stack, wanted, held=lock, progress=progress)
        needed = images_of(engine, stack, apps)
        if images.foresee(engine, needed, recipes).changes:
            # Report problems before minutes of building, not after.
            expected = images.foresee(engine, stack.images, recipes).effective
            desired, observed = look(engine, stack, expected, variables)
            if caught(lambda: _preflight(engine, stack, desired, observed, _changes(desired, observed, apps))):
                _rehearsed(engine, stack, resolved, apps, recipes, ())
        resolution = images.resolve(engine, needed, recipes=recipes, progress=progress)
        effective = {**images.foresee(engine, stack.images, recipes).effective, **resolution.effective} if apps else resolution.effective
        desired, observed = look(engine, stack, effective, variables)
        changes = _changes(desired, observed, apps)
        # Also apps that are recreated because they share a network.
        _refuse_half_way(engine, stack, {c.app for c in changes if c.kind != "remove"})
        for subject, text in _announced(changes):
            progress(Event(what="doing", subject=subject, text=text))
        names = scope(desired, apps) if apps else {s.name for s in desired.services}
        doubted = _doubted(observed)
        once, until = Deduplicated(progress), None if deadline is None else time.monotonic() + deadline
        if changes:
            _preflight(engine, stack, desired, observed, changes, progress)
            share(set(shared_binds(desired.body)), local=engine.address.is_local, progress=progress)
            names |= {c.service for c in changes if c.kind != "remove" and not c.service.startswith(NETWORK)}
            work = Work(engine, stack, effective, variables, lock, once, until, doubted)
            carry_out(work, desired, observed, changes, apps)
        Watch(engine, desired, names, once, until, doubted=doubted).until_well()
        started_again(stack.project, wanted if apps else ())
    return Outcome(changes=(*resolution.changes, *changes), rows=status(engine, stack))


def _doubted(observed: Observed) -> dict[str, str]:
    """The containers that were unhealthy before, each with the end of that check. They may have recovered: the next check decides."""
    return {seen.id: seen.unwell_at for seen in current(observed).values() if seen.health == "unhealthy"}


def _values(stack: ComposeStack, source: Source) -> tuple[Resolved, tuple[PortableError, ...]]:
    """The values of the stack's secrets, and what is wrong with them; then only the values that exist."""
    try:
        resolved = resolve(stack.secrets, source)
    except PortableError as error:
        return known_values(stack.secrets, source), (error,)
    return resolved, caught(lambda: check_tunnel(stack.plan, resolved))


def _announced(changes: Iterable[Change]) -> Iterator[tuple[str, str]]:
    """The changes as subjects and texts; containers that are created for the same cause share one line."""
    created: dict[str, list[str]] = {}
    for change in changes:
        if change.kind == "create":
            created.setdefault(change.cause, []).append(change.service)
        else:
            yield change.service, f"{change.kind}: {change.cause}"
    for cause, names in created.items():
        yield ", ".join(names), f"create: {cause}"


def _started_for(desired: Desired, apps: tuple[str, ...]) -> set[str]:
    """These apps and their dependencies (all apps if none is named)."""
    names = scope(desired, apps) if apps else {s.name for s in desired.services}
    return {s.app for s in desired.services if s.name in names} | set(apps)


def _refuse_half_way(engine: EngineReader, stack: ComposeStack, apps: Collection[str]) -> None:
    """Raise if one of these apps may not be started, since an update or a restore of it is not finished, or it moves."""
    refuse_unready(stack.taken, apps)
    refuse_half_restored(stack.project, apps)
    refuse_fenced(fences_of(engine.notes(stack.project, LABEL)), apps, stack.project)


def end_copies(engine: Engine, stack: ComposeStack, apps: Collection[str], *, held: Lock, progress: Progress = silent) -> None:
    """End copies of these apps' state that a killed `backup --stop` left running: they would copy data that a started app writes."""
    for app, what in copying(stack.project).items():
        if app in apps and what.backup_runner:
            seen = current(engine.observe(stack.project)).get(what.backup_runner)
            if seen is not None and what.backup_runner not in apps_of(stack):
                engine.stop(seen.id)  # it is no longer part of the profile
            elif seen is not None and seen.state == "running":
                restart(engine, stack, apps=(what.backup_runner,), progress=progress, held=held)
            mark_copying(stack.project, app, Copying(again=what.again))


def _changes(desired: Desired, observed: Observed, apps: tuple[str, ...]) -> tuple[Change, ...]:
    """The necessary changes. Raises Refused if they would stop apps that were not named."""
    if apps and (anew := networks_anew(desired, observed)):
        causes = "; ".join(f"{change.service}: {change.cause}" for change in anew.values())
        raise Refused(
            f"this change stops all apps, not only the named ones: {causes}",
            code="up.stops-all",
            where=desired.project,
            remedy="run `portable up` without names of apps",
        )
    return reconcile(desired, observed, apps=apps)


def _preflight(
    engine: EngineReader,
    stack: ComposeStack,
    desired: Desired,
    observed: Observed,
    changes: tuple[Change, ...],
    progress: Progress = silent,
) -> None:
    """Raise every problem that would stop the changes halfway (ports, disk, devices, mounts, folders), or that would do harm."""
    touched = [c.service for c in changes if c.kind in ("create", "recreate", "start") and not c.service.startswith(NETWORK)]
    body, local = desired.body, engine.address.is_local
    problems = caught(
        lambda: check_engine(engine, desired, progress),
        lambda: check_data(engine, stack, desired, observed, changes, progress),
        lambda: check_ports(engine, desired, touched),
        lambda: refuse_shared(engine, desired, touched),
        lambda: check_space(engine),
        lambda: check_mounts(body, local=local),
        lambda: check_folders(body, local=local),
        lambda: check_devices(body, local=local),
        lambda: check_shared(set(shared_binds(body)), local=local),
    )
    raise_all(problems)
