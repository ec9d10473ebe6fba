"""`logs`: lines of several containers in order of time."""

import functools
import heapq
from collections.abc import Iterator

from portable.engines.docker.engine import EngineReader
from portable.engines.docker.observed import ObservedContainer
from portable.live.compose.apps import plain, refuse_unknown
from portable.live.compose.desired import ComposeStack, current
from portable.live.log_lines import merged_lines
from portable.live.results import LogLine
from portable.secrets.values import Resolved


def has_logs(engine: EngineReader, stack: ComposeStack, apps: tuple[str, ...] = ()) -> bool:
    """Whether one of the apps has a container."""
    refuse_unknown(stack, apps)
    names = {s.name for s in plain(stack).services if not apps or s.app in apps}
    return bool(names & current(engine.observe(stack.project)).keys())


def logs(
    engine: EngineReader,
    stack: ComposeStack,
    *,
    apps: tuple[str, ...] = (),
    tail: int | None = None,
    follow: bool = False,
    resolved: Resolved | None = None,
) -> Iterator[LogLine]:
    """The apps' log lines in order of time, without the values of `resolved` (default: without those that the engine hides).

    With `follow`, continues until all apps have stopped.
    """
    refuse_unknown(stack, apps)
    if resolved is not None:
        engine.hide = resolved.hide
    desired, seen = plain(stack), current(engine.observe(stack.project))
    chosen = [seen[s.name] for s in desired.services if s.name in seen and (not apps or s.app in apps)]
    if not follow:
        yield from heapq.merge(
            *(_lines(c.service, engine.logs(c.id, tail=tail, timestamps=True)) for c in chosen), key=lambda line: line.moment
        )
        return
    yield from merged_lines([functools.partial(_followed, engine, c, tail) for c in chosen])


def _followed(engine: EngineReader, seen: ObservedContainer, tail: int | None) -> Iterator[LogLine]:
    return _lines(seen.service, engine.follow(seen.id, tail=tail, timestamps=True))


def _lines(service: str, raw: Iterator[str]) -> Iterator[LogLine]:
    for text in raw:
        moment, _, rest = text.partition(" ")
        yield LogLine(service=service, text=rest, moment=moment)
