"""The verbs on Compose engines: up, diff, down, restart, status, logs, exec.

Each can be killed at any moment, and completes when it is run again.
"""

import functools
import heapq
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from portable.backends.compose.address import Address
from portable.backends.compose.engine import Engine, EngineReader
from portable.backends.compose.process import Running
from portable.backends.compose.seen import Observed, Seen, seconds_of
from portable.backends.compose.trouble import EngineTrouble
from portable.backends.tunnel import LINES, TRAFFIC, Traffic, look_through, restarts, traffic
from portable.backends.tunnel import tunnels as tunnels_of
from portable.live import images
from portable.live.desired import Desired, Stack, current, desire, differing, joined
from portable.live.generate import foreseen, generate_missing
from portable.live.host import check_devices, check_mounts, check_shared, share, shared_binds
from portable.live.preflight import check_ports, check_space, refuse_foreign, refuse_shared
from portable.live.progress import Event, Once, Progress, silent
from portable.live.reconcile import NETWORK, in_order, networks_anew, reconcile, scope
from portable.live.restoring import Copying, copying, mark_copying, refuse_half_restored, started_again
from portable.live.secrets import Resolved, Source, resolve
from portable.live.state import FILE, Lock, locked, project_folder, state_home, write_private
from portable.live.taken import refuse_unready
from portable.live.tunnel import check_tunnel
from portable.live.waiting import Watch, here_now, judge
from portable.model.base import Struct
from portable.model.changes import Change
from portable.model.errors import PortableError, Refused, UsageError

_PASSES = 3
"""How often Compose is asked before what still differs is an error; the second time it is forced."""


_ASK_SECONDS = 10.0


class Row(Struct, frozen=True, kw_only=True):
    """One line of `status`: a service of an app."""

    app: str
    service: str
    state: str
    """running, exited, restarting, paused, created, missing, finished, or orphan."""
    health: str
    """healthy, starting, unhealthy, or a dash."""
    since: str
    """When it came into this state, RFC 3339; empty where it never did."""
    address: tuple[str, ...] = ()
    reason: str = ""
    """Why it is not well; empty where it is."""
    image: str = ""
    note: str = ""
    """What is worth knowing of one that is well, such as how often a gateway restarted its VPN."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What a command did, or with `dry_run` would do, and how the project is now."""

    changes: tuple[Change, ...]
    rows: tuple[Row, ...] = ()


# --- up and diff -----------------------------------------------------------------------------------------------------


def diff(
    engine: EngineReader,
    stack: Stack,
    source: Source | Resolved,
    *,
    apps: tuple[str, ...] = (),
    recipes: images.Recipes | None = None,
) -> tuple[Change, ...]:
    """What `up` would do. Needs no method that writes."""
    _known(stack, apps)
    recipes = recipes or images.recipes_of(stack.recipes)
    engine.check()
    resolved = source if isinstance(source, Resolved) else resolve(stack.secrets, source)
    check_tunnel(stack.plan, resolved)
    engine.hide = resolved.hide
    foreseen = images.foresee(engine, _images_of(engine, stack, apps), recipes)
    effective = {**images.foresee(engine, stack.images, recipes).effective, **foreseen.effective} if apps else foreseen.effective
    desired, observed = _look(engine, stack, effective, stack.environment(resolved))
    return (*foreseen.changes, *_changes(desired, observed, apps))


