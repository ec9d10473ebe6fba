"""Commands inside containers: questions that only look, commands whose output is read, and pipes."""

import queue
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from portable.engines.docker.errors import AGAIN, EngineTrouble
from portable.engines.docker.process import compose_environment
from portable.model.question import Question

if TYPE_CHECKING:
    pass

from portable.engines.docker.connection import ANSWER_SECONDS, SETTLING_SECONDS, Connection

_FRAME = 8
"""Bytes before each piece of what a command prints; the last four are its length (the engine's API, Attach to a container)."""
_SILENCE_SECONDS = 60.0
"""How long nothing may come from a command that is attended, before it is asked whether anything still can."""


class Questions(Connection):
    """Asks inside containers, by questions that change nothing."""

    def ask(self, container: str, question: Question, *arguments: str, seconds: float = 20.0) -> tuple[int | None, str]:
        """Ask inside a container, as root: the exit code and what was printed. Nothing else can be run with this class."""
        return self._inside(container, question.command(*arguments), user="0", seconds=seconds)

    def _inside(self, container: str, command: Sequence[str], *, user: str | None, seconds: float) -> tuple[int | None, str]:
        """What `Engine.inside` and `ask` share."""
        from docker.errors import APIError

        ended: list[tuple[int | None, str]] = []
        failed: list[Exception] = []

        def run() -> None:
            try:
                made = self._api.exec_create(container, list(command), user=user or "")
                text = b"".join(self._heard(made["Id"])).decode(errors="replace")
                ended.append((self._exit_code(made["Id"]), text))
            except APIError as error:
                ended.append((126, str(error.explanation or error)))
            except Exception as error:  # noqa: BLE001  # told to who waits
                failed.append(error)

        with self._doing("running a command inside"):
            self._api.adapters  # noqa: B018  # connected before the thread needs it
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            thread.join(seconds)
            if failed:
                raise failed[0]
        return ended[0] if ended else (None, f"it did not end within {seconds:.0f} s")

    def _heard(self, made: str, *, seconds: float | None = ANSWER_SECONDS) -> Iterator[bytes]:
        """What a command prints, piece by piece, once it is started here. Raises EngineTrouble where that ends within a piece.

        Not by the SDK's own `exec_start`: it reads on at the socket, past what came in one piece with the head of the answer, as it does by
        TLS on a busy machine, and takes what breaks off for a whole answer (docker 7.2.0, measured).
        """
        api: Any = self._api  # its types know nothing of the calls that its own methods are made of
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
        """Of a command whose output has ended. Raises EngineTrouble where the command itself has not: then its answer was cut short."""
        end = time.monotonic() + SETTLING_SECONDS
        while (found := self._api.exec_inspect(made)).get("Running") or found.get("ExitCode") is None:
            if time.monotonic() > end:
                raise self._cut()
            time.sleep(0.02)
        return int(found["ExitCode"])

    def _cut(self) -> EngineTrouble:
        text = "what a command inside printed was cut short on its way from the engine"
        return EngineTrouble("gone", text, where=self.address.url, remedy=f"see whether it runs (`docker version`), {AGAIN}")


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
        """Run a command in a container: its exit code and all that it printed, as it is.

        None for one that did not end in time: it may hang on a mount, so it is left to itself, and nothing here hangs with it. Raises
        EngineTrouble where its answer was cut short on the way.
        """
        return self._inside(container, command, user=user, seconds=seconds)

    def attend(self, container: str, command: Sequence[str], on_line: Callable[[str], None], *, beats: str = "") -> int:
        """Run a command in a container to its end, each line that it prints to `on_line`; its exit code.

        Raises EngineTrouble where its answer was cut short on the way, or the connection is dead, which nothing else would tell: after a
        minute of silence of what gives signs of life (`beats` tells a person how to end it then), of any other once the engine says that
        it ended. It then goes on by itself.
        """
        said: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        with self._doing("running a command inside"):
            made = self._api.exec_create(container, list(command))["Id"]
            threading.Thread(target=_read_out, args=(self._heard(made, seconds=None), said), daemon=True).start()
            rest = b""
            while (chunk := self._next(made, said, beats)) is not None:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    on_line(line.decode(errors="replace"))
            if rest:
                on_line(rest.decode(errors="replace"))
            return self._exit_code(made)

    def _next(self, made: str, said: "queue.SimpleQueue[bytes | Exception | None]", beats: str) -> bytes | None:
        """What comes next of a command that is read elsewhere; None at its end."""
        while True:
            try:
                found = said.get(timeout=_SILENCE_SECONDS)
            except queue.Empty:
                works = self._api.exec_inspect(made)["Running"]  # raises where the engine is gone
                if works and not beats:
                    continue
                try:
                    found = said.get(timeout=1)  # what came while it was asked
                except queue.Empty:
                    text = f"it gave no sign of life for {_SILENCE_SECONDS:.0f} s" if works else "it ended, and its last words were lost"
                    how = f"see whether the engine answers (`docker version`), and what lies between; {f'{beats}; ' if works else ''}"
                    raise EngineTrouble("gone", text, where=self.address.url, remedy=f"{how}then run the same command again") from None
            if isinstance(found, Exception):
                raise found
            return found

    def piped(self, container: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        """A command at work in a container, its input and output as pipes: what is written to it is seen in no listing."""
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
        weakref.finalize(process, config.close)  # whoever asked for it ends it
        return process


def _read_out(stream: Iterable[bytes], said: "queue.SimpleQueue[bytes | Exception | None]") -> None:
    """Read a stream to its end for who waits with patience, which its own reading has without limit."""
    try:
        for chunk in stream:
            said.put(chunk)
        said.put(None)
    except Exception as error:  # noqa: BLE001  # raised where it is waited for
        said.put(error)
