"""Pulls images, and classifies failures."""

import re
import threading
import time
from typing import TYPE_CHECKING, Literal

from portable.engines.docker.errors import explain, statement_of
from portable.model.codes import bracketed
from portable.model.errors import EngineError
from portable.model.progress import Event, Progress
from portable.model.registry import split_reference

if TYPE_CHECKING:
    from portable.engines.docker.engine import Engine
from portable.live.heartbeat import at_work

_FIRST_WORD_SECONDS = 10.0
"""After this silence at the start of a pull, the registry counts as unreachable."""
_SILENT_SECONDS = 120.0
"""After this silence in the middle of a pull, the registry counts as unreachable."""


_OWN_WORDS = ("registry.denied", "registry.unreachable")
"""Causes that this module names itself, with the registry's host."""


class PullFailed(Exception):  # noqa: N818  # an outcome, not an error for a person
    """A failed pull: its class and reason."""

    def __init__(self, kind: Literal["unreachable", "not found", "unauthorised", "failed"], text: str) -> None:
        super().__init__(text)
        self.kind, self.text = kind, text


class Registries:
    """Pulls images during one command; a registry that did not answer once is not asked again."""

    def __init__(self, engine: "Engine", progress: Progress) -> None:
        self._engine, self._progress = engine, progress
        self._dead: dict[str, str] = {}

    def pull(self, reference: str) -> None:
        """Pull an image. Raises PullFailed."""
        host, repository, tag = split_reference(reference)
        if host == "localhost":
            raise PullFailed("not found", "images of localhost are built, never pulled")
        if host in self._dead:
            raise PullFailed("unreachable", self._dead[host])
        self._progress(Event(what="doing", subject=reference, text="pulling"))
        try:
            with at_work(self._progress, reference, "pulling"):
                self._try(repository, tag, reference)
        except PullFailed as failed:
            if failed.kind == "unreachable":
                self._dead[host] = f"the registry {host} cannot be reached"
                raise PullFailed("unreachable", self._dead[host]) from None
            raise
        self._progress(Event(what="done", subject=reference, text="pulled"))

    def _try(self, repository: str, tag: str, reference: str) -> None:
        spoken = [time.monotonic()]
        lines = 0
        outcome: list[BaseException | None] = []

        def on_line(text: str) -> None:
            nonlocal lines
            if not text.lower().startswith("pulling from"):
                lines += 1
            spoken[0] = time.monotonic()
            self._progress(Event(what="line", subject=reference, text=text))

        def work() -> None:
            try:
                self._engine.pull(repository, tag, on_line)
                outcome.append(None)
            except BaseException as error:  # noqa: BLE001  # handed to the caller's thread
                outcome.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.1)
            if time.monotonic() - spoken[0] > (_SILENT_SECONDS if lines else _FIRST_WORD_SECONDS):
                raise PullFailed("unreachable", "the registry does not answer")
        error = outcome[0]
        if error is None:
            return
        if isinstance(error, RuntimeError):
            raise pull_failure(str(error), reference)
        if isinstance(error, EngineError) and getattr(error, "kind", "") not in ("gone", "space", "refused"):
            raise pull_failure(error.text, reference)
        raise error


def pull_failure(said: str, reference: str) -> PullFailed:
    """Classify a failed pull by the text of the registry or of the engine. A known cause comes with its remedy."""
    text = said.lower()
    host = split_reference(reference)[0]
    known = explain(said, ("registry", "host", "space"))
    if known is not None and known.code not in _OWN_WORDS:
        kind: Literal["unreachable", "failed"] = "unreachable" if known.code == "registry.certificate" else "failed"
        return PullFailed(kind, f"{known.text}: {known.remedy}{bracketed(known.code)}")
    if re.search(
        r"manifest unknown|manifest for|not found: |name unknown|repository does not exist|no such image|an image is missing", text
    ):
        return PullFailed("not found", f"{host} does not have this image, or denies access to it")
    if re.search(r"unauthorized|authentication required|access denied|access to the resource is denied|forbidden|no basic auth", text):
        return PullFailed("unauthorised", f"{host} requires a login (`docker login {host}`)")
    if re.search(
        r"no such host|connection refused|i/o timeout|unreachable|tls|x509|no route|misbehaving|deadline|timed? ?out|eof|reset|dial tcp|"
        r"lookup|proxyconnect|connect:|the engine does not answer",
        text,
    ):
        return PullFailed("unreachable", f"the registry {host} cannot be reached")
    return PullFailed("failed", f"pulling failed: {statement_of(said) or 'no reason given'}")