def up(
    engine: Engine,
    stack: Stack,
    source: Source,
    *,
    apps: tuple[str, ...] = (),
    deadline: float | None = None,
    recipes: images.Recipes | None = None,
    generated: Mapping[str, str] = {},
    progress: Progress = silent,
    held: Lock | None = None,
) -> Outcome:
    """Make the project run as desired, and wait until it is well; nothing is touched where nothing differs.

    Raises EngineTrouble, UsageError or Refused with nothing changed, where that can be known before; else what was done stays, and the same
    command goes on from there. `deadline` is in seconds, for the waiting; `generated` names secrets that are made where they are missing.
    `held` is the project's lock, where the caller has it.
    """
    _known(stack, apps)
    recipes = recipes or images.recipes_of(stack.recipes)
    engine.check()
    if generated:
        foreseen(stack.secrets, generated, source)  # raises for those that can't be made, before any is
        generate_missing(stack.secrets, generated, source, project=stack.project, progress=progress)
    resolved = resolve(stack.secrets, source)
    check_tunnel(stack.plan, resolved)
    engine.hide = resolved.hide
    variables = stack.environment(resolved)
    with locked(stack.project, "up", progress=progress, held=held) as lock:
        wanted = _started_for(plain(stack), apps)
        _refuse_half_way(stack, wanted)
        end_copies(engine, stack, wanted, held=lock, progress=progress)
        needed = _images_of(engine, stack, apps)
        if images.foresee(engine, needed, recipes).changes:
            # What stops the start is told before minutes of building, not after.
            expected = images.foresee(engine, stack.images, recipes).effective
            desired, observed = _look(engine, stack, expected, variables)
            _preflight(engine, desired, _changes(desired, observed, apps))
        found = images.resolve(engine, needed, recipes=recipes, progress=progress)
        effective = {**images.foresee(engine, stack.images, recipes).effective, **found.effective} if apps else found.effective
        desired, observed = _look(engine, stack, effective, variables)
        changes = _changes(desired, observed, apps)
        # Also who is made anew since it shares a network.
        _refuse_half_way(stack, {c.app for c in changes if c.kind != "remove"})
        for change in changes:
            progress(Event(what="doing", subject=change.service, text=f"{change.kind}: {change.cause}"))
        names = scope(desired, apps) if apps else {s.name for s in desired.services}
        # An app that was unhealthy before may be well again and not yet asked: its next check decides, not its last.
        doubted = {seen.id: seen.unwell_at for seen in current(observed).values() if seen.health == "unhealthy"}
        once, until = Once(progress), None if deadline is None else time.monotonic() + deadline
        if changes:
            _preflight(engine, desired, changes)
            share(set(shared_binds(desired.body)), local=engine.address.is_local, progress=progress)
            names |= {c.service for c in changes if c.kind != "remove" and not c.service.startswith(NETWORK)}
            work = _Work(engine, stack, effective, variables, lock, once, until, doubted)
            _carry_out(work, desired, observed, changes, apps)
        watch = Watch(engine, desired, names, once, until, doubted=doubted)
        watch.until_well()
        started_again(stack.project, wanted if apps else ())
    return Outcome(changes=(*found.changes, *changes), rows=status(engine, stack))


def _started_for(desired: Desired, apps: tuple[str, ...]) -> set[str]:
    """The apps that run once these do: they, and whom they need (all, where none is named)."""
    names = scope(desired, apps) if apps else {s.name for s in desired.services}
    return {s.app for s in desired.services if s.name in names} | set(apps)


def _refuse_half_way(stack: Stack, apps: Collection[str]) -> None:
    """Raise where one of these apps may not be started: an update or a restore of it is half-way."""
    refuse_unready(stack.taken, apps)
    refuse_half_restored(stack.project, apps)


def end_copies(engine: Engine, stack: Stack, apps: Collection[str], *, held: Lock, progress: Progress = silent) -> None:
    """End who still copies the state of one of these since its `backup --stop` was killed: it would copy what the app, started, writes."""
    for app, what in copying(stack.project).items():
        if app in apps and what.keeper:
            seen = current(engine.observe(stack.project)).get(what.keeper)
            if seen is not None and what.keeper not in apps_of(stack):
                engine.stop(seen.id)  # the profile has it no more: whoever removes it finds it stopped
            elif seen is not None and seen.state == "running":
                restart(engine, stack, apps=(what.keeper,), progress=progress, held=held)
            mark_copying(stack.project, app, Copying(again=what.again))


def _changes(desired: Desired, observed: Observed, apps: tuple[str, ...]) -> tuple[Change, ...]:
    """What must be done. Raises Refused where that would stop apps that were not named."""
    if apps and (anew := networks_anew(desired, observed)):
        causes = "; ".join(f"{change.service}: {change.cause}" for change in anew.values())
        raise Refused(f"all apps have to stop for this, not only those named: {causes}", where=desired.project, remedy="name no app")
    return reconcile(desired, observed, apps=apps)


