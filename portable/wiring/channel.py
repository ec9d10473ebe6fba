"""HTTP calls to one app over any network: a `Channel` reads, a `Writer` also writes. Secrets go in headers and bodies only."""

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
from portable.model.codes import Code
from portable.model.errors import PortableError
from portable.model.secret_refs import SecretRef
from portable.wiring.wishes import Peer

_SECONDS = 60.0
"""For one answer: an app may test a new server before it answers, and gives up after some 30 s."""
_PAUSE = 1.0
_NOT_YET = (502, 503, 504)
_LONGEST_REASON = 300
_Kind = TypeVar("_Kind")


class _Socket:
    """Adapts a stream to http.client, which closes its socket after an answer's head, while the body is still unread."""

    def __init__(self, stream: Stream) -> None:
        self.sendall, self.makefile = stream.sendall, stream.makefile

    def close(self) -> None:
        """Do nothing: the owner of the stream closes it."""


class Request(Struct, frozen=True, kw_only=True):
    """A request to an app. Secrets are references in it, not values."""

    path: str
    method: str = "GET"
    json: Any = None
    form: Mapping[str, str | SecretRef] | None = None


class AppAnswer(Struct, frozen=True, kw_only=True):
    """The answer of an app."""

    status: int
    text: str
    cookie: str = ""


class Credentials(Struct, frozen=True, kw_only=True):
    """The credentials for an interface, sent with every request."""

    headers: Mapping[str, str | SecretRef] = {}
    form: Mapping[str, str | SecretRef] = {}


Reveal = Callable[[SecretRef], str]
Enter = Callable[["Channel"], Credentials]
Waiting = Callable[[str, str], None]


class Channel:
    """A read-only connection to an app: it has no method that writes. `--dry-run` uses it."""

    def __init__(self, peer: Peer, network: Network, *, enter: Enter, reveal: Reveal, waiting: Waiting, until: float) -> None:
        """Connect to nothing yet. `until` is the moment of time.monotonic() up to which an app may still be starting."""
        self.peer = peer
        self._network, self._enter, self._reveal, self._waiting, self._until = network, enter, reveal, waiting, until
        self._entry: Credentials | None = None

    def get(self, path: str, kind: type[_Kind]) -> _Kind:
        """Return the JSON that the app answers at a URL path. Raises PortableError if the request fails or the type is unexpected."""
        return self.look(Request(path=path), kind)

    def look(self, request: Request, kind: type[_Kind]) -> _Kind:
        """Return the JSON that answers a request which changes nothing. Raises PortableError like `get`."""
        answer = self._send(request)
        try:
            return msgspec.json.decode(answer.text, type=kind)
        except msgspec.DecodeError as error:  # also ValidationError: valid JSON, but not of this interface
            content = f"{self.peer.url}{request.path} returns {_short(answer.text)[:80]!r}"
            text = f"does not answer as {self.peer.speaks} does: {content}: {error}"
            remedy = f"check with `portable logs {self.peer.name}` whether another program uses its port"
            raise self.trouble(text, remedy, code="wire.unexpected-answer") from None

    def same(self, wanted: object, seen: object) -> bool:
        """Whether an app shows the wanted value. Programs of the Servarr family show asterisks for their secrets."""
        if isinstance(wanted, SecretRef):
            return seen in ("********", self._reveal(wanted))
        return wanted == seen

    def probe(self, request: Request) -> AppAnswer:
        """Return the answer to a request without credentials; waits for an app that is still starting."""
        return self._retry(request, Credentials())

    def refused(self, status: int | str = "") -> PortableError:
        """Return the error of an app that rejects its credentials; `status` is the app's own answer."""
        what = "password" if self.peer.user else "key"
        name = self.peer.secret.called
        text = f"rejects the {what} in the secret {name}{f' (answer: {status})' if status else ''}"
        remedy = f"store the {what} from the app's own settings with `portable secrets set {name}`, then run `portable wire` again"
        return self.trouble(text, remedy, code="wire.credentials-rejected")

    def trouble(self, text: str, remedy: str, *, code: Code) -> PortableError:
        """Return an error about this app."""
        return PortableError(text, code=code, where=self.peer.name, remedy=remedy)

    def _send(self, request: Request, *, patient: bool = True) -> AppAnswer:
        if self._entry is None:
            self._check_runs()
            if not self._reveal(self.peer.secret):
                name = self.peer.secret.called
                remedy = f"store the value from the app's own settings with `portable secrets set {name}`"
                raise self.trouble(f"cannot be configured: the secret {name} is not known", remedy, code="wire.secret-missing")
            self._entry = self._enter(self)
        answer = self._retry(request, self._entry, patient=patient)
        if answer.status in (401, 403):
            raise self.refused(answer.status)
        if not 200 <= answer.status < 300:
            text = f"answers {answer.status} to {request.method} {request.path}: {_reasons(answer.text)}"
            remedy = f"correct what the app names (`portable logs {self.peer.name}` may show more), then run `portable wire` again"
            raise self.trouble(text, remedy, code="wire.request-rejected")
        return answer

    def _retry(self, request: Request, entry: Credentials, *, patient: bool = True) -> AppAnswer:
        """Return the answer; a patient request is repeated while the app may still be starting."""
        while True:
            try:
                answer = self._send_once(request, entry)
                reason = f"status {answer.status}" if answer.status in _NOT_YET else ""
            except Unreachable as error:
                reason = str(error)
            if not reason:
                return answer
            self._check_runs()
            if not patient or time.monotonic() >= self._until:
                text = f"does not answer at {self.peer.url}: {reason}"
                remedy = f"run `portable logs {self.peer.name}` for the reason, then `portable wire` again"
                raise self.trouble(text, remedy, code="wire.no-answer")
            self._waiting(self.peer.name, f"waiting for an answer at {self.peer.url} ({reason})")
            time.sleep(_PAUSE)

    def _check_runs(self) -> None:
        if reason := self._network.missing(self.peer.name):
            raise self.trouble(f"does not run: its container is {reason}", f"run `portable up {self.peer.name}`", code="wire.not-running")

    def _send_once(self, request: Request, entry: Credentials) -> AppAnswer:
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
                    return AppAnswer(status=answer.status, text=text, cookie=cookie.partition(";")[0])
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


class Writer(Channel):
    """A connection to an app that can also write."""

    def send(self, request: Request) -> None:
        """Send a change, once: the app may have applied it even if no answer arrived. Raises PortableError with the app's own reason."""
        self._send(request, patient=False)


def _short(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_REASON]


def _reasons(text: str) -> str:
    """Return the reasons in an answer: programs of the Servarr family list an error for each field, others send one message."""
    try:
        content = json.loads(text)
    except ValueError:
        return _short(text)
    entries = content if isinstance(content, list) else [content]
    reasons = [str(e.get(key)) for e in entries if isinstance(e, Mapping) for key in ("errorMessage", "message", "error") if e.get(key)]
    return _short("; ".join(reasons) or text)
