"""What a browser loads for the first page of an app: its scripts and styles. A server may answer 200 without them."""

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from portable.backends.common import PlacedContainer
from portable.live.view import View
from portable.model.base import Struct
from portable.model.question import Question

FIRST_PAGE = Question(__name__, "first_page.sh")
_MOST = 40
"""Parts of a page that are fetched: more would make `verify` slow, and a page that lacks its libraries lacks one of the first."""
_SECONDS = 5.0
_WRONG_TYPES = {".js": ("text/html", "text/css", "image/"), ".mjs": ("text/html", "text/css", "image/"), ".css": ("text/html", "image/")}
"""Types with which a browser does not run a script or apply a style; a server sends its start page for files that it lacks."""
_LOCATION = re.compile(r"(?im)^\s*location:\s*(\S+)")


class Part(Struct, frozen=True, kw_only=True):
    """A script or style of a page, as it was answered."""

    address: str
    status: int
    """The HTTP status; 0 if there was no answer."""
    size: int
    """Bytes."""
    type: str
    """The media type; a dash if unknown."""

    @property
    def fault(self) -> str:
        """Why a browser cannot use it; empty if it can."""
        if self.status == 0 or self.status >= 400:
            return f"status {self.status}" if self.status else "no answer"
        if self.size == 0:
            return f"status {self.status} and 0 bytes"
        kind = urlsplit(self.address).path.rpartition(".")[2]
        wrong = _WRONG_TYPES.get(f".{kind}", ())
        return f"type {self.type}" if self.type.startswith(wrong) and wrong else ""


def parts_of(stack: View, caller: PlacedContainer, tool: str, url: str) -> tuple[Part, ...]:
    """The scripts and styles of the page at that address, fetched from a container. Empty if there is no page to fetch."""
    page = stack.inside(caller, FIRST_PAGE.command(tool, "page", url), seconds=_SECONDS * 4)
    wanted = addresses(page.text, url) if page.done else ()
    if not wanted:
        return ()
    answer = stack.inside(caller, FIRST_PAGE.command(tool, "parts", *wanted), seconds=_SECONDS * (2 * len(wanted) + 1))
    lines = [line.split() for line in answer.text.splitlines()]
    return tuple(_parts(wanted, lines)) if answer.done and len(lines) == len(wanted) else ()


def addresses(text: str, url: str) -> tuple[str, ...]:
    """The addresses of the scripts and styles that a page loads from its own server, in order. `text` also has its redirections."""
    base = url
    for location in _LOCATION.findall(text):
        base = urljoin(base, location)
    if urlsplit(base).hostname != urlsplit(url).hostname:
        return ()  # a login elsewhere
    found = _References(base)
    found.feed(text)
    own = [address for address in found.addresses if urlsplit(address)[:2] == urlsplit(base)[:2]]
    return tuple(dict.fromkeys(own))[:_MOST]


def _parts(wanted: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[Part]:
    for address, (status, size, *kind) in zip(wanted, lines, strict=True):
        yield Part(address=address, status=int(status), size=int(float(size)), type=kind[0].rstrip(";") if kind else "-")


class _References(HTMLParser):
    """Collects what the elements of a page load."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the address of a script or a style sheet."""
        values = {key: value or "" for key, value in attrs}
        if tag == "base" and values.get("href"):
            self.base = urljoin(self.base, values["href"])
        name = values.get("src", "") if tag == "script" else ""
        if tag == "link" and {"stylesheet", "modulepreload"} & set(values.get("rel", "").lower().split()):
            name = values.get("href", "")
        if name and not name.startswith("data:"):
            self.addresses.append(urljoin(self.base, name))
