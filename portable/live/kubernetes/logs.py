"""`logs`: lines of several containers, in order of time."""

import functools
import heapq
from collections.abc import Iterator
from typing import NamedTuple

from portable.engines.kubernetes.cluster import ClusterReader
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.inside import follow_log, log_lines
from portable.engines.kubernetes.verdict import status_of
from portable.live.kubernetes.look import pods_of
from portable.live.kubernetes.stack import KubernetesStack, refuse_unknown
from portable.live.log_lines import merged_lines
from portable.live.results import LogLine


class _Source(NamedTuple):
    service: str
    pod: str
    container: str


def has_logs(cluster: ClusterReader, stack: KubernetesStack, apps: tuple[str, ...] = ()) -> bool:
    """Whether a container of one of these apps was ever started."""
    refuse_unknown(stack, apps)
    return any(True for _ in _sources(cluster, stack, apps))


def logs(
    cluster: ClusterReader, stack: KubernetesStack, *, apps: tuple[str, ...] = (), tail: int | None = None, follow: bool = False
) -> Iterator[LogLine]:
    """The lines of the apps in order of time, without secrets. With `follow`, goes on until all have stopped."""
    refuse_unknown(stack, apps)
    sources = list(_sources(cluster, stack, apps))
    if follow:
        yield from merged_lines([functools.partial(_followed, cluster, stack.namespace, source, tail) for source in sources])
        return
    read = (_lines(source, log_lines(cluster, stack.namespace, source.pod, source.container, tail=tail)) for source in sources)
    yield from heapq.merge(*read, key=lambda line: line.moment)


def _sources(cluster: ClusterReader, stack: KubernetesStack, apps: tuple[str, ...]) -> Iterator[_Source]:
    """The containers of the apps that have written something, or may: those that were started."""
    for pod in pods_of(cluster, stack):
        group = stack.group_named(str((pod["metadata"].get("labels") or {}).get("portable/group") or ""))
        status = status_of(pod)
        started = {
            seen["name"]
            for key in ("initContainerStatuses", "containerStatuses")
            for seen in status.get(key) or ()
            if seen.get("containerID") or "running" in (seen.get("state") or {}) or "terminated" in (seen.get("state") or {})
        }
        for container, app in (group.containers if group is not None else {}).items():
            if container in started and (not apps or app in apps):
                main = group.main.get(app, app) if group is not None else ""
                yield _Source(app if container == main else container, str(pod["metadata"]["name"]), container)


def _followed(cluster: ClusterReader, namespace: str, source: _Source, tail: int | None) -> Iterator[LogLine]:
    return _lines(source, follow_log(cluster, namespace, source.pod, source.container, tail=tail))


def _lines(source: _Source, raw: Iterator[str]) -> Iterator[LogLine]:
    try:
        for text in raw:
            moment, _, rest = text.partition(" ")
            yield LogLine(service=source.service, text=rest, moment=moment)
    except ClusterError as trouble:
        if trouble.status not in (400, 404):  # the container is not there yet, or not any more
            raise
