"""`exec`: commands inside containers."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from portable.engines.kubernetes.cluster import Cluster
from portable.engines.kubernetes.inside import exec_in
from portable.live.kubernetes.stack import KubernetesStack, refuse_unknown
from portable.live.kubernetes.status import groups_by_app, pod_of, state_of
from portable.live.kubernetes.waiting import look_at_groups
from portable.model.errors import EngineError, Refused


def execute(
    cluster: Cluster, stack: KubernetesStack, app: str, command: Sequence[str], *, interactive: bool, terminal: bool, user: str | None
) -> int:
    """Run a command in the main container of an app with this process's own input and output; its exit code."""
    if user is not None:
        text = "a cluster runs commands only as the user of the container"
        raise Refused(text, code="cluster.exec-user", where=app, remedy="leave the user out; `su` or `setpriv` may work inside")
    pod, container = _target(cluster, stack, app)

    def show(channel: int, data: bytes) -> None:
        out = sys.stdout.buffer if channel == 1 else sys.stderr.buffer
        out.write(data)
        out.flush()

    with _raw_terminal() if terminal and sys.stdin.isatty() else contextlib.nullcontext():
        return exec_in(
            cluster,
            stack.namespace,
            pod,
            container,
            command,
            show,
            given=sys.stdin.buffer if interactive else None,  # type: ignore[arg-type]  # a buffered reader has read1
            terminal=terminal,
            size=_size if terminal else None,
        )


def exec_stream(cluster: Cluster, stack: KubernetesStack, app: str, command: Sequence[str], on_line: Callable[[str], None]) -> int:
    """Run a command in an app to its end, each line that it prints to `on_line`; its exit code."""
    pod, container = _target(cluster, stack, app)
    rest = {1: b"", 2: b""}

    def take(channel: int, data: bytes) -> None:
        *lines, rest[channel] = (rest[channel] + data).split(b"\n")
        for line in lines:
            on_line(cluster.hide(line.decode(errors="replace").rstrip("\r")))

    code = exec_in(cluster, stack.namespace, pod, container, command, take)
    for last in rest.values():
        if last:
            on_line(cluster.hide(last.decode(errors="replace")))
    return code


def _target(cluster: Cluster, stack: KubernetesStack, app: str) -> tuple[str, str]:
    """The pod and container of an app. Raises EngineError where it does not run."""
    refuse_unknown(stack, (app,))
    standing = groups_by_app(look_at_groups(cluster, stack))[app]
    found = pod_of(standing, standing.group, app)
    if found is None:
        text = f"{app} is not running: {state_of(standing, app)}"
        remedy = f"`portable status` shows why; `portable up {app}` starts it"
        raise EngineError(text, code="up.not-running", where=stack.project, remedy=remedy)
    return found


def _size() -> tuple[int, int]:
    size = os.get_terminal_size()
    return size.columns, size.lines


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    """The terminal of this process in raw mode: each key goes to the command as it is."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
