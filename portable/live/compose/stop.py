"""Stops containers in an order in which none loses its dependencies."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from portable.engines.docker.engine import Engine
from portable.engines.docker.observed import ObservedContainer


def stop_order(chosen: Sequence[ObservedContainer]) -> list[list[ObservedContainer]]:
    """Group containers into levels: those without dependants come first."""
    remaining = {c.id: c for c in chosen}
    levels: list[list[ObservedContainer]] = []
    while remaining:
        needed = {c.joins for c in remaining.values() if c.joins}
        services = {d for c in remaining.values() for d in c.depends_on}
        level = [c for c in remaining.values() if c.id not in needed and c.service not in services]
        level = level or [c for c in remaining.values() if c.id not in needed] or list(remaining.values())
        levels.append(level)
        for seen in level:
            del remaining[seen.id]
    return levels


def stop_all(engine: Engine, containers: Sequence[ObservedContainer]) -> None:
    """Stop containers in parallel."""
    if not containers:
        return
    with ThreadPoolExecutor(min(8, len(containers))) as pool:
        list(pool.map(lambda seen: engine.stop(seen.id), containers))