def _preflight(engine: EngineReader, desired: Desired, changes: tuple[Change, ...]) -> None:
    """Raise what would stop the changes half-way (taken ports, a full disk, missing devices, mounts that need root), or do harm."""
    touched = [c.service for c in changes if c.kind in ("create", "recreate", "start") and not c.service.startswith(NETWORK)]
    check_ports(engine, desired, touched)
    refuse_shared(engine, desired, touched)
    check_space(engine)
    check_mounts(desired.body, local=engine.address.is_local)
    check_devices(desired.body, local=engine.address.is_local)
    check_shared(set(shared_binds(desired.body)), local=engine.address.is_local)


class _Work:
    """What carrying out needs, together."""

    def __init__(
        self,
        engine: Engine,
        stack: Stack,
        effective: Mapping[str, str],
        variables: Mapping[str, str],
        lock: Lock,
        progress: Once,
        until: float | None,
        doubted: dict[str, str],
    ) -> None:
        self.engine, self.stack, self.effective, self.variables = engine, stack, effective, variables
        self.lock, self.progress, self.until = lock, progress, until
        self.doubted = doubted
        """Container to the moment, by the engine's clock, until which its checks say nothing."""

    def look(self) -> tuple[Desired, Observed]:
        return _look(self.engine, self.stack, self.effective, self.variables)

    def watch(self, desired: Desired, names: set[str], outdated: frozenset[str] = frozenset()) -> Watch:
        return Watch(self.engine, desired, names, self.progress, self.until, outdated, self.doubted)


def _carry_out(work: _Work, desired: Desired, observed: Observed, changes: tuple[Change, ...], apps: tuple[str, ...]) -> None:
    """Each pass does what the changes say, then looks again: what Compose did not see as changed is forced in the next."""
    engine = work.engine
    force = False
    for _ in range(_PASSES):
        file = _written(desired)
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
            except EngineTrouble:
                # Compose gives up on whom an app waits for by its last check.
                if not (stale := watch.stale()):
                    raise
                work.watch(desired, stale).until_well()
                waited = True
        restarts = [name for name in in_order(desired) if any(c.service == name and c.kind == "restart" for c in changes)]
        if restarts:
            restart_in_order(engine, desired, engine.observe(desired.project), restarts, watch)
        desired, observed = work.look()
        left = reconcile(desired, observed, apps=apps)
        changes = left if waited else tuple(c for c in left if c.kind in ("create", "recreate", "restart", "remove"))
        if not changes:
            return
        force = not waited
    raise EngineTrouble(
        "failed",
        f"Docker Compose left undone: {'; '.join(c.sentence() for c in changes)}",
        where=engine.address.url,
        remedy="run the same command again; `portable --debug` before the verb shows more",
    )


def _clear_away(work: _Work, file: Path, desired: Desired, observed: Observed, changes: tuple[Change, ...]) -> None:
    """Remove what must be gone before Compose starts. Only containers and networks: no volume, ever."""
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
    # A container that was made but never started may lack the files that Compose copies in after making it; one that could not be started
    # keeps what was wrong with it, as a mount.
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
    _stop_all(engine, [c for c in gone if c.state in ("running", "restarting", "paused")])
    for seen in gone:
        engine.remove(seen.id)
    if keep_volumes:
        running = engine.compose_recreate(
            desired.project, file, sorted({c.service for c in keep_volumes}), work.variables, keep_open=(work.lock.descriptor,)
        )
        work.watch(desired, set()).alongside(running)
    taken: set[str] = set()
    for network in sorted(observed.networks, key=lambda n: not n.in_use):
        if network.key in remade or network.name in taken:
            engine.remove_network(network.id)
        taken.add(network.name)


def desired_owner(desired: Desired, name: str) -> str | None:
    """The service whose namespace that one shares."""
    return next((s.owner for s in desired.services if s.name == name), None)


