"""`down`."""

from portable.engines.docker.engine import Engine
from portable.live.compose.apps import refuse_unknown
from portable.live.compose.desired import ComposeStack
from portable.live.compose.preflight import refuse_foreign
from portable.live.compose.stop import stop_all, stop_order
from portable.live.restoring import started_again
from portable.local.lock import Lock, locked
from portable.model.changes import NETWORK, Change
from portable.model.progress import Event, Progress, silent


def down(
    engine: Engine, stack: ComposeStack, *, apps: tuple[str, ...] = (), progress: Progress = silent, held: Lock | None = None
) -> tuple[Change, ...]:
    """Remove containers and networks of the project, never volumes, folders or secrets. Needs neither secrets nor a rendered file."""
    if apps:
        refuse_unknown(stack, apps)
    engine.observe(stack.project)  # without an engine nothing is written, not even the lock
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
        for level in stop_order(chosen):
            for seen in level:
                progress(Event(what="doing", subject=seen.service or seen.name, text="stopping"))
            stop_all(engine, [c for c in level if c.state in ("running", "restarting", "paused")])
            for seen in level:
                engine.remove(seen.id)
                progress(Event(what="done", subject=seen.service or seen.name, text=f"removed{went_with.get(seen.id, '')}"))
        if not apps:
            for network in engine.networks(stack.project):
                engine.remove_network(network.id)
                changes.append(Change(kind="remove", service=f"{NETWORK}{network.key or network.name}", cause="asked for"))
        if held is None:  # called by the user: apps that a killed `backup --stop` left to be started stay down
            started_again(stack.project, {c.app for c in changes} | set(apps) if apps else ())
    return tuple(changes)
