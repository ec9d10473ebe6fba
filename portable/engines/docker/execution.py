"""Commands inside containers: read-only questions, commands whose output is read, and pipes."""

import queue
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from portable.engines.docker.error_rule import AGAIN
from portable.engines.docker.errors import DockerError
from portable.engines.docker.process import compose_environment
from portable.model.codes import Code
from portable.model.question import Question

if TYPE_CHECKING:
    pass

from portable.engines.docker.connection import ANSWER_SECONDS, SETTLING_SECONDS, Connection

_FRAME = 8
"""Bytes before each piece of a command's output; the last four are its length (the engine's API, Attach to a container)."""
_SILENCE_SECONDS = 60.0
"""After this silence of a streamed command, the engine is asked whether the command still runs."""


class Questions(Connection):
    """Runs read-only questions inside containers."""

    def ask(self, container: str, question: Question, *arguments: str, seconds: float = 20.0) -> tuple[int | None, str]:
        """Ask a question inside a container, as root: its exit code and output. This class can run nothing else."""
        return self._inside(container, question.command(*arguments), user="0", seconds=seconds)

    def _inside(self, container: str, command: Sequence[str], *, user: str | None, seconds: float) -> tuple[int | None, str]:
        """The common part of `Engine.inside` and `ask`."""
        from docker.errors import APIError

        ended: list[tuple[int | None, str]] = []
        failed: list[Exception] = []

        def run() -> None:
            try:
                made = self._api.exec_create(container, list(command), user=user or "")
                text = b"".join(self._demux(made["Id"])).decode(errors="replace")
                ended.append((self._exit_code(made["Id"]), text))
            except APIError as error:
                ended.append((126, str(error.explanation or error)))
            except Exception as error:  # noqa: BLE001  # raised in the thread that waits
                failed.append(error)

        with self._doing("running a command inside"):
            self._api.adapters  # noqa: B018  # connected before the thread needs it
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            thread.join(seconds)
            if failed:
                raise failed[0]
        return ended[0] if ended else (None, f"the command did not end within {seconds:.0f} s")

    def _demux(self, made: str, *, seconds: float | None = ANSWER_SECONDS) -> Iterator[bytes]:
        """Start a command, and yield its output piece by piece. Raises DockerError where the output ends within a piece.

        Not by the SDK's own `exec_start`: it reads at the socket, and skips data that arrived together with the head of the answer, for
        example by TLS on a busy machine. It also takes an answer that breaks off for a whole one (docker 7.2.0, measured).
        """
        api: Any = self._api  # its types lack the private methods
        answer = api._post_json(api._url("/exec/{0}/start", made), data={"Detach": False, "Tty": False}, stream=True, timeout=seconds)
        try:
            api._raise_for_status(answer)
            while head := answer.raw.read(_FRAME):
                length = int.from_bytes(head[4:], "big")
                piece = answer.raw.read(length) if length else b""
                if len(head) < _FRAME or len(piece) < length:
                    raise self._cut()
                yield piece
        finally:
            answer.close()

    def _exit_code(self, made: str) -> int:
        """The exit code of a command whose output has ended. Raises DockerError where it still runs: its output was cut short."""
        end = time.monotonic() + SETTLING_SECONDS
        while (state := self._api.exec_inspect(made)).get("Running") or state.get("ExitCode") is None:
            if time.monotonic() > end:
                raise self._cut()
            time.sleep(0.02)
        return int(state["ExitCode"])

    def _cut(self) -> DockerError:
        text = "the output of a command inside a container was cut short on its way from the engine"
        remedy = f"check that the engine runs (`docker version`), {AGAIN}"
        return DockerError("gone", text, code="engine.cut-short", where=self.address.url, remedy=remedy)


class Execution(Questions):
    """Runs commands inside containers."""

    def execute(
        self, container: str, command: Sequence[str], *, interactive: bool = False, terminal: bool = False, user: str | None = None
    ) -> int:
        """Run a command in a container with this process's own input and output; its exit code."""
        base = [str(part) for part in self._client().client_config.docker_cmd]
        flags = [*(["--interactive"] if interactive else []), *(["--tty"] if terminal else []), *(["--user", user] if user else [])]
        return self._docker([*base, "exec", *flags, container, *command], {}).returncode

    def inside(self, container: str, command: Sequence[str], *, user: str | None = None, seconds: float = 20.0) -> tuple[int | None, str]:
        """Run a command in a container: its exit code and its unchanged output.

        The code is None where the command did not end in `seconds`: it may hang on a mount, so it is left running, and nothing here hangs
        with it. Raises DockerError where its output was cut short on the way.
        """
        return self._inside(container, command, user=user, seconds=seconds)

    def exec_stream(self, container: str, command: Sequence[str], on_line: Callable[[str], None], *, beats: str = "") -> int:
        """Run a command in a container to its end, pass each line of its output to `on_line`, and return its exit code.

        Raises DockerError where the output was cut short on the way, or where the connection is dead. A dead connection shows only by
        silence: after a minute for a command that gives signs of life (`beats` then tells the user how to end it), and for any other
        command once the engine reports its end. The command then continues by itself.
        """
        pieces: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        with self._doing("running a command inside"):
            made = self._api.exec_create(container, list(command))["Id"]
            threading.Thread(target=_read_out, args=(self._demux(made, seconds=None), pieces), daemon=True).start()
            rest = b""
            while (chunk := self._next(made, pieces, beats)) is not None:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    on_line(line.decode(errors="replace"))
            if rest:
                on_line(rest.decode(errors="replace"))
            return self._exit_code(made)

    def _next(self, made: str, pieces: "queue.SimpleQueue[bytes | Exception | None]", beats: str) -> bytes | None:
        """The next piece of a command's output that another thread reads; None at its end."""
        while True:
            try:
                piece = pieces.get(timeout=_SILENCE_SECONDS)
            except queue.Empty:
                is_running = self._api.exec_inspect(made)["Running"]  # raises where the engine is gone
                if is_running and not beats:
                    continue
                try:
                    piece = pieces.get(timeout=1)  # it may have come meanwhile
                except queue.Empty:
                    silent = f"the command gave no sign of life for {_SILENCE_SECONDS:.0f} s"
                    text = silent if is_running else "the command ended, and its last output was lost"
                    code: Code = "engine.silent" if is_running else "engine.cut-short"
                    check = f"check the engine (`docker version`) and the network to it; {f'{beats}; ' if is_running else ''}"
                    remedy = f"{check}then run the same command again"
                    raise DockerError("gone", text, code=code, where=self.address.url, remedy=remedy) from None
            if isinstance(piece, Exception):
                raise piece
            return piece

    def piped(self, container: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        """A running command in a container with pipes for its input and output. Data written to it appears in no process list."""
        base = [str(part) for part in self._client().client_config.docker_cmd]
        config = self._config()
        try:
            process = subprocess.Popen(
                [*base, "exec", "--interactive", container, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=compose_environment({}, config.path),
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            config.close()
            raise
        weakref.finalize(process, config.close)  # the caller ends it
        return process


def _read_out(stream: Iterable[bytes], pieces: "queue.SimpleQueue[bytes | Exception | None]") -> None:
    """Read a stream to its end, in a thread: the reader of `pieces` can wait with a timeout, the stream itself has none."""
    try:
        for chunk in stream:
            pieces.put(chunk)
        pieces.put(None)
    except Exception as error:  # noqa: BLE001  # raised in the thread that waits
        pieces.put(error)