def _counts(seen: Seen, observed: Observed, names: set[str]) -> bool:
    """Whether it is the container of a service that stays."""
    return seen.service in names and current(observed)[seen.service].id == seen.id


def _written(desired: Desired) -> Path:
    from portable.backends.compose import FIRST
    from portable.formats.emit import dump

    path = project_folder(desired.project) / FILE
    write_private(path, dump(dict(desired.body), compose=True, first=FIRST))
    return path


def _look(engine: EngineReader, stack: Stack, effective: Mapping[str, str], variables: Mapping[str, str]) -> tuple[Desired, Observed]:
    """Observe, and complete the desired state with what only Compose and the engine can tell."""
    from portable.formats.emit import dump

    observed = engine.observe(stack.project, effective.values())
    refuse_foreign(observed, stack.project)
    desired = desire(stack, effective, variables, observed)
    import msgspec

    if observed.containers:
        hashes = engine.config_hashes(stack.project, dump(joined(desired, observed), compose=True), variables)
        desired = msgspec.structs.replace(desired, hashes={name: frozenset((digest,)) for name, digest in hashes.items()})
        if any(seen.config_hash != hashes.get(name) for name, seen in current(observed).items()):
            desired = msgspec.structs.replace(desired, settings=_settings(desired))
    return msgspec.structs.replace(desired, image_ids=observed.images), observed


def _settings(desired: Desired) -> dict[str, tuple[str, ...]]:
    """What differs from the document of the last `up` from this machine; nothing where that is not there any more."""
    import yaml

    from portable.formats.emit import dump

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        before = yaml.load((state_home() / desired.project / FILE).read_text(), loader)  # noqa: S506  # it makes texts only
        return differing(before, yaml.load(dump(dict(desired.body), compose=True), loader))  # noqa: S506
    except (OSError, ValueError, yaml.YAMLError, AttributeError, PortableError):
        return {}


def _known(stack: Stack, apps: tuple[str, ...]) -> None:
    known = apps_of(stack)
    if unknown := [app for app in apps if app not in known]:
        raise UsageError(f"there is no app {', '.join(unknown)} in {stack.project}", remedy=f"known: {', '.join(known)}")


def apps_of(stack: Stack) -> tuple[str, ...]:
    """The names of the stack's apps."""
    return tuple(sorted({s.app for s in plain(stack).services}))


def plain(stack: Stack) -> Desired:
    """The services of a stack, without secrets and effective images: what needs no engine."""
    return desire(stack, {}, None, Observed())


def _images_of(engine: EngineReader, stack: Stack, apps: tuple[str, ...]) -> tuple[images.ImageNeed, ...]:
    """The images that these apps need, and those that run in a namespace of theirs: they are recreated with its owner."""
    if not apps:
        return stack.images
    bare, there = plain(stack), {seen.service for seen in engine.containers(stack.project)}
    wanted = scope(bare, apps)
    used = {s.image for s in bare.services if s.name in wanted or (s.owner in wanted and s.name in there)}
    return tuple(need for need in stack.images if need.reference in used)


# --- down and restart ------------------------------------------------------------------------------------------------


