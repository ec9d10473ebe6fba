"""Stopping containers in an order in which nobody loses what it depends on."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from portable.engines.docker.engine import Engine
from portable.engines.docker.observed import Seen


def stop_order(chosen: Sequence[Seen]) -> list[list[Seen]]:
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


def stop_all(engine: Engine, containers: Sequence[Seen]) -> None:
    """Stop these side by side."""
    if not containers:
        return
    with ThreadPoolExecutor(min(8, len(containers))) as pool:
        list(pool.map(lambda seen: engine.stop(seen.id), containers))
