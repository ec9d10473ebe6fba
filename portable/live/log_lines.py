"""Lines of followed logs, read side by side: the same for every engine."""

from collections.abc import Callable, Iterator, Sequence

from portable.live.results import LogLine

_MOST_WAITING = 1000
"""Lines that wait to be printed; a log that writes faster waits."""


def merged_lines(sources: Sequence[Callable[[], Iterator[LogLine]]]) -> Iterator[LogLine]:
    """Merge several followed logs in order of arrival; a thread reads each. Raises the error of a source."""
    import queue  # only for `logs --follow`
    import threading

    lines: queue.Queue[LogLine | BaseException | None] = queue.Queue(_MOST_WAITING)

    def read(source: Callable[[], Iterator[LogLine]]) -> None:
        try:
            for line in source():
                lines.put(line)
            lines.put(None)
        except BaseException as error:  # noqa: BLE001  # raised where the lines are read
            lines.put(error)

    for source in sources:
        threading.Thread(target=read, args=(source,), name="log", daemon=True).start()
    open_sources = len(sources)
    while open_sources:
        line = lines.get()
        if line is None:
            open_sources -= 1
        elif isinstance(line, BaseException):
            raise line
        else:
            yield line