def down(
    engine: Engine, stack: Stack, *, apps: tuple[str, ...] = (), progress: Progress = silent, held: Lock | None = None
) -> tuple[Change, ...]:
    """Remove containers and networks of the project; volumes, folders and secrets never. Needs neither secrets nor a rendered file."""
    if apps:
        _known(stack, apps)
    engine.observe(stack.project)  # without an engine nothing is written, the lock neither
    with locked(stack.project, "down", progress=progress, held=held):
        observed = engine.observe(stack.project)
        refuse_foreign(observed, stack.project)
        chosen = [c for c in observed.containers if not apps or c.app in apps]
        ids = {c.id for c in chosen}
        chosen += [c for c in observed.containers if c.joins in ids and c.id not in ids]
        owners = {c.id: c.service or c.name for c in chosen}
        went_with = {c.id: f", with {owners[c.joins]}, whose network it shares" for c in chosen if c.joins in ids and c.id not in ids}
        changes = [
            Change(
                kind="remove",
                service=c.service or c.name,
                app=c.labels.get("portable.app", ""),
                cause=f"asked for{went_with.get(c.id, '')}; its data stays",
            )
            for c in chosen
        ]
        for level in _stop_order(chosen):
            for seen in level:
                progress(Event(what="doing", subject=seen.service or seen.name, text="stopping"))
            _stop_all(engine, [c for c in level if c.state in ("running", "restarting", "paused")])
            for seen in level:
                engine.remove(seen.id)
                progress(Event(what="done", subject=seen.service or seen.name, text=f"removed{went_with.get(seen.id, '')}"))
        if not apps:
            for network in engine.networks(stack.project):
                engine.remove_network(network.id)
                changes.append(Change(kind="remove", service=f"{NETWORK}{network.key or network.name}", cause="asked for"))
        if held is None:  # a person's own: what a killed `backup --stop` left to be started is wanted down
            started_again(stack.project, {c.app for c in changes} | set(apps) if apps else ())
    return tuple(changes)


def restart(
    engine: Engine,
    stack: Stack,
    *,
    apps: tuple[str, ...] = (),
    deadline: float | None = None,
    progress: Progress = silent,
    held: Lock | None = None,
) -> Outcome:
    """Restart apps in their order (all where none is named), with a gateway all that share its network; wait until they are well."""
    _known(stack, apps)
    engine.observe(stack.project)  # without an engine nothing is written, the lock neither
    with locked(stack.project, "restart", progress=progress, held=held):
        observed = engine.observe(stack.project)
        refuse_foreign(observed, stack.project)
        desired = plain(stack)
        there = current(observed)
        names = [s.name for s in desired.services if (not apps or s.app in apps) and not s.once]
        names += [s.name for s in desired.services if s.owner in names and s.name not in names]
        if missing := [name for name in names if name not in there or there[name].state == "created"]:
            raise EngineTrouble("failed", f"not there: {', '.join(missing)}", where=stack.project, remedy="`portable up` makes it")
        changes = tuple(
            Change(
                kind="restart",
                service=name,
                app=desired.service(name).app,
                cause="asked for"
                if desired.service(name).app in apps or not apps
                else f"it shares the network of {desired.service(name).owner}, which is restarted",
            )
            for name in in_order(desired)
            if name in names
        )
        until = None if deadline is None else time.monotonic() + deadline
        watch = Watch(engine, desired, set(names), Once(progress), until)
        restart_in_order(engine, desired, observed, names, watch)
        watch.until_well()
    return Outcome(changes=changes, rows=status(engine, stack))


def restart_in_order(engine: Engine, desired: Desired, observed: Observed, names: Sequence[str], watch: Watch) -> None:
    """Stop sharers before owners, start owners before sharers; who shares a network joins it anew by being started after its owner."""
    there = current(observed)
    chosen = [there[name] for name in names if name in there]
    for level in _stop_order(chosen):
        _stop_all(engine, level)
    for name in in_order(desired):
        if name not in names or name not in there:
            continue
        service = desired.service(name)
        before = {b for b, how in service.after.items() if how == "service_healthy" and b in names}
        while before:
            if any(v.failed and s.name in before for s, v in watch.look_in_time()):
                watch.until_well()  # tells what failed, and raises
            seen = current(engine.observe(desired.project))
            before = {b for b in before if not (b in seen and (seen[b].health in ("healthy", None)) and seen[b].state == "running")}
            if before:
                time.sleep(0.3)
        engine.start(there[name].id)


def _stop_order(chosen: Sequence[Seen]) -> list[list[Seen]]:
    """Levels: what nobody chosen depends on comes first."""
    left = {c.id: c for c in chosen}
    levels: list[list[Seen]] = []
    while left:
        needed = {c.joins for c in left.values() if c.joins}
        services = {d for c in left.values() for d in c.depends_on}
        level = [c for c in left.values() if c.id not in needed and c.service not in services]
        level = level or [c for c in left.values() if c.id not in needed] or list(left.values())
        levels.append(level)
        for seen in level:
            del left[seen.id]
    return levels


