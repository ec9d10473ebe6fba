"""Translates what the engine, its SDK, Compose and ssh complain about into one error family, at this one place. Does no I/O."""

import re
from typing import Literal
from urllib.parse import urlsplit

from portable.model.errors import EngineError, UnhealthyError

Kind = Literal["absent", "refused", "old", "gone", "slow", "port", "space", "image", "mount", "tls", "name", "failed"]


class EngineTrouble(EngineError):  # noqa: N818  # a family of errors has its base's suffix already
    """An EngineError whose kind a program can tell."""

    def __init__(self, kind: Kind, text: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(text, where=where, remedy=remedy)
        self.kind: Kind = kind


class UnhealthyServices(EngineTrouble, UnhealthyError):  # noqa: N818  # as its base
    """An UnhealthyError of this engine."""

    def __init__(self, text: str, *, apps: frozenset[str], remedy: str | None = None) -> None:
        super().__init__("failed", text, remedy=remedy)
        self.apps = apps


AGAIN = "then run the same command again: it goes on where it stopped"
_RUN_ENGINE = "start it (`systemctl start docker`; on a bare Debian `scripts/bootstrap.sh engine`)"
_NOT_THE_ENGINES = ("port", "image", "mount", "name")
"""Kinds that are about something else than the engine: its address would mislead."""
_SSHS_OWN = ("absent", "refused", "gone", "slow", "failed")
"""Kinds of which ssh's own words say more."""

# The first that matches decides. Texts are those of Docker 20.10 to 28, Compose 2.23 to 2.40, OpenSSH 9, urllib3 and requests.
_RULES: tuple[tuple[Kind, str, str, str], ...] = (
    (
        "space",
        r"no space left on device|ENOSPC|disk quota exceeded",
        "the engine's disk is full",
        f"free some space on it (`docker system df`), {AGAIN}",
    ),
    (
        "port",
        r"port is already allocated|address already in use|failed to bind (?:host )?port|ports are not available",
        "the port {port} is taken",
        "`ss -tulpn` shows by whom; stop it, or give the app another port in the stack",
    ),
    (
        "refused",
        r"permission denied \((?:publickey|password|keyboard)|too many authentication failures",
        "ssh was refused by the engine's host",
        "put your key on it (`ssh-copy-id`), and check with `ssh HOST docker version`",
    ),
    (
        "refused",
        r"host key verification failed",
        "the engine's host shows a key that ssh does not know",
        "log in once by hand with ssh and compare the key",
    ),
    (
        "refused",
        r"permission ?denied.*(?:connect|docker\.sock|dial unix|daemon socket)|permissionerror|errno 13|dial unix.*permission denied",
        "the engine refuses you",
        "as root: `usermod -aG docker USER`, then log in again (a member of that group can do what root can)",
    ),
    (
        "old",
        r"client version [\d.]+ is too new|maximum supported api version|api versions below|is not a docker command|"
        r"unknown shorthand flag: 'f'|unknown command: docker compose",
        "the engine or its Compose plug-in is too old",
        "an engine of API 1.41 (Docker 20.10) and Compose 2.23.1 are needed",
    ),
    (
        "old",
        r"client version [\d.]+ is too old",
        "this client is too old for the engine",
        "update Docker Compose and the Python package `docker`",
    ),
    (
        "tls",
        r"x509|certificate|tls: |ssl(?:error|:)|http response to https client|client sent an http request to an https server",
        "no trusted TLS connection to the engine",
        "check DOCKER_CERT_PATH, DOCKER_TLS_VERIFY and the certificates' dates",
    ),
    (
        "mount",
        r"bind source path does not exist|invalid mount config|mounts denied|error mounting|"
        r"not a shared (?:or slave )?mount|error while creating mount source path|"
        r"are you trying to mount a directory onto a file|not a directory",
        "a folder cannot be mounted: {line}",
        "make the folder on the engine's host, with the right owner; clouds need a parent that is a shared mount (`mount --make-rshared`)",
    ),
    (
        "image",
        r"no such image|manifest unknown|pull access denied|manifest for .* not found|repository does not exist|reference does not exist",
        "an image is missing: {line}",
        "`portable images list` shows what would be pulled or built",
    ),
    (
        "name",
        r"container name .* is already in use|conflict\. the container name",
        "a container of another origin has the name: {line}",
        "rename or remove it",
    ),
    (
        "gone",
        r"remotedisconnected|remote end closed|connection reset|connection aborted|broken ?pipe|unexpected eof|\beof\b|"
        r"error during connect|use of closed network connection|incompleteread|closed the connection|"
        r"server closed idle connection|bad gateway",
        "the engine went away in the middle",
        f"see whether it runs (`docker version`), {AGAIN}",
    ),
    (
        "absent",
        r"cannot connect to the docker daemon|connection ?refused|no such file or directory.*sock|filenotfounderror|"
        r"errno 2\b|no such host|name or service not known|could not resolve|nameresolutionerror|no route to host|"
        r"network is unreachable|failed to resolve|temporary failure in name resolution|newconnectionerror|connect: ",
        "no engine answers",
        _RUN_ENGINE,
    ),
    (
        "slow",
        r"read timed out|timed ?out|deadline exceeded|i/o timeout",
        "the engine does not answer in time",
        f"see whether it is overloaded (`docker info`), {AGAIN}",
    ),
)
_COMPILED = tuple((kind, re.compile(pattern, re.IGNORECASE | re.DOTALL), text, remedy) for kind, pattern, text, remedy in _RULES)
_PORT = re.compile(r"(?:\d+\.\d+\.\d+\.\d+|\[?::[0-9a-f]*\]?|0\.0\.0\.0):(\d+)")
_BARE_PORT = re.compile(r"port[s:]? +[\"']?(\d+)")
_NOISE = re.compile(r"^\s*(?:time=\S+ level=(?:warning|info|debug)\b|(?:Container|Network|Volume|Image) \S+ +\w+\s*$|\[\+\]|#\d+ )")
_DAEMON = re.compile(r"^(?:Error response from daemon: )+|^(?:docker: )")
_LONGEST = 300


def one_line(text: str) -> str:
    """The line of a foreign program's output that says what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _NOISE.match(line)]
    if not lines:
        return ""
    telling = [line for line in lines if re.match(r"(?i)error|.*\bfailed\b|.*\bcannot\b|dependency failed", line)]
    line = _DAEMON.sub("", (telling or lines)[-1])
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def chain_of(error: BaseException) -> str:
    """All that an exception and its causes say, with their types: what the rules look at."""
    parts: list[str] = []
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        stderr = getattr(at, "stderr", None)
        parts.append(f"{type(at).__name__}: {at}" + (f"\n{stderr}" if isinstance(stderr, str) else ""))
        at = at.__cause__ or at.__context__
    return "\n".join(parts)


def classify(text: str) -> Kind:
    """The kind of trouble that a foreign text is about."""
    return next((kind for kind, pattern, _, _ in _COMPILED if pattern.search(text)), "failed")


def translate(
    text: str, *, where: str, doing: str, answered: bool = False, responded: bool = False, named_by: str = "", ssh: str = ""
) -> EngineTrouble:
    """An error for a person, from a foreign program's text (already without secrets).

    `where` is the engine's address; with `answered` the engine had been there before, so that it can only have gone; with `responded` the
    text is its own answer, so that it is there. `named_by` says who named that engine; `ssh` is what the way there said last.
    """
    text, way = (f"{ssh}\n{text}", f": {ssh}") if ssh and not responded else (text, "")
    never = ("absent", "gone", "slow", "tls") if responded else () if answered else ("gone",)
    for kind, pattern, says, remedy in _COMPILED:
        if kind in never:
            continue
        if not pattern.search(text):
            continue
        if kind == "absent" and answered:
            return EngineTrouble(
                "gone",
                f"the engine went away in the middle, while {doing}{way}",
                where=where,
                remedy=f"see whether it runs (`docker version`), {AGAIN}",
            )
        match = _PORT.search(text) or _BARE_PORT.search(text)
        said = says.format(line=one_line(text), port=match[1] if match else "that an app publishes")
        if kind in _NOT_THE_ENGINES:
            return EngineTrouble(kind, said, remedy=remedy)
        told = _elsewhere(where, named_by) if kind == "absent" else remedy
        return EngineTrouble(kind, f"{said}, while {doing}{way if kind in _SSHS_OWN else ''}", where=where, remedy=told)
    if not answered and not responded and classify(text) == "gone":
        return EngineTrouble("absent", f"no engine answers, while {doing}{way}", where=where, remedy=_elsewhere(where, named_by))
    return EngineTrouble(
        "failed",
        f"{doing} failed: {one_line(text) or 'no reason given'}",
        where=where,
        remedy="`portable --debug` before the verb shows all that the engine said",
    )


def _elsewhere(where: str, named_by: str) -> str:
    """What to do where no engine answers, or about who named that one."""
    parts = urlsplit(where)
    user, port = f"{parts.username}@" if parts.username else "", f"-p {parts.port} " if parts.port else ""
    start = f"check with `ssh {port}{user}{parts.hostname} docker version`" if parts.scheme == "ssh" else _RUN_ENGINE
    if named_by == "DOCKER_HOST":
        return f"{start}, or correct or unset DOCKER_HOST"
    if named_by.startswith("the docker context"):
        return f"{start}, or choose another docker context (`docker context use`)"
    return f"{start}, or name another one in the profile's `engine`"
