"""Calls to one app by HTTP over whatever network reaches it: a `Line` looks, a `Pen` also writes. Secrets go in headers and bodies only."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from portable.live.network import Network, Stream, Unreachable
from portable.model.base import Struct
from portable.model.errors import PortableError
from portable.model.plan import SecretRef
from portable.wiring.wishes import Peer

_SECONDS = 60.0
"""For one answer: who is told of a server may try it before it answers, and gives up after some 30 s."""
_PAUSE = 1.0
_NOT_YET = (502, 503, 504)
_LONGEST_SAID = 300
_Kind = TypeVar("_Kind")


class _Socket:
    """A stream as http.client wants it; it closes what it got with the head of an answer, while the rest is still to be read."""

    def __init__(self, stream: Stream) -> None:
        self.sendall, self.makefile = stream.sendall, stream.makefile

    def close(self) -> None:
        """Left to whoever made the stream."""


class Request(Struct, frozen=True, kw_only=True):
    """What is asked of an app. Values of secrets stand in it as references."""

    path: str
    method: str = "GET"
    json: Any = None
    form: Mapping[str, str | SecretRef] | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """What an app answered."""

    status: int
    text: str
    cookie: str = ""


class Entry(Struct, frozen=True, kw_only=True):
    """What opens an interface: goes with every request."""

    headers: Mapping[str, str | SecretRef] = {}
    form: Mapping[str, str | SecretRef] = {}


Reveal = Callable[[SecretRef], str]
Enter = Callable[["Line"], Entry]
Waiting = Callable[[str, str], None]


class Line:
    """An app that can only be looked at: this class has no method that writes. What `--dry-run` gets."""

    def __init__(self, peer: Peer, network: Network, *, enter: Enter, reveal: Reveal, waiting: Waiting, until: float) -> None:
        """Calls nobody yet. `until` is a moment of time.monotonic() up to which an app may still be starting."""
        self.peer = peer
        self._network, self._enter, self._reveal, self._waiting, self._until = network, enter, reveal, waiting, until
        self._entry: Entry | None = None

    def get(self, path: str, kind: type[_Kind]) -> _Kind:
        """The JSON at that path. Raises PortableError with the reason and what to do, also where it is of another kind."""
        return self.look(Request(path=path), kind)

    def look(self, request: Request, kind: type[_Kind]) -> _Kind:
        """The JSON that a request gives which changes nothing."""
        answer = self._asked(request)
        try:
            return msgspec.json.decode(answer.text, type=kind)
        except msgspec.DecodeError as error:  # also ValidationError: it is JSON, and something else than is known of the interface
            what = f"{self.peer.url}{request.path} gives {_short(answer.text)[:80]!r}: {error}"
            text = f"it answers otherwise than {self.peer.speaks} is known to: {what}"
            raise self.trouble(text, f"another program may have its port: `portable logs {self.peer.name}`") from None

    def same(self, wanted: object, seen: object) -> bool:
        """Whether that is what an app shows. Programs of the Servarr family show stars for the secrets that they hold."""
        if isinstance(wanted, SecretRef):
            return seen in ("********", self._reveal(wanted))
        return wanted == seen

    def knock(self, request: Request) -> Answer:
        """The answer to a request without anything that opens the interface; waits for an app that is still starting."""
        return self._answered(request, Entry())

    def refused(self, status: int | str = "") -> PortableError:
        """The error of an app that does not take what should open it."""
        what = "password" if self.peer.user else "key"
        name = self.peer.secret.called
        text = f"it does not take the {what} of the secret {name}{f' (it answers {status})' if status else ''}"
        return self.trouble(text, f"`portable secrets set {name}` stores the one that it has, as its own settings show it; then again")

    def trouble(self, text: str, remedy: str) -> PortableError:
        """An error about this app."""
        return PortableError(text, where=self.peer.name, remedy=remedy)

    def _asked(self, request: Request, *, patient: bool = True) -> Answer:
        if self._entry is None:
            self._check_runs()
            if not self._reveal(self.peer.secret):
                name = self.peer.secret.called
                text = f"the secret {name} is not known, so nobody can talk to it"
                raise self.trouble(text, f"`portable secrets set {name}` stores the one that it has")
            self._entry = self._enter(self)
        answer = self._answered(request, self._entry, patient=patient)
        if answer.status in (401, 403):
            raise self.refused(answer.status)
        if not 200 <= answer.status < 300:
            text = f"it answers {answer.status} to {request.method} {request.path}: {_said(answer.text)}"
            raise self.trouble(text, f"`portable logs {self.peer.name}` may say more; then `portable wire` again")
        return answer

    def _answered(self, request: Request, entry: Entry, *, patient: bool = True) -> Answer:
        """Its answer; a patient request is made again while the app may still be starting."""
        while True:
            try:
                answer = self._once(request, entry)
                reason = f"it answers {answer.status}" if answer.status in _NOT_YET else ""
            except Unreachable as error:
                reason = str(error)
            if not reason:
                return answer
            self._check_runs()
            if not patient or time.monotonic() >= self._until:
                text = f"it does not answer at {self.peer.url}: {reason}"
                raise self.trouble(text, f"`portable status` and `portable logs {self.peer.name}` say why; then `portable wire` again")
            self._waiting(self.peer.name, f"waiting for it to answer at {self.peer.url} ({reason})")
            time.sleep(_PAUSE)

    def _check_runs(self) -> None:
        if reason := self._network.missing(self.peer.name):
            raise self.trouble(f"it does not run: it is {reason}", f"`portable up {self.peer.name}`")

    def _once(self, request: Request, entry: Entry) -> Answer:
        headers = {name: self._value(value) for name, value in entry.headers.items()} | {"Connection": "close"}
        body = None
        if request.form is not None:
            body = urlencode({name: self._value(value) for name, value in {**entry.form, **request.form}.items()})
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif request.json is not None:
            body = json.dumps(self._filled(request.json))
            headers["Content-Type"] = "application/json"
        try:
            with self._network.connect(self.peer.name, self.peer.port) as stream:
                timer = threading.Timer(_SECONDS, stream.shutdown, (socket.SHUT_RDWR,))
                timer.start()
                try:
                    connection = http.client.HTTPConnection(self.peer.name, self.peer.port)
                    connection.sock = _Socket(stream)
                    connection.request(request.method, request.path, body, headers)
                    answer = connection.getresponse()
                    text = answer.read().decode(errors="replace")
                    cookie = answer.getheader("Set-Cookie") or ""
                    return Answer(status=answer.status, text=text, cookie=cookie.partition(";")[0])
                finally:
                    timer.cancel()
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise Unreachable(str(error) or type(error).__name__) from None

    def _value(self, value: str | SecretRef) -> str:
        return self._reveal(value) if isinstance(value, SecretRef) else value

    def _filled(self, value: Any) -> Any:
        if isinstance(value, SecretRef):
            return self._reveal(value)
        if isinstance(value, Mapping):
            return {key: self._filled(item) for key, item in value.items()}
        return [self._filled(item) for item in value] if isinstance(value, list | tuple) else value


class Pen(Line):
    """An app that can be told."""

    def tell(self, request: Request) -> None:
        """Send what changes it, once: it may have been taken though no answer came. Raises PortableError with the app's own reason."""
        self._asked(request, patient=False)


def _short(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_SAID]


def _said(text: str) -> str:
    """The reasons in an answer: programs of the Servarr family list what is wrong with each field, others have one message."""
    try:
        found = json.loads(text)
    except ValueError:
        return _short(text)
    every = found if isinstance(found, list) else [found]
    reasons = [str(e.get(key)) for e in every if isinstance(e, Mapping) for key in ("errorMessage", "message", "error") if e.get(key)]
    return _short("; ".join(reasons) or text)