def _stop_all(engine: Engine, containers: Sequence[Seen]) -> None:
    if not containers:
        return
    with ThreadPoolExecutor(min(8, len(containers))) as pool:
        list(pool.map(lambda seen: engine.stop(seen.id), containers))


# --- looking ---------------------------------------------------------------------------------------------------------


def status(engine: EngineReader, stack: Stack, *, inside: bool = False) -> tuple[Row, ...]:
    """How every service of the project is; those that left the stack come last. With `inside` gateways are asked for their tunnels too."""
    observed = engine.observe(stack.project)
    desired, seen = plain(stack), current(observed)
    now, rows = here_now(), []
    tunnels = tunnel_rows(engine, stack, seen) if inside else {}
    names = {s.name for s in desired.services}
    shown: set[str] = set()
    for service in sorted(desired.services, key=lambda s: (s.app, s.name != s.app, s.name)):
        here = seen.get(service.name)
        address: tuple[str, ...] = ()
        if service.app not in shown and (service.name == service.app or service.app not in names):
            address = tuple(_reached(a, engine.address) for a in stack.addresses.get(service.app, ()))
            shown.add(service.app)
        if here is None:
            rows.append(
                Row(
                    app=service.app,
                    service=service.name,
                    state="missing",
                    health="-",
                    since="",
                    address=address,
                    reason="it was not created; `portable up` does",
                )
            )
            continue
        verdict = judge(service, seen, now)
        owner = seen.get(service.owner) if service.owner else None
        reason = "" if verdict.settled else verdict.reason
        if owner is not None and here.state == "running" and (here.joins != owner.id or owner.started_at > here.started_at):
            reason = f"it hangs on a network of {service.owner} that is gone; `portable up` heals it"
        why, note = tunnels.get(service.name, ("", ""))
        state = "finished" if service.once and verdict.settled else here.state
        since = here.finished_at if here.state == "exited" else here.started_at
        rows.append(
            Row(
                app=service.app,
                service=service.name,
                state=state,
                health=here.health or "-",
                since=since,
                address=address,
                reason=reason or why,
                image=here.image,
                note=note,
            )
        )
    rows += [
        Row(
            app=c.app,
            service=c.service,
            state="orphan",
            health=c.health or "-",
            since=c.started_at,
            reason="it is not part of the stack any more; `portable up` removes it",
            image=c.image,
        )
        for c in observed.containers
        if c.service not in names
    ]
    return tuple(rows)


def tunnel_rows(engine: EngineReader, stack: Stack, seen: Mapping[str, Seen]) -> dict[str, tuple[str, str]]:
    """Of each gateway with a tunnel that runs: why it is not well, and a note; what can't be learned is empty."""
    running = {name: seen[name] for name in tunnels_of(stack.plan) if name in seen and seen[name].state == "running"}
    if not running:
        return {}
    with ThreadPoolExecutor(min(8, 2 * len(running))) as pool:
        logs = {name: pool.submit(log_of, engine, here) for name, here in running.items()}
        looks = {name: pool.submit(silence_of, engine, here) for name, here in running.items()}
        found = {}
        for name, here in running.items():
            why, clock = looks[name].result()
            restarted = restarts(logs[name].result(), started=seconds_of(here.started_at), now=clock or seconds_of(here_now()))
            found[name] = (why, restarted.sentence())
    return found


def log_of(engine: EngineReader, gateway: Seen) -> Sequence[tuple[float, str]]:
    """What a gateway wrote since its start, each line with its moment; nothing where its log can't be read."""
    try:
        return engine.dated_logs(gateway.id, tail=LINES, since=seconds_of(gateway.started_at))
    except EngineTrouble:
        return ()


def silence_of(engine: EngineReader, gateway: Seen) -> tuple[str, float]:
    """Why a tunnel carries nothing, empty where it does or that is not known, and the clock of the engine's host."""

    def ask() -> Traffic | str:
        try:
            code, text = engine.ask(gateway.id, TRAFFIC, seconds=_ASK_SECONDS)
        except EngineTrouble as error:
            return error.text
        return traffic(text) if code == 0 else text

    verdict, why, clock = look_through(ask)
    return why if verdict == "silent" else "", clock


