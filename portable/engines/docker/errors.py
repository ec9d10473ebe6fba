"""Translate errors of the engine, its SDK, Compose and ssh into one family of errors. Does no I/O."""

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from portable.model.codes import Code
from portable.model.errors import EngineError, UnhealthyError

Kind = Literal["absent", "refused", "old", "gone", "slow", "port", "space", "image", "mount", "tls", "name", "failed"]
_CODES: Mapping[Kind, Code] = {
    "absent": "engine.absent",
    "refused": "engine.denied",
    "old": "engine.old",
    "gone": "engine.gone",
    "slow": "engine.timeout",
    "port": "host.port",
    "space": "host.full",
    "image": "engine.image",
    "mount": "host.mount",
    "tls": "engine.tls",
    "name": "engine.name",
    "failed": "engine.failed",
}
"""The code of each kind, where nothing more exact is known."""


class DockerError(EngineError):  # a family of errors has its base's suffix already
    """An EngineError with a kind, by which the program decides what to do. Its code follows from the kind unless one is passed."""

    def __init__(self, kind: Kind, text: str, *, code: Code = "", where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(text, code=code or _CODES[kind], where=where, remedy=remedy)
        self.kind: Kind = kind


class UnhealthyDockerServices(DockerError, UnhealthyError):  # noqa: N818  # as its base
    """An UnhealthyError of this engine."""

    def __init__(self, text: str, *, apps: frozenset[str], remedy: str | None = None) -> None:
        super().__init__("failed", text, code="up.unhealthy", remedy=remedy)
        self.apps = apps


AGAIN = "then run the same command again: it continues where it stopped"
_RUN_ENGINE = "start it (`systemctl start docker`; on a bare Debian `scripts/bootstrap.sh engine`)"
_NOT_THE_ENGINES = ("port", "image", "mount", "name")
"""Kinds that are not about the engine: its address would mislead."""
_SSH_KINDS = ("absent", "refused", "gone", "slow", "failed")
"""Kinds of errors that ssh itself explains better."""

# Kind, code (empty: that of the kind), pattern, text, remedy. The first pattern that matches decides.
# The texts are those of Docker 20.10 to 28, Compose 2.23 to 2.40, OpenSSH 9, urllib3 and requests.
_RULES: tuple[tuple[Kind, Code, str, str, str], ...] = (
    (
        "space",
        "",
        r"no space left on device|ENOSPC|disk quota exceeded",
        "the engine's disk is full",
        f"free space on it (`docker system df` shows what uses it), {AGAIN}",
    ),
    (
        "port",
        "",
        r"port is already allocated|address already in use|failed to bind (?:host )?port|ports are not available",
        "{port} is already in use",
        "find its owner with `ss -tulpn` and stop it, or give the app another port in the stack",
    ),
    (
        "refused",
        "engine.ssh-denied",
        r"permission denied \((?:publickey|password|keyboard)|too many authentication failures",
        "the engine's host denied the ssh login",
        "copy your key to it (`ssh-copy-id HOST`), and check with `ssh HOST docker version`",
    ),
    (
        "refused",
        "engine.ssh-host-key",
        r"host key verification failed",
        "ssh does not know the host key of the engine's host",
        "log in once with `ssh HOST`, and compare the key",
    ),
    (
        "refused",
        "",
        r"permission ?denied.*(?:connect|docker\.sock|dial unix|daemon socket)|permissionerror|errno 13|dial unix.*permission denied",
        "the engine denies you access",
        "run `usermod -aG docker USER` as root, then log in again (members of that group can do what root can)",
    ),
    (
        "old",
        "",
        r"client version [\d.]+ is too new|maximum supported api version|api versions below|is not a docker command|"
        r"unknown shorthand flag: 'f'|unknown command: docker compose",
        "the engine or its Compose plug-in is too old",
        "update them to API 1.41 (Docker 20.10) and Compose 2.23.1, or later",
    ),
    (
        "old",
        "engine.client-old",
        r"client version [\d.]+ is too old",
        "this client is too old for the engine",
        "update Docker Compose and the Python package `docker`",
    ),
    (
        "tls",
        "",
        r"x509|certificate|tls: |ssl(?:error|:)|http response to https client|client sent an http request to an https server",
        "the TLS connection to the engine cannot be trusted",
        "check DOCKER_CERT_PATH, DOCKER_TLS_VERIFY and the certificates' dates",
    ),
    (
        "mount",
        "",
        r"bind source path does not exist|invalid mount config|mounts denied|error mounting|"
        r"not a shared (?:or slave )?mount|error while creating mount source path|"
        r"are you trying to mount a directory onto a file|not a directory",
        "a folder cannot be mounted: {line}",
        "create it on the engine's host with the right owner; the parent of a cloud must be a shared mount (`mount --make-rshared`)",
    ),
    (
        "image",
        "",
        r"no such image|manifest unknown|pull access denied|manifest for .* not found|repository does not exist|reference does not exist",
        "an image is missing: {line}",
        "run `portable images list` to see which images would be pulled or built",
    ),
    (
        "name",
        "",
        r"container name .* is already in use|conflict\. the container name",
        "another container already has this name: {line}",
        "rename or remove that container (`docker rename`, `docker rm`)",
    ),
    (
        "gone",
        "",
        r"remotedisconnected|remote end closed|connection reset|connection aborted|broken ?pipe|unexpected eof|\beof\b|"
        r"error during connect|use of closed network connection|incompleteread|closed the connection|"
        r"server closed idle connection|bad gateway",
        "the connection to the engine broke off",
        f"check that the engine runs (`docker version`), {AGAIN}",
    ),
    (
        "absent",
        "",
        r"cannot connect to the docker daemon|connection ?refused|no such file or directory.*sock|filenotfounderror|"
        r"errno 2\b|no such host|name or service not known|could not resolve|nameresolutionerror|no route to host|"
        r"network is unreachable|failed to resolve|temporary failure in name resolution|newconnectionerror|connect: ",
        "the engine does not answer",
        _RUN_ENGINE,
    ),
    (
        "slow",
        "",
        r"read timed out|timed ?out|deadline exceeded|i/o timeout",
        "the engine did not answer in time",
        f"check whether it is overloaded (`docker info`), {AGAIN}",
    ),
)
_COMPILED = tuple(
    (kind, code, re.compile(pattern, re.IGNORECASE | re.DOTALL), text, remedy) for kind, code, pattern, text, remedy in _RULES
)
_PORT = re.compile(r"(?:\d+\.\d+\.\d+\.\d+|\[?::[0-9a-f]*\]?|0\.0\.0\.0):(\d+)")
_BARE_PORT = re.compile(r"port[s:]? +[\"']?(\d+)")
_NOISE = re.compile(r"^\s*(?:time=\S+ level=(?:warning|info|debug)\b|(?:Container|Network|Volume|Image) \S+ +\w+\s*$|\[\+\]|#\d+ )")
_DAEMON = re.compile(r"^(?:Error response from daemon: )+|^(?:docker: )")
_LONGEST = 300


def one_line(text: str) -> str:
    """The line of a foreign program's output that states the error."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _NOISE.match(line)]
    if not lines:
        return ""
    telling = [line for line in lines if re.match(r"(?i)error|.*\bfailed\b|.*\bcannot\b|dependency failed", line)]
    line = _DAEMON.sub("", (telling or lines)[-1])
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def chain_of(error: BaseException) -> str:
    """The types and texts of an exception and its causes: the input of the rules."""
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
    """The kind of error that a foreign text is about."""
    return next((kind for kind, _, pattern, _, _ in _COMPILED if pattern.search(text)), "failed")


def translate(
    text: str, *, where: str, doing: str, answered: bool = False, responded: bool = False, named_by: str = "", ssh: str = ""
) -> DockerError:
    """Return the error for a foreign program's text, from which secrets are removed already.

    `where` is the engine's address. With `answered` the engine has answered before, so it can only have gone. With `responded` the text is
    its own answer, so it is there. `named_by` is the setting that named the engine; `ssh` is the last output of ssh on the way to it.
    """
    text, way = (f"{ssh}\n{text}", f": {ssh}") if ssh and not responded else (text, "")
    never = ("absent", "gone", "slow", "tls") if responded else () if answered else ("gone",)
    for kind, code, pattern, template, remedy in _COMPILED:
        if kind in never:
            continue
        if not pattern.search(text):
            continue
        if kind == "absent" and answered:
            return DockerError(
                "gone",
                f"the connection to the engine broke off, while {doing}{way}",
                where=where,
                remedy=f"check that the engine runs (`docker version`), {AGAIN}",
            )
        match = _PORT.search(text) or _BARE_PORT.search(text)
        message = template.format(line=one_line(text), port=f"port {match[1]}" if match else "a port that an app publishes")
        if kind in _NOT_THE_ENGINES:
            return DockerError(kind, message, code=code, remedy=remedy)
        step = _elsewhere(where, named_by) if kind == "absent" else remedy
        return DockerError(kind, f"{message}, while {doing}{way if kind in _SSH_KINDS else ''}", code=code, where=where, remedy=step)
    if not answered and not responded and classify(text) == "gone":
        return DockerError("absent", f"the engine does not answer, while {doing}{way}", where=where, remedy=_elsewhere(where, named_by))
    return DockerError(
        "failed",
        f"{doing} failed: {one_line(text) or 'no reason given'}",
        where=where,
        remedy="run it again with `portable --debug` before the verb, to see the engine's whole output",
    )


def _elsewhere(where: str, named_by: str) -> str:
    """The remedy where the engine does not answer; it depends on the setting that named the engine."""
    parts = urlsplit(where)
    user, port = f"{parts.username}@" if parts.username else "", f"-p {parts.port} " if parts.port else ""
    start = f"check with `ssh {port}{user}{parts.hostname} docker version`" if parts.scheme == "ssh" else _RUN_ENGINE
    if named_by == "DOCKER_HOST":
        return f"{start}, or correct or unset DOCKER_HOST"
    if named_by.startswith("the docker context"):
        return f"{start}, or choose another docker context (`docker context use`)"
    return f"{start}, or name another one in the profile's `engine`"
