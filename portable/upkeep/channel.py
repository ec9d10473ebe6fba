"""Sends one message through Apprise, and calls the URL of a dead man's ping. No URL appears in a text, a log or an error."""

import contextlib
import logging
import re
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from portable.model.errors import PortableError
from portable.model.plan import Notify
from portable.model.secret_refs import SecretRef
from portable.secrets.lookup import resolve
from portable.secrets.needs import Need
from portable.secrets.sources import Source
from portable.secrets.values import Resolved

SECONDS = 30.0
"""The longest wait for a channel: DNS, connection and answer. A dead one must not hold up a command."""
_PING_SECONDS = 10.0
_SEVERAL = re.compile(r"\s|,[a-z0-9+.-]+://")
_LIBRARIES = ("apprise", "urllib3", "requests")
"""Loggers that write URLs, tokens or host names of a channel."""


def url_of(ref: SecretRef, source: Source) -> str:
    """The value of the secret. Raises UsageError if it is missing."""
    need = Need(name=ref.name, key=ref.key, optional=False, apps=("notify",))
    return resolve((need,), source).of(ref.name, ref.key).strip()


def service_of(url: str) -> str:
    """The name of the service of a channel, for example ntfy. Raises PortableError for a URL that Apprise does not accept."""
    with _quiet():
        return str(_plugin(url).service_name)


def send(url: str, title: str, body: str, *, is_fault: bool = False, seconds: float = SECONDS) -> None:
    """Send one message. Raises PortableError if the channel does not accept it within `seconds`."""
    outcome: list[str | PortableError] = []

    def work() -> None:
        try:
            outcome.append(_sent(url, title, body, is_fault=is_fault))
        except PortableError as error:
            outcome.append(error)

    # A name server or a plug-in may hang for longer than its own timeout.
    thread = threading.Thread(target=work, daemon=True, name="portable-notify")
    thread.start()
    thread.join(seconds)
    why = outcome[0] if outcome else f"no answer within {seconds:g} s"
    if isinstance(why, PortableError):
        raise why
    if why:
        raise PortableError(
            f"the channel did not accept the message: {why}",
            code="notify.undelivered",
            remedy="check the channel and its secret, then run `portable notify test`",
        )


def _sent(url: str, title: str, body: str, *, is_fault: bool) -> str:
    """Send; returns the reason of a failure, empty if the channel accepted the message."""
    from apprise import NotifyFormat, NotifyType

    with _quiet() as lines:
        plugin = _plugin(url)
        kind = NotifyType.FAILURE if is_fault else NotifyType.SUCCESS
        try:
            accepted = plugin.notify(body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT)
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything, and its text may quote the URL
            return f"the service's plug-in failed with {type(error).__name__}"
    return "" if accepted else _reason(lines)


def _plugin(url: str) -> Any:
    """The service of a URL. Raises PortableError for a URL that Apprise does not accept."""
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(app_id="portable", app_desc="portable", app_url="", secure_logging=True, async_mode=False)
    try:
        # Of several URLs, Apprise would take the later ones for targets of the first.
        plugin = None if _SEVERAL.search(url) else Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    except Exception:  # noqa: BLE001 - the text of the error may quote the URL
        plugin = None
    if plugin is None:
        raise PortableError(
            "the secret does not contain one URL in the form of Apprise",
            code="notify.url",
            remedy="store one such as ntfys://ntfy.sh/TOPIC: `portable secrets set NAME`; https://appriseit.com lists all services",
        )
    return plugin


def _reason(lines: list[str]) -> str:
    """Why a service failed. Only the status code is copied from its log lines, because these quote hosts, topics and tokens."""
    text = " ".join(lines)
    if status := re.search(r"error[=: ]+([1-5]\d\d)\b", text):
        return f"status {status[1]}"
    if re.search(r"onnection|timed? ?out|SMTP|socket", text):
        return "no connection, or the server closed it"
    return "the service gave no reason"


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.INFO)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Collect the text; it is never shown."""
        with contextlib.suppress(Exception):
            self._lines.append(record.getMessage())


@contextlib.contextmanager
def _quiet() -> Iterator[list[str]]:
    """Keep log lines and warnings of the libraries off the terminal, and collect them.

    The loggers stay silent afterwards: a message that timed out may still be on its way, in a thread whose log lines quote the URL.
    """
    lines: list[str] = []
    handler = _Lines(lines)
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    for logger in loggers:
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())  # or Python would print warnings itself
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield lines
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def invalid_urls(notify: Notify, resolved: Resolved) -> Iterator[tuple[SecretRef, str]]:
    """The secrets of a section `notify` whose value is not a URL of its kind, each with the reason. No text quotes a value."""
    checks: list[tuple[SecretRef, Callable[[str], object]]] = [(ref, check_ping) for _, ref in sorted(notify.pings.items())]
    if notify.url is not None:
        checks.insert(0, (notify.url, service_of))
    for ref, check in checks:
        if value := resolved.of(ref.name, ref.key):
            try:
                check(value.strip())
            except PortableError as error:
                yield ref, error.text


def check_ping(url: str) -> None:
    """Raise PortableError for a text that cannot be the URL of a ping."""
    parts = _split(url)
    if parts is None or parts[0] not in ("http", "https") or not parts[1]:
        raise PortableError(
            "the secret of the ping does not contain an http or https URL",
            code="notify.ping",
            remedy="store the URL that the service shows: `portable secrets set NAME`",
        )


def ping(url: str) -> None:
    """Call the URL of a dead man's ping. Raises PortableError if it does not answer with success."""
    check_ping(url)
    request = urllib.request.Request(url, headers={"User-Agent": "portable"})  # noqa: S310 - the scheme was checked
    try:
        with _opener().open(request, timeout=_PING_SECONDS) as answer:
            answer.read(1024)
        return
    except urllib.error.HTTPError as error:
        why = f"status {error.code}"
    except Exception:  # noqa: BLE001 - the text of the error may quote the URL
        why = "no connection"
    raise PortableError(f"the ping was not accepted: {why}", code="notify.ping", remedy="check the URL, and whether its service works")


def _split(url: str) -> tuple[str, str | None] | None:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname
    except ValueError:
        return None


def _opener() -> urllib.request.OpenerDirector:
    """HTTP only: a redirect must not lead to a file of this machine."""
    opener = urllib.request.OpenerDirector()
    handlers: tuple[Callable[[], urllib.request.BaseHandler], ...] = (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    )
    for handler in handlers:
        opener.add_handler(handler())
    return opener