def _reached(address: str, engine: Address) -> str:
    """An app's address as seen from this machine; the loopback of another machine is said to be that."""
    if "{host}" in address or engine.host in ("127.0.0.1", "[::1]", "localhost"):
        return address.replace("{host}", engine.host)
    return f"{address} (on {engine.host})"


class Line(Struct, frozen=True, kw_only=True):
    """A line that a service wrote."""

    service: str
    text: str
    moment: str = ""


def has_logs(engine: EngineReader, stack: Stack, apps: tuple[str, ...] = ()) -> bool:
    """Whether one of the apps has a container, which wrote or may write something."""
    _known(stack, apps)
    names = {s.name for s in plain(stack).services if not apps or s.app in apps}
    return bool(names & current(engine.observe(stack.project)).keys())


def logs(
    engine: EngineReader,
    stack: Stack,
    *,
    apps: tuple[str, ...] = (),
    tail: int | None = None,
    follow: bool = False,
    resolved: Resolved | None = None,
) -> Iterator[Line]:
    """What the apps wrote, in order of time, without the values of `resolved` (by default without those that the engine hides already).

    With `follow`, goes on until all have stopped.
    """
    _known(stack, apps)
    if resolved is not None:
        engine.hide = resolved.hide
    desired, seen = plain(stack), current(engine.observe(stack.project))
    chosen = [seen[s.name] for s in desired.services if s.name in seen and (not apps or s.app in apps)]
    if not follow:
        yield from heapq.merge(
            *(_lines(c.service, engine.logs(c.id, tail=tail, timestamps=True)) for c in chosen), key=lambda line: line.moment
        )
        return
    yield from _together([functools.partial(_followed, engine, c, tail) for c in chosen])


def _followed(engine: EngineReader, seen: Seen, tail: int | None) -> Iterator[Line]:
    return _lines(seen.service, engine.follow(seen.id, tail=tail, timestamps=True))


def _lines(service: str, raw: Iterator[str]) -> Iterator[Line]:
    for text in raw:
        moment, _, rest = text.partition(" ")
        yield Line(service=service, text=rest, moment=moment)


def _together(sources: Sequence[Callable[[], Iterator[Line]]]) -> Iterator[Line]:
    """Lines of several followed logs as they come, each read by a thread of its own."""
    import queue
    import threading

    lines: queue.Queue[Line | BaseException | None] = queue.Queue(1000)

    def read(source: Callable[[], Iterator[Line]]) -> None:
        try:
            for line in source():
                lines.put(line)
            lines.put(None)
        except BaseException as error:  # noqa: BLE001  # raised where the lines are read
            lines.put(error)

    for source in sources:
        threading.Thread(target=read, args=(source,), daemon=True).start()
    open_sources = len(sources)
    while open_sources:
        line = lines.get()
        if line is None:
            open_sources -= 1
        elif isinstance(line, BaseException):
            raise line
        else:
            yield line


def execute(
    engine: Engine,
    stack: Stack,
    app: str,
    command: Sequence[str],
    *,
    service: str | None = None,
    interactive: bool = False,
    terminal: bool = False,
    user: str | None = None,
) -> int:
    """Run a command in the container of an app (its main one unless a service is named); its exit code."""
    _known(stack, (app,))
    seen = current(engine.observe(stack.project))
    name = service or next((s.name for s in plain(stack).services if s.app == app and s.name in (app, f"cloud-{app}")), app)
    if name not in seen or seen[name].state != "running":
        raise EngineTrouble(
            "failed", f"{name} is not running", where=stack.project, remedy="`portable status` shows why; `portable up` starts it"
        )
    return engine.execute(seen[name].id, command, interactive=interactive, terminal=terminal, user=user)


__all__ = [
    "Line",
    "Outcome",
    "Row",
    "Running",
    "apps_of",
    "diff",
    "down",
    "end_copies",
    "execute",
    "has_logs",
    "logs",
    "restart",
    "status",
    "up",
]
